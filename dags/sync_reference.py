"""# Sync reference data

Venues, assets, instruments and trading sessions of the universe, from each venue's reference
endpoint. Changes of status, tick size, lot size or funding interval are kept as dated history.
Renames and changes of unit that Variable `universe` declares are applied once. Rows that waited in
quarantine for any of this are loaded. Each venue's clock is held against ours.

**Runs** every hour, and when asked. **Normal**: under a minute, one short task per venue.
**Triage**: `UnknownInstrumentError` means Variable `universe` names a symbol its venue does not
list; `InvalidInputError` one of its renames or calendars, in words.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.airflow_bridge import assets
from include.airflow_bridge.stage import run_key, stage_arguments


@dag(schedule="0 * * * *", **stage_arguments("reference", __doc__))
def sync_reference() -> None:
    """Fetch what each venue lists, then store what changed."""

    @task
    def list_venues() -> list[str]:
        from include.airflow_bridge.connections import load_universe

        return list(load_universe().venues)

    @task(outlets=[assets.INSTRUMENT], pool="exchange_api", execution_timeout=timedelta(minutes=10))
    def sync_venue(venue: str, *, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            sender,
            warehouse,
        )
        from include.airflow_bridge.sources import source
        from include.jobs.sync_reference import sync_venue as sync
        from include.jobs.watch_clock import watch_clock

        universe = load_universe()
        with source(venue) as exchange, warehouse("sync_reference") as conn:
            totals = sync(
                conn,
                exchange,
                universe.venues[venue],
                universe.options_of(venue),
                run_id=run_key(dag_run),
            )
            now = datetime.now(UTC)
            return totals | watch_clock(conn, exchange, load_settings(), sender(), at=now)

    sync_venue.expand(venue=list_venues())


sync_reference()
