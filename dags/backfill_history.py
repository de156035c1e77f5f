"""# Backfill history

Loads whole UTC days of 1m candles: `bin/airflow backfill create --dag-id backfill_history
--from-date 2026-10-01 --to-date 2026-10-07` (both days included), or *Trigger* in the UI with
`from_date` and `to_date`. One run per month of the range, one task per instrument.

Pages land as Parquet, several days a file; what has landed is never fetched again by a retry.
Repeating a range that is already there writes no row.

**Normal**: a month of one instrument is 44 requests, seconds to a minute.
**Triage**: `RateLimitedError` waits and retries by itself; `held` batches are in `ledger.landing`.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from include.airflow_bridge import assets
from include.airflow_bridge.stage import run_key, stage_arguments
from include.airflow_bridge.timetable import HistoryTimetable

ARGUMENTS = {
    **stage_arguments("fetch", __doc__),
    "max_active_runs": 4,
    "allowed_run_types": ("scheduled", "manual", "backfill"),
}


@dag(
    schedule=HistoryTimetable(),
    params={
        "from_date": Param(None, type=["null", "string"], format="date", title="First day (UTC)"),
        "to_date": Param(None, type=["null", "string"], format="date", title="Last day, included"),
    },
    **ARGUMENTS,
)
def backfill_history() -> None:
    """Fetch every instrument's candles of the run's days into the landing zone."""

    @task
    def plan(*, dag_run: Any = None, params: dict[str, Any] | None = None) -> list[dict[str, str]]:
        from include.airflow_bridge.connections import load_universe
        from include.airflow_bridge.timetable import run_span
        from include.jobs.backfill_history import plan_instruments

        return plan_instruments(load_universe(), run_span(dag_run, params or {}))

    @task(outlets=[assets.LANDING], pool="exchange_api", execution_timeout=timedelta(hours=2))
    def fetch(instrument: dict[str, str], *, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, storage_path, warehouse
        from include.airflow_bridge.sources import archive, source
        from include.jobs.backfill_history import backfill_instrument

        venue = instrument["venue"]
        with (
            source(venue) as exchange,
            archive(venue) as files,
            warehouse("backfill_history") as conn,
        ):
            return backfill_instrument(
                conn,
                exchange,
                storage_path,
                load_settings(),
                instrument,
                run_id=run_key(dag_run),
                archive=files,
            )

    fetch.expand(instrument=plan())


backfill_history()
