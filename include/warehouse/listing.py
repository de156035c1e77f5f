"""What venues list, followed or not: the proof by which a late instrument is let in.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from include.market.instrument import InstrumentRecord
from include.warehouse.engine import Connection, database_errors
from include.warehouse.reference import as_arrays
from include.warehouse.statements import statement


def record_listing(
    connection: Connection,
    venue: str,
    records: Sequence[InstrumentRecord],
    *,
    observed_at: datetime,
) -> int:
    """Keep what a synced venue states of any symbols; return how many statements were new.

    One older than what is kept changes nothing. A symbol or a text that PostgreSQL cannot hold is
    left out: nobody could name an instrument by it.
    """
    kept = [record for record in records if not any("\0" in str(part) for part in astuple(record))]
    values = as_arrays(kept) | {"venue": venue, "observed_at": observed_at}
    with database_errors(f"listing of {venue}"):
        return connection.execute(statement("market/record_listing"), values).rowcount


def waiting_symbols(connection: Connection, venue: str, *, limit: int) -> list[str]:
    """Return symbols of a venue that quarantined rows wait for and that nothing lists yet.

    The oldest first, each as a venue with its rule of case spells it.
    """
    values = {"venue": venue, "limit": limit}
    return [row[0] for row in connection.execute(statement("market/waiting_symbols"), values)]
