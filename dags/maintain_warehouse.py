"""# Maintain the warehouse

Keeps the tables in order: partitions for the months to come, months beyond `retention_months` of
Variable `settings` moved to schema `retired` (never dropped), landed files beyond `landing_days`
removed, results of suites beyond `quality_run_days` forgotten, what was filled vacuumed and
analyzed, and everything stored audited: rows against coverage, gaps, receipts, revisions, the
cascade, and the checksums of closed months.

**Runs** daily at 03:40 UTC; on Sundays the audit is thorough. **Normal**: a minute or two; a
thorough audit reads some 50,000 rows a second. **Triage**: what it found is in `ledger.finding`,
and `make audit` prints it with the way to repair it.
"""

from datetime import timedelta

from airflow.sdk import dag, task

from include.airflow_bridge.stage import stage_arguments


@dag(schedule="40 3 * * *", **stage_arguments("maintain", __doc__))
def maintain_warehouse() -> None:
    """Prepare, clear away, tidy up, audit: one after the other."""

    @task
    def prepare_months() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, warehouse
        from include.jobs.maintain_warehouse import prepare_months as prepare

        with warehouse("maintain_warehouse") as conn:
            return prepare(conn, load_settings(), at=now())

    @task
    def remove_files() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, storage_path, warehouse
        from include.jobs.maintain_warehouse import remove_old_files

        with warehouse("maintain_warehouse") as conn:
            return remove_old_files(conn, storage_path, load_settings(), at=now())

    @task(execution_timeout=timedelta(hours=2))
    def tidy_up() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, warehouse
        from include.jobs.maintain_warehouse import tidy_up as tidy

        with warehouse("maintain_warehouse") as conn:
            return tidy(conn, load_settings(), at=now())

    @task(execution_timeout=timedelta(hours=4))
    def audit() -> dict[str, int]:
        from include.airflow_bridge.connections import now, sender, warehouse
        from include.jobs.maintain_warehouse import audit_warehouse

        with warehouse("maintain_warehouse") as conn:
            return audit_warehouse(conn, sender(), at=now())

    prepare_months() >> remove_files() >> tidy_up() >> audit()


maintain_warehouse()
