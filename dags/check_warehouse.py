"""# Check the warehouse

Holds the newest days of everything stored against its Great Expectations suites, a sample of
settled days against what the venues and their archives say now, and the markets against how they
behaved before; then draws the page *Data quality*. Nothing stored is changed.

**Runs** daily at 05:10 UTC, after the history was read again; by hand whenever you like.
**Normal**: a minute or two. **Triage**: what failed is in `ledger.quality_result`,
`ledger.reconciliation` and `ledger.drift_verdict`, and on the page. Each part is done whether or
not the one before it failed; the run fails if any of them did.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import dag, task

from include.airflow_bridge.stage import stage_arguments


@dag(schedule="10 5 * * *", **stage_arguments("check", __doc__))
def check_warehouse() -> None:
    """Validate, then reconcile and watch for drift, then draw."""

    @task(execution_timeout=timedelta(hours=2))
    def validate() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, sender, warehouse
        from include.jobs.validate_warehouse import validate_warehouse

        with warehouse("check_warehouse") as conn:
            return validate_warehouse(conn, load_settings(), sender(), at=now())

    @task(trigger_rule="all_done")
    def list_venues() -> list[str]:
        from include.airflow_bridge.connections import load_universe

        return list(load_universe().venues)

    @task(pool="exchange_api", execution_timeout=timedelta(hours=2))
    def reconcile(venue: str) -> dict[str, int]:
        from include.airflow_bridge.connections import (
            load_settings,
            load_universe,
            now,
            sender,
            warehouse,
        )
        from include.airflow_bridge.sources import archive, source
        from include.jobs.reconcile_sources import reconcile_venue

        with (
            source(venue) as exchange,
            archive(venue) as files,
            warehouse("check_warehouse") as conn,
        ):
            return reconcile_venue(
                conn,
                exchange,
                files,
                load_settings(),
                load_universe().venues[venue],
                at=now(),
                sender=sender(),
            )

    @task(trigger_rule="all_done", execution_timeout=timedelta(hours=2))
    def watch_drift() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, sender, warehouse
        from include.jobs.watch_drift import watch_drift as watch

        with warehouse("check_warehouse") as conn:
            return watch(conn, load_settings(), sender(), at=now())

    @task(trigger_rule="all_done")
    def draw() -> dict[str, int]:
        from include.airflow_bridge.connections import load_settings, now, sender, warehouse
        from include.jobs.draw_quality import draw_quality

        with warehouse("check_warehouse") as conn:
            return draw_quality(conn, load_settings(), sender(), at=now())

    validated, venues, watched, drawn = validate(), list_venues(), watch_drift(), draw()
    reconciled = reconcile.expand(venue=venues)
    validated >> [venues, watched]
    [reconciled, watched] >> drawn
    # What runs in any case would else hide the failure of what ran before it.
    [validated, reconciled, watched, drawn] >> EmptyOperator(task_id="all_checked")


check_warehouse()
