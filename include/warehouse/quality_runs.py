"""The history of what the suites found: ``ledger.quality_run`` and ``ledger.quality_result``.

Writing commits nothing: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from include.quality.outcome import SEVERITIES, SuiteOutcome
from include.warehouse.engine import Connection
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import fetch_value, statement


def write_quality_run(
    connection: Connection, outcome: SuiteOutcome, *, failures_only: bool = False
) -> int | None:
    """Store a run with what its expectations found; return its id, None if it is stored already.

    ``failures_only`` leaves out the expectations that were met; the run still counts them.
    """
    span = outcome.span
    row = connection.execute(
        statement("ledger/write_quality_run"),
        {
            "checkpoint": outcome.checkpoint,
            "suite": outcome.suite,
            "dataset": outcome.dataset,
            "batch": outcome.batch,
            "span_start": span.start_time if span else None,
            "span_end": span.end_time if span else None,
            "rows": outcome.rows,
            "expectations": len(outcome.expectations),
            **{f"failed_{name}": len(outcome.failed(name)) for name in SEVERITIES},
            "success": outcome.success,
            "engine": outcome.engine,
            "run_at": outcome.run_at,
        },
    ).fetchone()
    if row is None:
        return None
    quality_run_id = int(row[0])
    with connection.cursor() as cursor:
        cursor.executemany(
            statement("ledger/write_quality_result"),
            [
                {
                    "quality_run_id": quality_run_id,
                    "place": place,
                    "expectation": found.expectation,
                    "columns": list(found.columns),
                    "rule": found.rule,
                    "severity": found.severity,
                    "success": found.success,
                    "unexpected_count": found.unexpected_count,
                    "unexpected_percent": found.unexpected_percent,
                    "examples": finite_json(list(found.examples)),
                }
                for place, found in enumerate(outcome.expectations)
                if not (failures_only and found.success)
            ],
        )
    return quality_run_id


def failing_since(
    connection: Connection, failures: Sequence[SuiteOutcome], *, at: datetime
) -> datetime:
    """Return when the newest of some troubles began: ``at``, if the run before it knew none of it.

    A trouble is a rule of severity ``block`` that a dataset breaks; it lasts from the first run
    that found it after one that did not. ``failures`` are outcomes of one checkpoint, stored
    already.
    """
    troubles = sorted(
        {(one.dataset, found.rule) for one in failures for found in one.failed("block")}
    )
    values = {
        "checkpoint": failures[0].checkpoint,
        "datasets": [dataset for dataset, _ in troubles],
        "rules": [rule for _, rule in troubles],
        "at": at,
    }
    since: datetime = fetch_value(connection, statement("ledger/failing_since"), values)
    return since


def prune_quality_runs(connection: Connection, *, before: datetime, batch: int = 1000) -> int:
    """Forget runs older than ``before`` with their results; return how many runs.

    The newest run of each suite over each dataset stays, however old. A transaction per batch.
    """
    forgotten = 0
    while True:
        with connection.transaction():
            done = connection.execute(
                statement("ledger/prune_quality_runs"), {"before": before, "limit": batch}
            ).rowcount
        forgotten += done
        if done < batch:
            return forgotten
