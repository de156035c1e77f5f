"""# Fit channels

Finds breakpoints in the log price and fits quantile lines to each segment, for every instrument
whose candles changed or whose coarser channel tells otherwise: one DAG per timeframe, the coarsest
first, each told by the one above it. A channel is published only when out-of-sample losses beat
every baseline; else it is stored as declined, with the reason. What was published is scored against
what came after it.

**Normal**: a second a dozen instruments; finer timeframes wait while history is being loaded.
**Triage**: see `model.channel.declined_reason`; how channels did is in `model.live_score`. A run
that ends in `no fit that saw the changes` lost a shard: the next run does it again.
"""

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.modelled import MODELLED, parent_of
from include.market.timeframe import Timeframe


def build_fit_channels(timeframe: Timeframe) -> None:
    """Make the DAG that models one timeframe."""
    parent = parent_of(timeframe)
    wakes = [assets.candles(timeframe)] + ([assets.channels(parent)] if parent else [])

    @dag(
        dag_id=f"fit_channels_{timeframe.name}",
        schedule=wake_on(*wakes),
        **stage_arguments("model", __doc__),
    )
    def fit_channels() -> None:
        @task
        def plan() -> list[dict[str, Any]]:
            from include.airflow_bridge.connections import load_settings, warehouse
            from include.jobs.fit_channels import plan_fits

            with warehouse(f"fit_channels_{timeframe.name}") as conn:
                shards = plan_fits(conn, timeframe, load_settings())
            if not shards:
                raise AirflowSkipException("nothing to fit")
            return shards

        @task(pool="model_fit")
        def fit(shard: dict[str, Any]) -> dict[str, int]:
            from include.airflow_bridge.connections import load_settings, warehouse
            from include.jobs.fit_channels import fit_shard

            with warehouse(f"fit_channels_{timeframe.name}") as conn:
                return fit_shard(conn, timeframe, load_settings(), shard)

        @task(outlets=[assets.channels(timeframe)])
        def score(shards: list[dict[str, Any]]) -> dict[str, int]:
            from include.airflow_bridge.connections import load_settings, warehouse
            from include.jobs.fit_channels import finish_fits

            with warehouse(f"fit_channels_{timeframe.name}") as conn:
                return finish_fits(conn, timeframe, load_settings(), shards)

        shards = plan()
        fit.expand(shard=shards) >> score(shards)

    fit_channels()


for each in MODELLED:
    build_fit_channels(each)
