"""All that must know Airflow: assets, callbacks, timetable, Connections to settings."""
