"""What every DAG of the river has in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

from include.airflow_bridge.failures import notify_failure
from include.market.errors import FinalError, RateLimitedError

# History is backfill_history's work alone: a backfill of a stage would only be idle runs.
RUN_TYPES = ("scheduled", "manual", "asset_triggered", "asset_materialization")
# What repeating cannot mend fails at once; a venue that asks for rest gets it, its slot freed.
RETRY_BY_ERROR = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=RateLimitedError,
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=5),
            reason="the venue asks to wait",
        ),
        RetryRule(exception=FinalError, action=RetryAction.FAIL, reason="repeating cannot help"),
    ]
)


def stage_arguments(stage: str, doc_md: str | None) -> dict[str, Any]:
    """Return the arguments of a DAG that belongs to ``stage``.

    One run at a time: a stage is told by the ledger what there is to do, so a second run beside the
    first could only fight over the same work.
    """
    return {
        # No start_date: with one, every DAG would also run the moment it first appears.
        "catchup": False,
        "allowed_run_types": RUN_TYPES,
        "max_active_runs": 1,
        "doc_md": doc_md,
        "tags": [f"stage:{stage}"],
        "on_failure_callback": notify_failure,
        "default_args": {
            "owner": "candlewick",
            "retries": 3,
            "retry_delay": timedelta(seconds=5),
            "retry_exponential_backoff": True,
            "retry_policy": RETRY_BY_ERROR,
            "max_retry_delay": timedelta(minutes=5),
            "execution_timeout": timedelta(minutes=30),
        },
    }


def wake_on(*assets: Any, safety_net: str = "*/15 * * * *") -> AssetOrTimeSchedule:
    """Return a schedule that any of ``assets`` wakes, and a slow clock should an event be lost."""
    wake: Any = assets[0]
    for asset in assets[1:]:
        wake = wake | asset
    return AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(safety_net, timezone="UTC"), assets=wake
    )


def run_key(dag_run: Any) -> str:
    """Return the name of a run's work: a retry goes on with it, a cleared run starts anew."""
    return f"{dag_run.run_id}#{dag_run.clear_number}" if dag_run.clear_number else dag_run.run_id
