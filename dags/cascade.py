"""# Cascade candles

Rolls finer candles up into coarser ones, one DAG per arrow: 1m → 5m → 30m → 4h, or as
`CANDLEWICK_TIMEFRAMES` says. Only buckets that a change in the ledger touches are rebuilt, and only
once they are wholly covered; rows and cursor move in one transaction.

**Normal**: a second for a live candle, seconds for months of history.
**Triage**: a bucket that stays away is not covered yet: see `ledger.coverage` of its source.
"""

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import CASCADE, Timeframe


def build_cascade(source: Timeframe, target: Timeframe) -> None:
    """Make the DAG of one arrow."""

    @dag(
        dag_id=f"cascade_{target.name}",
        schedule=wake_on(assets.candles(source)),
        **stage_arguments("cascade", __doc__),
    )
    def cascade() -> None:
        @task(outlets=[assets.candles(target)], pool="warehouse_load")
        def roll_up(*, dag_run: Any = None) -> dict[str, int]:
            from include.airflow_bridge.connections import warehouse
            from include.jobs.cascade import cascade_changes
            from include.jobs.wake_ups import somebody_waits

            with warehouse(f"cascade_{target.name}") as conn:
                written = cascade_changes(conn, source, target, run_id=dag_run.run_id)
                if not any(written.values()) and not somebody_waits(conn, [target]):
                    raise AirflowSkipException("no bucket changed")
            return written

        roll_up()

    cascade()


for finer, coarser in CASCADE:
    build_cascade(finer, coarser)
