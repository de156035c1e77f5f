"""What changed and how far each stage has read, what is covered, what is missing.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from include.market.errors import StaleFenceError
from include.market.span import Span, to_ms
from include.warehouse.engine import Connection, database_errors
from include.warehouse.gaps import OpenGap, as_open_gap
from include.warehouse.statements import fetch_value, statement

Reason = Literal["new", "revised", "repaired", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one instrument within ``span`` (half-open) were stored, replaced or taken away."""

    instrument_id: int
    span: Span
    reason: Reason


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Every change a stage has not done yet, oldest first, and where its cursor goes after.

    ``own`` are those of the open transaction itself; ``done_xid`` is where the cursor stands.
    """

    changes: list[Change]
    upto_xid: int
    own: list[Change] = field(default_factory=list)
    done_xid: int = 0


def try_lock_stage(connection: Connection, stage: str) -> bool:
    """Keep other runs of ``stage`` waiting until the transaction ends, unless one is at work."""
    query = statement("ledger/try_lock_stage")
    return bool(fetch_value(connection, query, {"stage": stage}))


def read_changes(
    connection: Connection,
    stage: str,
    dataset: str,
    *,
    limit: int | None = None,
    own: bool = False,
) -> ChangeSet:
    """Return the committed changes of ``dataset`` that ``stage`` has not done yet.

    Only transactions below the xmin of the snapshot are read: none of them can still commit, so
    a change that becomes visible late is never passed over. One stage reads one dataset. Until
    the caller's transaction ends a second reader of the same stage waits, which keeps it from
    storing results computed from older rows; the wait assigns no transaction id, so a long
    computation before the first write holds up nobody's cursor. ``limit`` bounds the number of
    settled changes, rounded up to whole transactions. With ``own``, those that the open transaction
    itself has written are read too, apart; say so to ``move_cursor`` then.

    Raises:
        RetryableError: another run of the stage did not end in time.
    """
    with database_errors(f"stage {stage}, reading changes of {dataset}"):
        connection.execute(statement("ledger/lock_stage"), {"stage": stage})
        rows = connection.execute(
            statement("ledger/read_changes"),
            {"stage": stage, "dataset": dataset, "limit": limit, "own": own},
        ).fetchall()
    found: dict[bool, list[Change]] = {False: [], True: []}
    within, span = None, Span(0, 0)
    for _, _, is_own, instrument_id, start, end, reason in rows:
        if instrument_id is None:
            continue
        # Hundreds of instruments close the same minute: those that follow each other share a span.
        if within != (start, end):
            within, span = (start, end), Span(to_ms(start), to_ms(end))
        found[is_own].append(Change(instrument_id, span, reason))
    upto_xid, done_xid = int(rows[0][0]), int(rows[0][1])
    return ChangeSet(found[False], upto_xid, found[True], done_xid)


def move_cursor(
    connection: Connection, stage: str, upto_xid: int, *, ahead_of: str | None = None
) -> None:
    """Record that ``stage`` has done every change below ``upto_xid``, with the caller's results.

    ``ahead_of`` names the dataset of which it has also done what the open transaction itself has
    written so far. The cursor cannot pass these: transactions with smaller ids may be open still.

    Raises:
        StaleFenceError: another run of the stage has moved further meanwhile, so that the
            results of this one may be older than what is stored; roll back.
    """
    values = {"stage": stage, "upto_xid": str(upto_xid), "ahead_of": ahead_of}
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


def changes_awaited(connection: Connection, stages: Sequence[str], dataset: str) -> bool:
    """Tell whether changes of ``dataset`` wait for any of ``stages``.

    A stage that never ran is not asked: its first run reads everything anyway.
    """
    query = statement("ledger/awaited_changes")
    return bool(fetch_value(connection, query, {"stages": list(stages), "dataset": dataset}))


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


def open_gaps_from(
    connection: Connection, dataset: str, instrument_id: int, start: datetime
) -> list[OpenGap]:
    """Return the gaps of one series still open at ``start`` or later, by time."""
    rows = connection.execute(
        statement("ledger/open_gaps_from"),
        {"dataset": dataset, "instrument_id": instrument_id, "start": start},
    )
    return [as_open_gap(row) for row in rows]
