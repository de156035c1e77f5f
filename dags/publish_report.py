"""# Publish the report

One chart per instrument whose channel was refitted, and a summary of the river: to Discord when the
Connection `discord` exists, else as files into the outbox. Each message goes out once. Beside
it the page of data quality is drawn anew once an hour, and its picture sent once a day.

**Normal**: a second or two a chart. **Triage**: undelivered messages are `report.publication` rows
with state `failed`; the next run tries them again.
"""

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from include.airflow_bridge import assets
from include.airflow_bridge.stage import stage_arguments, wake_on
from include.market.timeframe import H4


@dag(schedule=wake_on(assets.channels(H4)), **stage_arguments("report", __doc__))
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

    @task(outlets=[assets.PUBLICATION])
    def draw_quality() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, sender, warehouse
        from include.jobs.draw_quality import draw_quality as draw
        from include.jobs.draw_quality import is_due

        with warehouse("draw_quality") as conn:
            settings, at = load_settings(), now()
            if not is_due(conn, settings, at=at):
                raise AirflowSkipException("the page is not an hour old")
            return draw(conn, settings, sender(), at=at)

    # Neither waits for the other: a picture that cannot be drawn must not hold up the charts.
    publish()
    draw_quality()


publish_report()
