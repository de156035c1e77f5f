"""Runs every check, notes the findings, closes what is over and quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from include.market.errors import InvalidInputError, RetryableError
from include.warehouse.audit.checks import CHECKS
from include.warehouse.audit.checksums import (
    algorithm_of,
    close_month,
    closed_months,
    compare_month,
    server_now,
)
from include.warehouse.audit.finding import Finding, note_findings, open_findings
from include.warehouse.audit.leaf import Leaf, list_leaves
from include.warehouse.audit.questions import Question, questions_of
from include.warehouse.audit.repair import repair_text
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement

LIMIT: Final = 100
"""So many findings of one check in one table or month are enough to know that it is broken."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When a month is closed: so long after its end, and so long after its last change."""

    settled: timedelta = timedelta(days=10)
    quiet: timedelta = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found and did; ``findings`` leaves out those that a person accepted."""

    findings: list[Finding]
    statements: int
    months_closed: int


def run_audit(
    connection: Connection,
    *,
    at: datetime,
    patience: Patience = Patience(),
    thorough: bool = True,
) -> AuditReport:
    """Check everything stored, note what is wrong, and close the months that are over.

    Args:
        connection: autocommit; the audit uses many short transactions.
        at: now, UTC; decides which months are over.
        patience: how long a month has to be over and unchanged before it is closed.
        thorough: hold every row against every check. Otherwise a closed month that nothing changed
            since and that still adds up is taken for what it was when it passed all of them.

    Raises:
        InvalidInputError: the connection is not autocommit.
        RetryableError: another audit is at work, or the database was lost.
    """
    if not connection.autocommit:
        raise InvalidInputError("the audit needs an autocommit connection: open one")
    with database_errors("audit"), _alone(connection):
        began_at = server_now(connection)
        xmin = str(fetch_value(connection, statement("audit/snapshot_xmin"), {}))
        leaves = list_leaves(connection)
        months = [leaf for leaf in leaves if leaf.from_time and leaf.timeframe]
        found: list[Finding] = []
        for leaf in months:
            with _patiently(connection):
                found += compare_month(connection, leaf)
        retired = set(connection.execute(statement("audit/list_retired")).fetchall())
        proven = set() if thorough else _proven_months(connection, months, found)
        asked = 0
        for check in CHECKS:
            for question in questions_of(connection, check, leaves):
                if not (_is_proven(question, proven) or _is_retired(question, retired)):
                    found += _answers(connection, question)
                    asked += 1
        with connection.transaction():
            note_findings(connection, found, began_at=began_at)
        closed = _close_quiet_months(connection, months, found, at, patience, xmin)
        with connection.transaction():
            return AuditReport(open_findings(connection), asked + len(months), closed)


def _answers(connection: Connection, question: Question) -> Iterator[Finding]:
    with _patiently(connection):
        rows = connection.execute(question.query, question.values | {"limit": LIMIT}).fetchall()
    for instrument_id, span_start, span_end, detail in rows:
        yield Finding(
            check=question.check.name,
            relation=question.relation,
            instrument_id=instrument_id,
            span_start=span_start,
            span_end=span_end,
            detail=detail,
            repair=repair_text(question.check, question.leaf, instrument_id, span_start, span_end),
        )


def _proven_months(
    connection: Connection, months: list[Leaf], found: list[Finding]
) -> set[tuple[str, datetime | None]]:
    """Return table and start of the months whose every series is closed, unchanged and adds up."""
    changed = _last_changes(connection, months)
    proven = set()
    for leaf in months:
        algorithm = algorithm_of(connection, leaf)
        closed = {
            instrument_id: month.closed_at
            for instrument_id, month in closed_months(connection, leaf).items()
            if month.algorithm == algorithm
            and not any(_spoils(finding, leaf, instrument_id) for finding in found)
        }
        last = changed.get((leaf.dataset, leaf.from_time), {})
        if last and all(key in closed and closed[key] > at for key, at in last.items()):
            proven.add((leaf.dataset, leaf.from_time))
    return proven


def _is_proven(question: Question, proven: set[tuple[str, datetime | None]]) -> bool:
    """Tell whether the answer was settled when the months it reads were closed."""
    leaf = question.leaf
    if leaf is None or leaf.from_time is None or question.check.scope == "dataset":
        return False
    read = {leaf.dataset, question.values.get("source_dataset", leaf.dataset)}
    return all((dataset, leaf.from_time) in proven for dataset in read)


def _is_retired(question: Question, retired: set[tuple[str, date]]) -> bool:
    """Tell whether rows this question would miss were taken out of their table on purpose."""
    leaf = question.leaf
    if leaf is None or leaf.from_time is None or question.check.scope not in ("minutes", "coarse"):
        return False
    read = {leaf.dataset, question.values.get("source_dataset", leaf.dataset)}
    return any((dataset, leaf.from_time.date()) in retired for dataset in read)


def _close_quiet_months(
    connection: Connection,
    months: list[Leaf],
    found: list[Finding],
    at: datetime,
    patience: Patience,
    checked_xid: str,
) -> int:
    """Close every series-month that is over, quiet, without a finding, and not closed yet."""
    changed = _last_changes(connection, months)
    closed = 0
    for leaf in months:
        if leaf.to_time is None or at < leaf.to_time + patience.settled:
            continue
        known = closed_months(connection, leaf)
        algorithm = algorithm_of(connection, leaf)
        due = [
            instrument_id
            for instrument_id, changed_at in changed.get((leaf.dataset, leaf.from_time), {}).items()
            if changed_at <= at - patience.quiet
            and (
                instrument_id not in known
                or known[instrument_id].closed_at <= changed_at
                or known[instrument_id].algorithm != algorithm
            )
            and not any(_spoils(finding, leaf, instrument_id) for finding in found)
        ]
        if due:
            closed += close_month(connection, leaf, due, checked_xid=checked_xid)
    return closed


def _last_changes(
    connection: Connection, months: list[Leaf]
) -> dict[tuple[str, datetime | None], dict[int, datetime]]:
    datasets = sorted({leaf.dataset for leaf in months})
    found: dict[tuple[str, datetime | None], dict[int, datetime]] = {}
    rows = connection.execute(statement("audit/list_changes"), {"datasets": datasets})
    for dataset, instrument_id, month, changed_at in rows:
        found.setdefault((dataset, month), {})[instrument_id] = changed_at
    return found


def _spoils(finding: Finding, leaf: Leaf, instrument_id: int) -> bool:
    """Tell whether a finding may concern this month of this series: then it stays open."""
    if finding.relation not in (leaf.relation, "warehouse"):
        return False
    if finding.instrument_id not in (None, instrument_id):
        return False
    if finding.span_start is None or leaf.from_time is None or leaf.to_time is None:
        return True
    return (
        finding.span_start < leaf.to_time
        and (finding.span_end or finding.span_start) >= leaf.from_time
    )


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold the lock of audits for the body."""
    lock = "hashtextextended('candlewick audit', 0)"
    row = connection.execute(f"SELECT pg_try_advisory_lock({lock})").fetchone()
    if row != (True,):
        raise RetryableError("another audit is at work: wait for it")
    try:
        yield
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({lock})")


@contextmanager
def _patiently(connection: Connection) -> Iterator[None]:
    """Give one statement time for a whole month of all instruments.

    The planner must not take the constraints for granted, or it would leave out the very rows that
    break them.
    """
    with connection.transaction():
        for name, value in (
            ("statement_timeout", "1h"),
            ("transaction_timeout", "1h"),
            ("constraint_exclusion", "off"),
            ("work_mem", "64MB"),
        ):
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        yield
