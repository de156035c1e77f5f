"""Say once that a run failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from include.jobs.deliver import deliver_once
from include.notify.sender import Message, Sender
from include.report.messages import failure_message
from include.warehouse.engine import Connection


@dataclass(frozen=True, slots=True)
class FailedRun:
    """What Airflow knows of a failed run."""

    dag_id: str
    run_id: str
    task_ids: Sequence[str]
    reason: str
    ui_url: str


def notify_failed_run(conn: Connection, sender: Sender, failed: FailedRun) -> bool:
    """Send one message per failed run, however often this is called; tell whether it was sent."""
    message = Message(
        title=f"{failed.dag_id} failed",
        text=failure_message(
            dag_id=failed.dag_id,
            run_id=failed.run_id,
            task_ids=failed.task_ids,
            reason=failed.reason,
            ui_url=failed.ui_url,
        ),
        event_key=f"failure:{failed.dag_id}:{failed.run_id}",
        event_time=datetime.now(UTC),
    )
    return deliver_once(conn, sender, message, kind="failure")
