"""One module per DAG: join edges and pure rooms, decide windows, commit. No Airflow."""
