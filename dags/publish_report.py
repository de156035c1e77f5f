"""# Publish the report

One chart per instrument whose channel was refitted, and a summary of the river: to Discord when the
Connection `discord` exists, else as files into the outbox. Each message goes out once.

**Normal**: a second or two a chart. **Triage**: undelivered messages are `report.publication` rows
with state `failed`; the next run tries them again.
"""

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import H4


@dag(schedule=wake_on(assets.CHANNEL), **stage_arguments("report", __doc__))
def publish_report() -> None:
    """Draw what is new and send it."""

    @task(outlets=[assets.PUBLICATION])
    def publish() -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            sender,
            warehouse,
        )
        from include.jobs.publish_report import publish_new

        with warehouse("publish_report") as conn:
            sent = publish_new(conn, load_universe(), H4, load_settings(), sender())
        if not any(sent.values()):
            raise AirflowSkipException("nothing new to report")
        return sent

    publish()


publish_report()
