"""Which series a landing speaks for: the instruments its symbol meant, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from include.market.span import Span, to_ms
from include.market.timeframe import parse_timeframe
from include.warehouse.engine import Connection
from include.warehouse.landing import Landing
from include.warehouse.statements import statement

Series: TypeAlias = dict[int, list[Span]]


def find_series(connection: Connection, landings: Sequence[Landing]) -> list[Series]:
    """Return, for each landing, the instruments meant within its span, each with its spans.

    Spans consist of whole candles: one still running at the landing's end is not spoken for.
    """
    whole = [_whole_candles(landing) for landing in landings]
    found = connection.execute(
        statement("market/find_series"),
        {
            "venues": [landing.venue for landing in landings],
            "symbols": [landing.symbol for landing in landings],
            "span_starts": [span.start_time for span in whole],
            "span_ends": [span.end_time for span in whole],
        },
    )
    series: list[Series] = [{} for _ in landings]
    for place, instrument_id, start, end in found:
        timeframe = parse_timeframe(landings[place].timeframe)
        span = Span(timeframe.ceil_ms(to_ms(start)), timeframe.ceil_ms(to_ms(end)))
        series[place].setdefault(instrument_id, []).extend([span] if span else [])
    return series


def _whole_candles(landing: Landing) -> Span:
    timeframe = parse_timeframe(landing.timeframe)
    start_ms = timeframe.ceil_ms(landing.span.start_ms)
    return Span(start_ms, max(start_ms, timeframe.floor_ms(landing.span.end_ms)))
