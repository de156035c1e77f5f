"""The log of fields that venues added to their answers, took away, or tell in another unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from include.market.printable import printable
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement

DriftKind = Literal["added", "removed", "unit"]


def note_drift(
    connection: Connection, venue: str, endpoint: str, field: str, kind: DriftKind
) -> bool:
    """Note that ``field`` came, went or changed its unit; True the first time anybody notes it.

    Commits only on an autocommit connection; else with the caller's transaction.

    Raises:
        RetryableError: the warehouse does not answer.
    """
    # Names come from outside: a NUL could not be stored, an escape sequence not be printed.
    values = {
        "venue": venue,
        "endpoint": printable(endpoint),
        "field": printable(field),
        "kind": kind,
    }
    with database_errors(f"noting a changed field of {venue}"):
        return bool(fetch_value(connection, statement("ledger/note_drift"), values))


@dataclass(frozen=True, slots=True)
class ChangedField:
    """A field of a venue's answers that came, went or changed its unit, and since when."""

    endpoint: str
    field: str
    kind: DriftKind
    first_seen_at: datetime


def untold_changes(connection: Connection, venue: str) -> list[ChangedField]:
    """Return the changes of a venue's answers that nobody was told of, oldest first."""
    rows = connection.execute(statement("ledger/untold_schema_drift"), {"venue": venue})
    return [ChangedField(*row) for row in rows]


def mark_changes_told(
    connection: Connection, venue: str, told: Sequence[ChangedField], *, at: datetime
) -> None:
    """Note that somebody was told of changes at ``at``; the caller's transaction."""
    values = {
        "venue": venue,
        "endpoints": [one.endpoint for one in told],
        "fields": [one.field for one in told],
        "kinds": [one.kind for one in told],
        "at": at,
    }
    connection.execute(statement("ledger/mark_schema_drift_told"), values)


class StoredDriftLog:
    """Notes each change once per process, in the warehouse."""

    def __init__(self, connection: Connection) -> None:
        """Write through ``connection``, which stays the caller's."""
        self._connection = connection
        self._noted: set[tuple[str, str, str, str]] = set()

    def note(self, venue: str, endpoint: str, field: str, kind: DriftKind) -> bool:
        """Note a change; True the first time anybody does.

        Raises:
            RetryableError: the warehouse does not answer.
        """
        change = (venue, endpoint, field, kind)
        if change in self._noted:
            return False
        is_new = note_drift(self._connection, venue, endpoint, field, kind)
        self._noted.add(change)
        return is_new
