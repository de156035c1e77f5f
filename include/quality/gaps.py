"""Which candles a span should hold, and which of them are not there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import Timeframe


def count_expected(timeframe: Timeframe, span: Span) -> int:
    """Return how many candles on the grid lie wholly inside ``span``."""
    return len(_opens(timeframe, span))


def find_gaps(
    open_times_ms: Sequence[int] | NDArray[np.int64], timeframe: Timeframe, span: Span
) -> list[Span]:
    """Return the maximal runs of absent candles, sorted, each span made of whole candles.

    Expected are the candles that lie wholly inside ``span``: one still running at its end is not
    missed. Open times (epoch milliseconds) may come in any order, repeated; those off the grid
    or outside ``span`` prove nothing and are ignored.
    """
    grid = _opens(timeframe, span)
    present = np.asarray(open_times_ms, dtype=np.int64)
    absent = np.ones(len(grid), dtype=np.bool_)
    absent[_places(present, timeframe, grid)] = False
    edges = np.flatnonzero(np.diff(absent, prepend=False, append=False))
    return [
        Span(grid[first], timeframe.end_ms(grid[last - 1]))
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def _opens(timeframe: Timeframe, span: Span) -> Sequence[int]:
    """Return the open times of the candles that lie wholly inside ``span``."""
    start_ms, end_ms = timeframe.ceil_ms(span.start_ms), timeframe.floor_ms(span.end_ms)
    if not timeframe.months:
        return range(start_ms, max(start_ms, end_ms), timeframe.length_ms)
    opens = []
    while start_ms < end_ms:
        opens.append(start_ms)
        start_ms = timeframe.end_ms(start_ms)
    return opens


def _places(
    opens: NDArray[np.int64], timeframe: Timeframe, grid: Sequence[int]
) -> NDArray[np.int64]:
    """Return which candles of ``grid`` open at one of ``opens``."""
    if not isinstance(grid, range):
        return np.flatnonzero(np.isin(grid, opens))
    opens = opens[(opens >= grid.start) & (opens < grid.stop)]
    opens = opens[(opens - timeframe.anchor_ms) % timeframe.length_ms == 0]
    places: NDArray[np.int64] = (opens - grid.start) // grid.step
    return places
