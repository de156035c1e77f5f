"""# Load the warehouse

Checked batches go into `market.candle_1m`, one of two ways. A month that is still empty is built
beside the table from all its batches, its keys and references are checked as a whole, and it is
attached in a moment. Any other batch is compared with what is stored under the lock of its series;
rows that say something new go through COPY into staging, foreign keys are resolved set-wise, and a
row that is replaced is kept in `market.candle_revision`. Coverage, gaps and changes are written to
the ledger in the same transaction.

Minutes that have just closed are rolled up through every timeframe at once, in one transaction; a
backlog is left to the DAGs `cascade_*`, which also do what this missed.

**Normal**: under a second a batch, some ten seconds a whole month of many instruments. **Triage**:
`StaleFenceError` means an orphaned try was refused beside its successor; nothing is to be done. A
warning that a month's locks were not to be had only means that it took the slower way.
"""

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import CASCADE, M1


@dag(schedule=wake_on(assets.VERDICT), **stage_arguments("load", __doc__))
def load_warehouse() -> None:
    """Claim what has been checked, in shards of whole months or instruments, and load it."""

    @task
    def plan() -> list[list[int]]:
        from include.airflow_bridge.connections import warehouse
        from include.jobs.landed_work import plan_shards

        with warehouse("load_warehouse") as conn:
            return plan_shards(conn, state="checked")

    @task(outlets=[assets.candles(M1)], pool="warehouse_load")
    def load(landing_ids: list[int], *, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import storage_path, warehouse
        from include.jobs.load_warehouse import load_landings

        with warehouse("load_warehouse") as conn:
            return load_landings(conn, storage_path, landing_ids, run_id=dag_run.run_id)

    @task(outlets=[assets.candles(target) for _, target in CASCADE], pool="warehouse_load")
    def roll_up(*, dag_run: Any = None) -> dict[str, dict[str, int]]:
        from include.airflow_bridge.connections import warehouse
        from include.jobs.cascade import cascade_live

        with warehouse("load_warehouse") as conn:
            written = cascade_live(conn, run_id=dag_run.run_id)
        if not written:
            raise AirflowSkipException("no candle closed, or a backlog is left to the cascade")
        return written

    load.expand(landing_ids=plan()) >> roll_up()


load_warehouse()
