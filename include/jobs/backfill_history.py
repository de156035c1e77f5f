"""Load whole days of history."""

from __future__ import annotations

from include.exchanges.base import CandleSource
from include.jobs.land_candles import Landing, land_candles
from include.jobs.storage import OpenPath
from include.market.errors import InvalidInputError
from include.market.settings import Settings
from include.market.span import Span, from_ms
from include.market.timeframe import M1
from include.market.universe import Universe
from include.warehouse.engine import Connection


def plan_instruments(universe: Universe, span: Span) -> list[dict[str, str]]:
    """Return one JSON-able piece of work per instrument of the universe."""
    return [
        {"venue": venue, "symbol": symbol, "start": str(span.start_ms), "end": str(span.end_ms)}
        for venue, symbol in universe
    ]


def backfill_instrument(
    conn: Connection,
    source: CandleSource,
    open_path: OpenPath,
    settings: Settings,
    instrument: dict[str, str],
    *,
    run_id: str,
) -> dict[str, int]:
    """Land the closed candles of one piece of work of :func:`plan_instruments`.

    The span is clipped to what can exist: from the venue's oldest candle to its last closed one.

    Raises:
        InvalidInputError: the whole span lies in the future of the venue.
    """
    symbol = instrument["symbol"]
    asked = Span(int(instrument["start"]), int(instrument["end"]))
    closed_ms = M1.floor_ms(source.server_time_ms())
    if asked.start_ms >= closed_ms:
        raise InvalidInputError(
            f"{asked} has not happened yet at {source.venue.name}, where it is "
            f"{from_ms(closed_ms):%Y-%m-%d %H:%M} UTC: choose earlier dates"
        )
    listed_ms = source.first_open_ms(symbol, M1)
    start_ms = max(asked.start_ms, asked.end_ms if listed_ms is None else listed_ms)
    end_ms = min(asked.end_ms, closed_ms)
    if start_ms >= end_ms:
        return {"rows": 0}
    landing = Landing(open_path, settings, run_id)
    return {"rows": land_candles(conn, source, symbol, Span(start_ms, end_ms), landing)}
