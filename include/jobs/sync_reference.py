"""Store what a venue lists: venue, assets, instruments, sessions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from include.exchanges.base import CandleSource
from include.market.errors import UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import DAY_MS, M1
from include.warehouse.engine import Connection
from include.warehouse.reference import known_records, record_sessions, sync_instruments

SESSIONS_AHEAD_DAYS = 7
UNLISTED = "UNLISTED"
"""Status of an instrument its venue no longer lists. Its name stays its own: whether another asset
trades under it later is not for an hourly look at one list to decide."""

log = logging.getLogger(__name__)


def sync_venue(conn: Connection, source: CandleSource, symbols: Sequence[str]) -> dict[str, int]:
    """Sync ``symbols`` of one venue; return how many instruments were new, changed, unchanged.

    A symbol the venue no longer lists keeps its instrument, with status ``UNLISTED``.

    Raises:
        UnknownInstrumentError: the venue never listed one of ``symbols``; the others are synced.
    """
    now_ms = source.server_time_ms()
    listed, missing = _ask_for_each(source, symbols)
    gone = known_records(conn, source.venue.name, missing)
    records = [_with_listing(source, record) for record in listed]
    records += [replace(record, status=UNLISTED) for record in gone]
    totals = _store(conn, source.venue, records, now_ms) if records else {}
    for record in gone:
        if record.status != UNLISTED:
            log.warning("%s no longer lists %s", source.venue.name, record.symbol)
    if unknown := sorted(set(missing) - {record.symbol for record in gone}):
        raise UnknownInstrumentError(
            f"{source.venue.name} does not list {', '.join(unknown)}; correct Variable universe "
            f"(the other {len(records)} instruments are synced)"
        )
    return totals


def _ask_for_each(
    source: CandleSource, symbols: Sequence[str]
) -> tuple[list[InstrumentRecord], list[str]]:
    """Return the records of listed symbols, and the others; one question where all are listed."""
    try:
        return source.instruments(symbols), []
    except UnknownInstrumentError:
        if len(symbols) == 1:
            return [], list(symbols)
    found: list[InstrumentRecord] = []
    missing: list[str] = []
    for symbol in symbols:
        try:
            found += source.instruments([symbol])
        except UnknownInstrumentError:
            missing.append(symbol)
    return found, missing


def _store(
    conn: Connection, venue: VenueRecord, records: Sequence[InstrumentRecord], now_ms: int
) -> dict[str, int]:
    listed = [record.listed_at for record in records if record.listed_at is not None]
    first = min(listed, default=from_ms(now_ms))
    with conn.transaction():
        receipt = sync_instruments(conn, venue, records, observed_at=from_ms(now_ms))
        today_ms = now_ms - now_ms % DAY_MS
        sessions = record_sessions(
            conn,
            venue.name,
            Span(to_ms(first) // DAY_MS * DAY_MS, today_ms + SESSIONS_AHEAD_DAYS * DAY_MS),
        )
    return {
        "inserted": receipt.inserted,
        "changed": receipt.changed,
        "unchanged": receipt.unchanged,
        "sessions": sessions,
    }


def _with_listing(source: CandleSource, record: InstrumentRecord) -> InstrumentRecord:
    if record.listed_at is not None:
        return record
    # Where a venue states no listing date, the oldest candle it keeps is the honest substitute.
    first_ms = source.first_open_ms(record.symbol, M1)
    return record if first_ms is None else replace(record, listed_at=from_ms(first_ms))
