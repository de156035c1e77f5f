"""Venues, assets and instruments, with their history.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from include.market.errors import ContractError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, Rename, VenueRecord
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
    "funding_interval_ms",
    "listing_inferred",
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

    Another status, tick size, lot size or funding interval starts a new version at
    ``observed_at``; the identity stays. Another kind, base or quote asset under the same symbol is
    another instrument, and so is a symbol that the venue says was listed after the instrument of
    that name had ended. Pass observations in order of time: one older than the newest version
    changes nothing.

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
        records = as_arrays(instruments)
        connection.execute(statement("market/add_assets"), records)
        connection.execute(statement("market/stage_instruments"), scope | records)
        gone = connection.execute(statement("market/find_gone"), scope | {"complete": complete})
        ended: dict[int, datetime] = dict(gone.fetchall())
        if complete:
            _require_plausible(connection, venue, instruments, scope)
        close_instruments(connection, ended, observed_at=observed_at)
        connection.execute(statement("market/end_versions"), scope)
        changed = connection.execute(statement("market/update_instruments"), scope).rowcount
        inserted = int(fetch_value(connection, statement("market/insert_instruments"), scope))
        for name in ("start_versions", "confirm_versions", "settle_renames"):
            connection.execute(statement(f"market/{name}"), scope)
        connection.execute("DROP TABLE pg_temp.instrument_listed")
    unchanged = len(instruments) - inserted - changed
    return ReferenceReceipt(inserted, changed, unchanged, len(ended))


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

    The next sync adopts what the venue states of the new name, its base asset included.

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
        action = Rename(old, new, renamed_at)
        note_action(connection, action, instrument_id=row[0], successor_id=row[0])
    return int(row[0])


def note_action(
    connection: Connection,
    rename: Rename,
    *,
    instrument_id: int,
    successor_id: int,
    is_stated: bool = False,
) -> None:
    """Record that ``successor_id`` is, since a rename, what ``instrument_id`` was before.

    ``is_stated`` tells that the venue has stated the successor under its name already; otherwise
    the next sync learns what is bought since, and when trading resumed.
    """
    values = {
        "old": rename.old,
        "new": rename.new,
        "at": rename.at,
        "factor": Decimal(rename.factor),
        "instrument_id": instrument_id,
        "successor_id": successor_id,
        "is_stated": is_stated,
    }
    connection.execute(statement("market/note_action"), values)


def close_instruments(
    connection: Connection, ended: Mapping[int, datetime], *, observed_at: datetime
) -> None:
    """Mark instruments as gone: by id, when each ended; their history says when it was learnt."""
    values = {
        "instrument_ids": list(ended),
        "ended_at": list(ended.values()),
        "observed_at": observed_at,
    }
    for name in ("close_aliases", "close_versions", "close_instruments", "note_delisting"):
        connection.execute(statement(f"market/{name}"), values)


def as_arrays(instruments: Sequence[InstrumentRecord]) -> dict[str, list[Any]]:
    """Return records by column, as the statements take them."""
    return {
        column: [getattr(instrument, column) for instrument in instruments]
        for column in _RECORD_COLUMNS
    }


def _sync_venue(connection: Connection, venue: VenueRecord) -> int:
    values = {
        "name": venue.name,
        "title": venue.title,
        "kind": venue.kind,
        "session_calendar": venue.session_calendar,
        "symbol_case": venue.symbol_case,
    }
    connection.execute(statement("market/upsert_venue"), values)
    return int(fetch_value(connection, statement("market/lock_venue"), {"name": venue.name}))


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
