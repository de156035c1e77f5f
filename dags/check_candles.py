"""# Check candles

Runs the Great Expectations suite over every landed batch: good rows go on, bad rows into
`ledger.quarantine` with the rule they broke, the verdict into `ledger.verdict`. A batch with too
many bad rows (`settings.block_share`) is held: nothing of it is loaded until someone has looked.

**Normal**: well under a second a batch.
**Triage**: `select * from ledger.landing where state = 'held'`.
"""

from airflow.sdk import dag, task

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on


@dag(schedule=wake_on(assets.LANDING), **stage_arguments("check", __doc__))
def check_candles() -> None:
    """Claim what has landed, in shards, and judge it."""

    @task
    def plan() -> list[list[int]]:
        from include.airflow_bridge.connections import warehouse
        from include.jobs.landed_work import plan_shards

        with warehouse("check_candles") as conn:
            return plan_shards(conn, state="landed")

    @task(outlets=[assets.VERDICT])
    def check(landing_ids: list[int]) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            sender,
            storage_path,
            warehouse,
        )
        from include.jobs.check_candles import check_landings

        with warehouse("check_candles") as conn:
            return check_landings(conn, storage_path, load_settings(), sender(), landing_ids)

    check.expand(landing_ids=plan())


check_candles()
