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
    """What Airflow knows of a failed run; ``recurring`` when nobody asked for it by hand."""

    dag_id: str
    run_id: str
    recurring: bool
    task_ids: Sequence[str]
    reason: str
    ui_url: str


def notify_failed_run(conn: Connection, sender: Sender, failed: FailedRun) -> bool:
    """Tell of a failed run once, however often this is called; say whether it was told now.

    Runs that come by themselves share one message an hour and DAG: a venue that is away for a
    night must not ring sixty times an hour.
    """
    now = datetime.now(UTC)
    event = f"{now:%Y-%m-%dT%H}" if failed.recurring else failed.run_id
    message = Message(
        title=f"{failed.dag_id} failed",
        text=failure_message(
            dag_id=failed.dag_id,
            run_id=failed.run_id,
            task_ids=failed.task_ids,
            reason=failed.reason,
            ui_url=failed.ui_url,
        ),
        event_key=f"failure:{failed.dag_id}:{event}",
        event_time=now,
    )
    return deliver_once(conn, sender, message, kind="failure")
