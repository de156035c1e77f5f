"""# Fit channels

Finds breakpoints in the log price and fits quantile lines to each segment, for every instrument
whose candles changed. A channel is published only when its out-of-sample pinball loss beats the
random walk's; else it is stored as declined, with the reason.

**Normal**: a few seconds an instrument. **Triage**: see `model.channel.declined_reason`.
"""

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import H4, Timeframe


def build_fit_channels(timeframe: Timeframe) -> None:
    """Make the DAG that models one timeframe."""

    @dag(
        dag_id=f"fit_channels_{timeframe.label}",
        schedule=wake_on(assets.candles(timeframe)),
        **stage_arguments("model", __doc__),
    )
    def fit_channels() -> None:
        @task(outlets=[assets.CHANNEL], pool="model_fit")
        def fit() -> dict[str, int]:
            from include.airflow_bridge.connections import load_settings, warehouse
            from include.jobs.fit_channels import fit_changed

            with warehouse(f"fit_channels_{timeframe.label}") as conn:
                fitted = fit_changed(conn, timeframe, load_settings())
            if not fitted["instruments"]:
                raise AirflowSkipException("no candle changed")
            return fitted

        fit()

    fit_channels()


build_fit_channels(H4)
