"""Venues, assets, instruments and sessions, with their history.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from include.market.errors import ContractError, InvalidInputError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement

_RECORD_COLUMNS: Final = (
    "symbol",
    "base_asset",
    "quote_asset",
    "kind",
    "status",
    "tick_size",
    "lot_size",
    "listed_at",
    "delisted_at",
)


@dataclass(frozen=True, slots=True)
class ReferenceReceipt:
    """What a reference sync did, in instruments; ``delisted`` ones are not among the others."""

    inserted: int
    changed: int
    unchanged: int
    delisted: int = 0


def sync_instruments(
    connection: Connection,
    venue: VenueRecord,
    instruments: Sequence[InstrumentRecord],
    *,
    observed_at: datetime,
    complete: bool = False,
) -> ReferenceReceipt:
    """Bring venue, assets and instruments to what the venue states, keeping what it stated before.

    Another status, tick size or lot size starts a new version at ``observed_at``; the identity
    stays. Another kind, base or quote asset under the same symbol is another instrument. Pass
    observations in order of time: one older than the newest version changes nothing.

    With ``complete``, a symbol the list lacks gets status ``DELISTED`` and its alias ends at
    ``observed_at``; should the symbol come back later it names a new instrument.

    Raises:
        ContractError: a repeated symbol, a size that is no number, or a complete list that is
            empty or lacks more than half of what is listed: that is a broken answer.
    """
    _require_distinct(venue, instruments)
    with database_errors(f"reference sync of {venue.name}"):
        venue_id = _sync_venue(connection, venue)
        scope = {"venue_id": venue_id, "observed_at": observed_at}
        connection.execute(statement("market/add_assets"), _as_arrays(instruments))
        connection.execute(statement("market/stage_instruments"), scope | _as_arrays(instruments))
        gone = connection.execute(statement("market/find_gone"), scope | {"complete": complete})
        delisted = [row[0] for row in gone]
        if complete:
            _require_plausible(connection, venue, instruments, scope)
        _close(connection, delisted, observed_at)
        connection.execute(statement("market/end_versions"), scope)
        changed = connection.execute(statement("market/update_instruments"), scope).rowcount
        inserted = int(fetch_value(connection, statement("market/insert_instruments"), scope))
        connection.execute(statement("market/start_versions"), scope)
        connection.execute("DROP TABLE pg_temp.instrument_listed")
    unchanged = len(instruments) - inserted - changed
    return ReferenceReceipt(inserted, changed, unchanged, len(delisted))


def instrument_ids(connection: Connection, venue: str) -> dict[str, int]:
    """Return what each symbol of a venue means now, by symbol, without delisted ones."""
    rows = connection.execute(statement("market/instrument_ids"), {"venue": venue})
    return dict(rows.fetchall())


def known_records(
    connection: Connection, venue: str, symbols: Sequence[str]
) -> list[InstrumentRecord]:
    """Return what the venue last stated of those of ``symbols`` that name an instrument."""
    values = {"venue": venue, "symbols": list(symbols)}
    rows = connection.execute(statement("market/known_records"), values)
    return [InstrumentRecord(*row) for row in rows]


def rename_instrument(
    connection: Connection, venue: str, *, old: str, new: str, renamed_at: datetime
) -> int:
    """Let symbol ``new`` mean from ``renamed_at`` on what ``old`` meant before; return its id.

    Raises:
        UnknownInstrumentError: ``old`` names nothing at that instant.
        ContractError: ``new`` already names an instrument then.
    """
    values = {"venue": venue, "old": old, "new": new, "renamed_at": renamed_at}
    with database_errors(f"renaming {old} to {new} at {venue}"):
        row = connection.execute(statement("market/end_alias"), values).fetchone()
        if row is None:
            raise UnknownInstrumentError(
                f"{venue} has no instrument called {old} at {renamed_at:%Y-%m-%d %H:%M} UTC: "
                "sync the reference first"
            )
        connection.execute(statement("market/start_alias"), values | {"instrument_id": row[0]})
    return int(row[0])


def record_sessions(connection: Connection, venue: str, span: Span) -> int:
    """Write the UTC-day sessions that meet ``span`` (half-open); return how many were new.

    Raises:
        InvalidInputError: the venue is unknown, or does not trade around the clock.
    """
    row = connection.execute(
        "SELECT venue_id, session_calendar FROM market.venue WHERE name = %s", (venue,)
    ).fetchone()
    if row is None or row[1] != "24/7":
        calendar = "unknown" if row is None else row[1]
        raise InvalidInputError(
            f"venue {venue}: expected the session calendar 24/7, was {calendar}; sync it first"
        )
    values = {"venue_id": row[0], "span_start": span.start_time, "span_end": span.end_time}
    return connection.execute(statement("market/record_sessions"), values).rowcount


def _sync_venue(connection: Connection, venue: VenueRecord) -> int:
    values = {
        "name": venue.name,
        "title": venue.title,
        "kind": venue.kind,
        "session_calendar": venue.session_calendar,
    }
    connection.execute(statement("market/upsert_venue"), values)
    return int(fetch_value(connection, statement("market/lock_venue"), {"name": venue.name}))


def _close(connection: Connection, instrument_ids: Sequence[int], ended_at: datetime) -> None:
    values = {"instrument_ids": list(instrument_ids), "ended_at": ended_at}
    for name in ("close_aliases", "close_versions", "close_instruments", "note_delisting"):
        connection.execute(statement(f"market/{name}"), values)


def _require_distinct(venue: VenueRecord, instruments: Sequence[InstrumentRecord]) -> None:
    counts = Counter(instrument.symbol for instrument in instruments)
    repeated = sorted(symbol for symbol, count in counts.items() if count > 1)
    if repeated:
        raise ContractError(
            f"reference of {venue.name} repeats {', '.join(repeated[:5])}: expected each once"
        )


def _require_plausible(
    connection: Connection,
    venue: VenueRecord,
    instruments: Sequence[InstrumentRecord],
    scope: dict[str, Any],
) -> None:
    listed, missing = connection.execute(statement("market/count_missing"), scope).fetchone() or (
        0,
        0,
    )
    if not instruments or missing * 2 > listed:
        raise ContractError(
            f"reference of {venue.name} lists {len(instruments)} instruments and lacks {missing} "
            f"of {listed} known ones: expected a complete list, nothing was changed"
        )


def _as_arrays(instruments: Sequence[InstrumentRecord]) -> dict[str, list[Any]]:
    return {
        column: [getattr(instrument, column) for instrument in instruments]
        for column in _RECORD_COLUMNS
    }
