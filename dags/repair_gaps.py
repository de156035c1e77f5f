"""# Repair gaps

Looks again for what is absent: unexplained gaps after 10 minutes, half an hour, 2 and 8 hours, a
day and so on, and outages that were explained an hour to a week after they were found, for venues
mend their data late. The archive is asked before the venue. What comes lands and is checked, loaded
and rolled up like everything else; what does not come is proven absent by looks that confirm each
other, or given up after a month. Reasons learnt later (halts, outages of the whole venue) are given
to the gaps already written down, and spans nobody ever asked for are found and asked for. Where
Variable `universe` names a `second_source`, what the venue has lost is taken from there in the end.
Outages and changed answers that turned up are told once.

**Runs** every ten minutes. **Normal**: seconds; *skipped* when nothing came of it.
**Triage**: `ledger.gap` says of every open gap its reason, its looks and when the next one is;
`given_up_at` marks those nobody looks for any more, `bin/airflow backfill create` asks again.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import run_key, stage_arguments
from include.market.timeframe import M1


@dag(schedule="7-59/10 * * * *", **stage_arguments("fetch", __doc__))
def repair_gaps() -> None:
    """Look for what is absent, venue by venue."""

    @task
    def list_venues() -> list[str]:
        from include.airflow_bridge.connections import load_universe

        return list(load_universe().venues)

    # Explained absence is news to the cascade as candles are.
    @task(
        outlets=[assets.LANDING, assets.candles(M1)],
        pool="exchange_api",
        execution_timeout=timedelta(hours=1),
    )
    def repair(venue: str, *, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            now,
            sender,
            storage_path,
            warehouse,
        )
        from include.airflow_bridge.sources import archive, second_venue, source
        from include.jobs.repair_gaps import repair_venue
        from include.jobs.tell_news import tell_news

        with warehouse("repair_gaps") as conn:
            # First: who cannot be asked can still be told of.
            tell_news(conn, sender(), venue, at=now())
        with source(venue) as exchange, archive(venue) as files, warehouse("repair_gaps") as conn:
            done = repair_venue(
                conn,
                exchange,
                storage_path,
                load_settings(),
                load_universe().venues[venue],
                run_id=run_key(dag_run),
                at=now(),
                archive=files,
                second=second_venue(venue),
            )
        if not any(done.get(name) for name in ("rows", "explained", "proven")):
            raise AirflowSkipException("nothing was found or explained")
        return done

    repair.expand(venue=list_venues())


repair_gaps()
