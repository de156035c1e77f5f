"""Tells Airflow about Candlewick's timetable."""

from airflow.plugins_manager import AirflowPlugin

from include.airflow_bridge.timetable import HistoryTimetable


class CandlewickPlugin(AirflowPlugin):
    """Registers what DAG files refer to by class."""

    name = "candlewick"
    timetables = (HistoryTimetable,)
