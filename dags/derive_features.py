"""# Derive features

Computes what each bar and the bars before it tell (returns, volatilities, volume-weighted prices:
`market.feature`) and what each trading session gained (`market.session_return`) from 1m candles.
Only what a change in the ledger reaches is derived again, late and withdrawn minutes included; rows
and cursor move in one transaction.

**Normal**: seconds for live candles, a minute for a year of several instruments.
**Triage**: a bar without features is not proven yet: see `ledger.coverage` of candle_1m; a value
that is null is not known, see the comment of its column.
"""

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import CASCADE, M1

# Not with every minute: features are of bars, and these are the finest of them.
FINEST = CASCADE[0][1] if CASCADE else M1


@dag(
    dag_id="derive_features",
    schedule=wake_on(assets.candles(FINEST)),
    **stage_arguments("cascade", __doc__),
)
def derive_features() -> None:
    """Derive what changed."""

    @task(outlets=[assets.FEATURE, assets.SESSION_RETURN])
    def derive(*, dag_run: Any = None) -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, warehouse
        from include.jobs.derive_features import derive_changed

        with warehouse("derive_features") as conn:
            written = derive_changed(conn, load_settings(), run_id=dag_run.run_id)
        if not any(written[fate] for fate in ("inserted", "updated", "withdrawn")):
            raise AirflowSkipException("no bar changed")
        return written

    derive()


derive_features()
