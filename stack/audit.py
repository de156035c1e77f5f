"""``make audit``: check everything stored and say what is wrong, with the way to repair it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from include.warehouse.audit.run import run_audit
from include.warehouse.engine import connect
from stack.chain import run_under
from stack.commands import require_record
from stack.console import Screen
from stack.keys import load_keys
from stack.layout import Layout


def audit(layout: Layout) -> int:
    """Audit the stack's warehouse thoroughly; return 0 when all is right, else 1.

    Raises:
        InvalidInputError: the stack was never started.
        SourceUnavailableError: it is not running.
        RetryableError: another audit is at work.
    """
    record, screen = require_record(layout), Screen()
    run_under(record.timeframes)
    started = time.monotonic()
    dsn = load_keys(layout).loader_url(record)
    with connect(dsn, application="make audit", autocommit=True) as connection:
        report = run_audit(connection, at=datetime.now(UTC))
    for finding in report.findings:
        screen.console.print(finding.as_text(), markup=False)
    screen.say(
        f"{len(report.findings) or 'no'} findings, {report.statements} statements, "
        f"{report.months_closed} months closed, {time.monotonic() - started:.1f} s"
    )
    return 1 if report.findings else 0
