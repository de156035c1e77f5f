"""# Fetch new candles

Every minute, each instrument's closed 1m candles since the end of its proven coverage, a few older
ones re-read to notice revisions. An instrument without history starts at today's midnight, UTC;
earlier days are `backfill_history`'s work.

**Normal**: a few seconds. **Triage**: an unreachable venue fails the run after its retries; the
next run fetches everything missed, because the ledger, not this run, knows where to go on.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import run_key, stage_arguments


@dag(schedule="* * * * *", **stage_arguments("fetch", __doc__))
def fetch_candles() -> None:
    """Fetch what is new, venue by venue."""

    @task(outlets=[assets.LANDING], pool="exchange_api", execution_timeout=timedelta(minutes=10))
    def fetch_new(*, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            storage_path,
            warehouse,
        )
        from include.airflow_bridge.sources import source
        from include.jobs.fetch_candles import fetch_new_candles

        landed: dict[str, int] = {}
        for venue, symbols in load_universe().venues.items():
            with source(venue) as exchange, warehouse("fetch_candles") as conn:
                landed |= fetch_new_candles(
                    conn, exchange, storage_path, load_settings(), symbols, run_id=run_key(dag_run)
                )
        if not landed:
            raise AirflowSkipException("no candle has closed since the last run")
        return landed

    fetch_new()


fetch_candles()
