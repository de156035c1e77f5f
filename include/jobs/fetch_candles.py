"""Fetch what has closed since the end of proven coverage."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from include.exchanges.base import CandleSource
from include.jobs.land_candles import Landing, land_candles
from include.jobs.storage import OpenPath
from include.market.errors import UnknownInstrumentError
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage
from include.warehouse.reference import instrument_ids

log = logging.getLogger(__name__)


def fetch_new_candles(
    conn: Connection,
    source: CandleSource,
    open_path: OpenPath,
    settings: Settings,
    symbols: Sequence[str],
    *,
    run_id: str,
) -> dict[str, int]:
    """Land new candles of each symbol; return the rows landed by symbol, nothing where none closed.

    A source that knows the past only is backfill's work. A symbol without an instrument waits for
    the next ``sync_reference``, which also refuses what the venue does not list.
    """
    if not source.traits.is_live:
        return {}
    known = instrument_ids(conn, source.venue.name)
    if waiting := [symbol for symbol in symbols if symbol not in known]:
        log.warning("no instrument yet, waiting for sync_reference: %s", ", ".join(waiting))
    server_time_ms = source.server_time_ms()
    landing = Landing(open_path, settings, run_id)
    landed: dict[str, int] = {}
    for symbol in (symbol for symbol in symbols if symbol in known):
        covered = coverage(conn, "candle_1m", known[symbol])
        span = next_span(covered, M1.floor_ms(server_time_ms), settings.overlap_candles)
        try:
            rows = land_candles(conn, source, symbol, span, landing, server_time_ms=server_time_ms)
        except UnknownInstrumentError as error:
            # One symbol that is gone must not keep the others waiting.
            log.warning("%s; sync_reference will say what became of it", error)
            continue
        if rows:
            landed[symbol] = rows
    return landed


def next_span(covered: Sequence[Span], closed_ms: int, overlap_candles: int) -> Span:
    """Return what to fetch: from the end of coverage, a few candles back, to the last closed one.

    Without coverage, from the midnight (UTC) before ``closed_ms``: older days are backfill's work.
    Empty when no candle has closed since.
    """
    frontier_ms = covered[-1].end_ms if covered else closed_ms - closed_ms % DAY_MS
    if frontier_ms >= closed_ms:
        return Span(closed_ms, closed_ms)
    # Re-reading must not reach below what is proven: those minutes are no revision but backfill.
    oldest_ms = covered[-1].start_ms if covered else frontier_ms
    return Span(max(oldest_ms, frontier_ms - overlap_candles * M1.length_ms), closed_ms)
