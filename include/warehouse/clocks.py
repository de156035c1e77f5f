"""How far the venues' clocks were from ours, as far as it was worth writing down."""

from __future__ import annotations

from datetime import datetime

from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement


def note_clock(
    connection: Connection,
    venue: str,
    *,
    offset_ms: float,
    bound_ms: float,
    tolerance_ms: float,
    at: datetime,
) -> bool:
    """Write down that a venue's clock is ``offset_ms`` ahead of ours, +-``bound_ms``.

    A reading within ``tolerance_ms`` is kept once an hour, one beyond it every time; True when it
    was kept. Commits only on an autocommit connection; else with the caller's transaction.

    Raises:
        RetryableError: the warehouse does not answer.
    """
    values = {
        "venue": venue,
        "offset_ms": offset_ms,
        "bound_ms": bound_ms,
        "tolerance_ms": tolerance_ms,
        "measured_at": at,
    }
    with database_errors(f"noting the clock of {venue}"):
        return bool(fetch_value(connection, statement("ledger/note_clock"), values))
