"""The log of fields that venues added to their answers, took away, or tell in another unit."""

from __future__ import annotations

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
