"""What changed and how far each stage has read, what is covered, what is missing.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from include.market.errors import StaleFenceError
from include.market.span import Span, to_ms
from include.warehouse.engine import Connection, database_errors
from include.warehouse.gaps import OpenGap, as_open_gap
from include.warehouse.statements import fetch_value, statement

Reason = Literal["new", "revised", "repaired"]


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one instrument within ``span`` (half-open) were stored or replaced."""

    instrument_id: int
    span: Span
    reason: Reason


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Every change a stage has not done yet, oldest first, and where its cursor goes after."""

    changes: list[Change]
    upto_xid: int


def read_changes(
    connection: Connection, stage: str, dataset: str, *, limit: int | None = None
) -> ChangeSet:
    """Return the committed changes of ``dataset`` that ``stage`` has not done yet.

    Only transactions below the xmin of the snapshot are read: none of them can still commit, so
    a change that becomes visible late is never passed over. One stage reads one dataset. Until
    the caller's transaction ends a second reader of the same stage waits, which keeps it from
    storing results computed from older rows; the wait assigns no transaction id, so a long
    computation before the first write holds up nobody's cursor. ``limit`` bounds the number of
    changes, rounded up to whole transactions.

    Raises:
        RetryableError: another run of the stage did not end in time.
    """
    with database_errors(f"stage {stage}, reading changes of {dataset}"):
        connection.execute(statement("ledger/lock_stage"), {"stage": stage})
        rows = connection.execute(
            statement("ledger/read_changes"), {"stage": stage, "dataset": dataset, "limit": limit}
        ).fetchall()
    changes = [
        Change(instrument_id, Span(to_ms(start), to_ms(end)), reason)
        for _, instrument_id, start, end, reason in rows
        if instrument_id is not None
    ]
    return ChangeSet(changes, upto_xid=int(rows[0][0]))


def move_cursor(connection: Connection, stage: str, upto_xid: int) -> None:
    """Record that ``stage`` has done every change below ``upto_xid``, with the caller's results.

    Raises:
        StaleFenceError: another run of the stage has moved further meanwhile, so that the
            results of this one may be older than what is stored; roll back.
    """
    values = {"stage": stage, "upto_xid": str(upto_xid)}
    if connection.execute(statement("ledger/move_cursor"), values).fetchone() is None:
        raise StaleFenceError(
            f"stage {stage}: its cursor is beyond {upto_xid} already; "
            "another run does this work, end this one"
        )


def changes_in_flight(connection: Connection, stage: str, dataset: str) -> bool:
    """Tell whether changes wait that the cursor of ``stage`` has not passed.

    True also for committed ones that ``read_changes`` must not hand out yet, because an older
    transaction is still open: look again soon.
    """
    query = statement("ledger/changes_in_flight")
    return bool(fetch_value(connection, query, {"stage": stage, "dataset": dataset}))


def coverage(connection: Connection, dataset: str, instrument_id: int) -> list[Span]:
    """Return the spans proven loaded, sorted; empty when nothing is."""
    rows = connection.execute(
        statement("ledger/coverage"), {"dataset": dataset, "instrument_id": instrument_id}
    )
    return [Span(to_ms(start), to_ms(end)) for start, end in rows]


def contiguous_end(
    connection: Connection, dataset: str, instrument_id: int, start: datetime
) -> datetime | None:
    """Return the end of the unbroken coverage that holds ``start``: the watermark.

    None when ``start`` itself is not covered. Every instant in [start, end) is proven loaded.
    """
    row = connection.execute(
        statement("ledger/contiguous_end"),
        {"dataset": dataset, "instrument_id": instrument_id, "start": start},
    ).fetchone()
    return None if row is None else row[0]


def open_gaps(
    connection: Connection,
    dataset: str,
    *,
    due_at: datetime | None = None,
    unexplained_only: bool = False,
) -> list[OpenGap]:
    """Return the gaps still open, by instrument and time.

    With ``due_at``, only those that may be asked for again at that instant; with
    ``unexplained_only``, only those that are a task for us and not a fact about the venue.
    """
    rows = connection.execute(
        statement("ledger/open_gaps"),
        {"dataset": dataset, "due_at": due_at, "unexplained_only": unexplained_only},
    )
    return [as_open_gap(row) for row in rows]
