"""Load whole days of history."""

from __future__ import annotations

import logging

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.jobs.land_archive import ArchiveTask, land_archive
from include.jobs.land_candles import Landing, land_candles
from include.jobs.storage import OpenPath
from include.market.errors import DepthExhaustedError, InvalidInputError
from include.market.settings import Settings
from include.market.span import Span, from_ms, subtract_spans
from include.market.timeframe import M1
from include.market.universe import Universe
from include.warehouse.absence import note_absence
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.reference import instrument_ids

log = logging.getLogger(__name__)


def plan_instruments(universe: Universe, span: Span) -> list[dict[str, str]]:
    """Return one JSON-able piece of work per instrument of the universe, and name it bore then."""
    named = [
        (venue, symbol, name, part)
        for venue, symbol in universe
        for name, part in universe.names(venue, symbol, span)
    ]
    return [
        {
            "venue": venue,
            "symbol": name,
            "start": str(part.start_ms),
            "end": str(part.end_ms),
            "history": ",".join(universe.history(venue, symbol) or ("archive", "rest")),
        }
        for venue, symbol, name, part in named
    ]


def backfill_instrument(
    conn: Connection,
    source: CandleSource,
    open_path: OpenPath,
    settings: Settings,
    instrument: dict[str, str],
    *,
    run_id: str,
    archive: BinanceArchive | None = None,
) -> dict[str, int]:
    """Land the closed candles of one piece of work of :func:`plan_instruments`.

    The span is clipped to what can exist: from the venue's oldest candle to its last closed one.
    Where the piece allows it and the venue has one, the archive is read first, whole files at a
    time; the rest is asked for page by page.

    Raises:
        InvalidInputError: the whole span lies in the future of the venue.
    """
    symbol, ways = instrument["symbol"], instrument["history"].split(",")
    server_time_ms = source.server_time_ms()
    span = _possible_span(source, instrument, M1.floor_ms(server_time_ms))
    if not span:
        return {"rows": 0}
    landing = Landing(open_path, settings, run_id)
    rows, settled = 0, list[Span]()
    if archive is not None and "archive" in ways:
        task = ArchiveTask(archive, source, symbol, server_time_ms)
        rows, settled = land_archive(conn, task, span, landing)
    if "rest" in ways:
        for piece in subtract_spans(span, settled):
            rows += _land_reachable(conn, source, symbol, piece, landing, server_time_ms)
    return {"rows": rows}


def _land_reachable(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    span: Span,
    landing: Landing,
    server_time_ms: int,
) -> int:
    """Land ``span``; what lies before all that the venue keeps is written down as a gap."""
    try:
        return land_candles(conn, source, symbol, span, landing, server_time_ms=server_time_ms)
    except DepthExhaustedError as error:
        oldest_ms = min(max(M1.ceil_ms(error.oldest_ms), span.start_ms), span.end_ms)
        log.warning("%s %s: %s", source.venue.name, symbol, error)
    lost = Gap(Span(span.start_ms, oldest_ms), "depth_exhausted", {"oldest_ms": oldest_ms})
    instrument_id = instrument_ids(conn, source.venue.name).get(symbol)
    if instrument_id is not None and lost.span:
        with conn.transaction():
            note_absence(conn, "candle_1m", instrument_id, lost)
    rest = Span(oldest_ms, span.end_ms)
    return land_candles(conn, source, symbol, rest, landing, server_time_ms=server_time_ms)


def _possible_span(source: CandleSource, instrument: dict[str, str], closed_ms: int) -> Span:
    asked = Span(int(instrument["start"]), int(instrument["end"]))
    if asked.start_ms >= closed_ms:
        raise InvalidInputError(
            f"{asked} has not happened yet at {source.venue.name}, where it is "
            f"{from_ms(closed_ms):%Y-%m-%d %H:%M} UTC: choose earlier dates"
        )
    if source.traits.depth_candles is not None:
        # What it keeps ends where the asked span may well begin: that is for the ledger to tell.
        return Span(asked.start_ms, min(asked.end_ms, closed_ms))
    listed_ms = source.first_open_ms(instrument["symbol"], M1)
    start_ms = max(asked.start_ms, asked.end_ms if listed_ms is None else listed_ms)
    return Span(start_ms, max(start_ms, min(asked.end_ms, closed_ms)))
