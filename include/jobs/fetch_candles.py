"""Fetch what has closed since the end of proven coverage."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from include.exchanges.base import CandleSource
from include.jobs.land_candles import Landing, land_candles
from include.jobs.storage import OpenPath
from include.market.errors import UnknownInstrumentError
from include.market.settings import Settings
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, M1
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage, open_gaps_from
from include.warehouse.reference import instrument_ids

SILENT_TAIL_MS = 6 * 3_600_000
"""So much of a silence that has not ended is asked for again every time."""

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
        closed_ms = M1.floor_ms(server_time_ms)
        asked_ms = _asked_until(conn, known[symbol], covered)
        span = next_span(covered, closed_ms, settings.overlap_candles, asked_ms=asked_ms)
        try:
            rows = land_candles(conn, source, symbol, span, landing, server_time_ms=server_time_ms)
        except UnknownInstrumentError as error:
            # One symbol that is gone must not keep the others waiting.
            log.warning("%s; sync_reference will say what became of it", error)
            continue
        if rows:
            landed[symbol] = rows
    return landed


def next_span(
    covered: Sequence[Span], closed_ms: int, overlap_candles: int, *, asked_ms: int | None = None
) -> Span:
    """Return what to fetch: from the end of coverage, a few candles back, to the last closed one.

    Without coverage, from the midnight (UTC) before ``closed_ms``: older days are backfill's work.
    Until ``asked_ms`` the venue was asked in vain; of such a silence only the newest hours are
    asked for again, the rest is written down and ``repair_gaps``'s work. Empty when no candle has
    closed since.
    """
    frontier_ms = covered[-1].end_ms if covered else closed_ms - closed_ms % DAY_MS
    if frontier_ms >= closed_ms:
        return Span(closed_ms, closed_ms)
    # Re-reading must not reach below what is proven: those minutes are no revision but backfill.
    oldest_ms = covered[-1].start_ms if covered else frontier_ms
    start_ms = max(oldest_ms, frontier_ms - overlap_candles * M1.length_ms)
    if asked_ms is not None:
        start_ms = max(start_ms, min(asked_ms, closed_ms) - SILENT_TAIL_MS)
    return Span(start_ms, closed_ms)


def _asked_until(conn: Connection, instrument_id: int, covered: Sequence[Span]) -> int | None:
    """Return the end of the open gaps that follow each other from the end of coverage on."""
    if not covered:
        return None
    end_ms = frontier_ms = covered[-1].end_ms
    for gap in open_gaps_from(conn, "candle_1m", instrument_id, from_ms(frontier_ms)):
        if gap.span.start_ms > end_ms:
            break
        end_ms = max(end_ms, gap.span.end_ms)
    return end_ms if end_ms > frontier_ms else None
