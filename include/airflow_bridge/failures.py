"""What happens when a DAG run fails: it is told once, whoever calls and however often."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from airflow.sdk import conf

from include.market.errors import CandlewickError

log = logging.getLogger(__name__)


def notify_failure(context: dict[str, Any]) -> None:
    """DAG-level ``on_failure_callback``: say once what failed, and where to look.

    Runs in the DAG processor, also for tasks that were killed; a message that cannot be delivered
    is logged and never fails anything.
    """
    # Imported here: DAG files carry this callback, and parsing them must stay light.
    from include.airflow_bridge.connections import sender, warehouse
    from include.jobs.notify_failure import FailedRun, notify_failed_run

    dag_run = context["dag_run"]
    failed = FailedRun(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        recurring=str(getattr(dag_run, "run_type", "")).endswith(("scheduled", "asset_triggered")),
        task_ids=_failed_task_ids(context),
        reason=str(context.get("reason") or "failed"),
        ui_url=conf.get("api", "base_url", fallback=""),
    )
    try:
        with warehouse("notify_failure") as conn:
            notify_failed_run(conn, sender(), failed)
    except (CandlewickError, psycopg.Error, OSError) as error:
        log.error(
            "run %s of %s failed, and saying so failed too: %s",
            failed.run_id,
            failed.dag_id,
            type(error).__name__,
        )


def _failed_task_ids(context: dict[str, Any]) -> list[str]:
    instance = context.get("ti") or context.get("task_instance")
    return [instance.task_id] if instance is not None else []
