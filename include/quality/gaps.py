"""Which candles a span should hold, and which of them are not there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import Timeframe


def count_expected(timeframe: Timeframe, span: Span) -> int:
    """Return how many candles on the grid lie wholly inside ``span``."""
    return len(_grid(timeframe, span))


def find_gaps(
    open_times_ms: Sequence[int] | NDArray[np.int64], timeframe: Timeframe, span: Span
) -> list[Span]:
    """Return the maximal runs of absent candles, sorted, each span made of whole candles.

    Expected are the candles that lie wholly inside ``span``: one still running at its end is not
    missed. Open times (epoch milliseconds) may come in any order, repeated; those off the grid
    or outside ``span`` prove nothing and are ignored.
    """
    grid = _grid(timeframe, span)
    opens = np.asarray(open_times_ms, dtype=np.int64)
    opens = opens[opens % timeframe.length_ms == 0]
    absent = np.ones(len(grid), dtype=np.bool_)
    places = (opens[(opens >= grid.start) & (opens < grid.stop)] - grid.start) // grid.step
    absent[places] = False
    edges = np.flatnonzero(np.diff(absent, prepend=False, append=False))
    return [
        Span(grid.start + int(first) * grid.step, grid.start + int(last) * grid.step)
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]


def _grid(timeframe: Timeframe, span: Span) -> range:
    start_ms, end_ms = timeframe.ceil_ms(span.start_ms), timeframe.floor_ms(span.end_ms)
    return range(start_ms, max(start_ms, end_ms), timeframe.length_ms)
