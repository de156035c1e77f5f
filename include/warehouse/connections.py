"""The ledger of live connections: when each stood, and when its last data came.

A minute that is absent while no connection was alive is our own loss; one that is absent although
data came is the market's silence. Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.warehouse.engine import Connection
from include.warehouse.multiranges import from_multirange
from include.warehouse.statements import statement


def note_connected(
    connection: Connection, venue: str, stream: str, *, at: datetime, symbols: Sequence[str] = ()
) -> int:
    """Write down a new connection and return its id; without ``symbols`` it carries all.

    Raises:
        InvalidInputError: nobody knows the venue yet.
    """
    values = {"venue": venue, "stream": stream, "symbols": list(symbols), "at": at}
    row = connection.execute(statement("ledger/write_connection"), values).fetchone()
    if row is None:
        raise InvalidInputError(f"venue {venue!r} is not known: run sync_reference first")
    return int(row[0])


def note_data(connection: Connection, connection_id: int, *, at: datetime) -> None:
    """Write down that data came at ``at``; heartbeats are no data. Older news changes nothing."""
    values = {"connection_id": connection_id, "at": at}
    connection.execute(statement("ledger/note_data"), values)


def note_disconnected(
    connection: Connection, connection_id: int, *, at: datetime, reason: str
) -> None:
    """Write down that a connection ended, and why; the first word on it stays."""
    values = {"connection_id": connection_id, "at": at, "reason": reason}
    connection.execute(statement("ledger/note_disconnected"), values)


def alive_spans(connection: Connection, venue: str, symbol: str, span: Span) -> list[Span]:
    """Return when, within ``span``, a connection that carried ``symbol`` was alive, sorted.

    From its first instant to its last message of data: a socket that stands and is silent is not
    alive, for nobody can tell it from a dead one.
    """
    values = {
        "venue": venue,
        "symbol": symbol,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }
    row = connection.execute(statement("ledger/alive_spans"), values).fetchone()
    return from_multirange(row[0] if row else None)
