"""# Audit history

Reads settled days again, one and seven days after they ended, from the archive where there is one
and from the venue otherwise, and archive files whose published checksum changed since they were
read. What differs from the warehouse is stored as a revision; equal rows cost nothing.

**Runs** daily at 04:20 UTC, when yesterday's archive files are there. **Normal**: two days per
instrument, under a minute each. **Triage**: revisions are `updated` rows in `ledger.load`, files
replaced upstream are counted in `ledger.archive_file.revised_count`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from include.airflow_bridge import assets
from include.airflow_bridge.stage import run_key, stage_arguments


@dag(schedule="20 4 * * *", **stage_arguments("fetch", __doc__))
def audit_history() -> None:
    """Read again what is due, venue by venue."""

    @task
    def list_venues() -> list[str]:
        from include.airflow_bridge.connections import load_universe

        return list(load_universe().venues)

    @task(outlets=[assets.LANDING], pool="exchange_api", execution_timeout=timedelta(hours=2))
    def audit(venue: str, *, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            storage_path,
            warehouse,
        )
        from include.airflow_bridge.sources import archive, source
        from include.jobs.audit_history import audit_venue

        with source(venue) as exchange, archive(venue) as files, warehouse("audit_history") as conn:
            return audit_venue(
                conn,
                exchange,
                storage_path,
                load_settings(),
                load_universe().venues[venue],
                run_id=run_key(dag_run),
                archive=files,
            )

    audit.expand(venue=list_venues())


audit_history()
