"""Store what a venue lists: venue, assets, instruments, sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from include.exchanges.base import CandleSource
from include.market.instrument import InstrumentRecord
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, M1
from include.warehouse.engine import Connection
from include.warehouse.reference import record_sessions, sync_instruments

SESSIONS_AHEAD_DAYS = 7


def sync_venue(conn: Connection, source: CandleSource, symbols: Sequence[str]) -> dict[str, int]:
    """Sync ``symbols`` of one venue; return how many instruments were new, changed, unchanged.

    Raises:
        UnknownInstrumentError: the venue does not list one of ``symbols``.
    """
    now_ms = source.server_time_ms()
    records = [_with_listing(source, record) for record in source.instruments(symbols)]
    listed = [record.listed_at for record in records if record.listed_at is not None]
    first = min(listed, default=from_ms(now_ms))
    with conn.transaction():
        receipt = sync_instruments(conn, source.venue, records, observed_at=from_ms(now_ms))
        today_ms = now_ms - now_ms % DAY_MS
        sessions = record_sessions(
            conn,
            source.venue.name,
            Span(
                int(first.timestamp()) * 1000 // DAY_MS * DAY_MS,
                today_ms + SESSIONS_AHEAD_DAYS * DAY_MS,
            ),
        )
    return {
        "inserted": receipt.inserted,
        "changed": receipt.changed,
        "unchanged": receipt.unchanged,
        "sessions": sessions,
    }


def _with_listing(source: CandleSource, record: InstrumentRecord) -> InstrumentRecord:
    # Binance states no listing date; the oldest candle it keeps is the honest substitute.
    first_ms = source.first_open_ms(record.symbol, M1)
    return record if first_ms is None else replace(record, listed_at=from_ms(first_ms))
