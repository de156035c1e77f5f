"""Bars laid out on their grid without holes, many stretches of them one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from include.cascade.exact_sum import FloatArray, FloatRows
from include.cascade.fold import IntArray
from include.cascade.returns import log_ratio
from include.cascade.rollup import roll_up_series
from include.cascade.series import SeriesCandles
from include.cascade.units import UnitChange, step_factors
from include.market.span import Span, merge_spans
from include.market.timeframe import M1, Timeframe

Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
_KEPT = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars of one instrument to be derived, and what must be known for it.

    ``wanted`` are whole bars, half-open; ``covered`` is what is proven loaded or explained of the
    1m candles; ``unit_changes`` are those of the instrument, others than those inside do nothing.
    """

    owner: int
    wanted: Span
    covered: Sequence[Span]
    unit_changes: Sequence[UnitChange] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Every bar of some stretches, one element each; NaN in those that are not ``present``.

    A bar is present when it has a candle, all its minutes are proven and its unit stays the same.
    ``wanted`` are present ones to be told of; in front of those of a stretch lie as many bars as
    they look back on. ``step`` is by what prices of the bar just before are multiplied to stand
    beside it, NaN for a bar of two units. ``minute_returns`` has one row per minute of a bar and
    one column per bar.
    """

    owners: IntArray
    open_us: IntArray
    present: Mask
    wanted: Mask
    cells: dict[str, FloatArray]
    step: FloatArray
    minute_returns: FloatRows

    def __getitem__(self, name: str) -> FloatArray:
        """Return a column of the candles, ``minutes_present`` among them."""
        return self.cells[name]

    def known(self, values: FloatArray) -> FloatArray:
        """Return ``values`` of the bars that are present, NaN for the others."""
        kept: FloatArray = np.where(self.present, values, np.nan)
        return kept


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the bars of each stretch lie among those of all: stretch ``i`` begins at ``first[i]``.

    ``stretch`` tells of every bar to which it belongs; ``rows`` are the minutes of the stretches,
    ``minute`` the places these have when the minutes of all bars are counted through.
    """

    open_us: IntArray
    stretch: IntArray
    first: IntArray
    rows: IntArray
    minute: IntArray

    def slices(self) -> list[slice]:
        """Return the bars of each stretch."""
        ends = np.append(self.first[1:], len(self.open_us))
        return [slice(*each) for each in zip(self.first.tolist(), ends.tolist(), strict=True)]


def gather_bars(
    minutes: SeriesCandles, timeframe: Timeframe, stretches: Sequence[Stretch], look_back: int
) -> Bars:
    """Return the bars of ``timeframe`` in ``stretches``, each with ``look_back`` bars before it.

    Args:
        minutes: 1m candles; those outside the stretches and their look-back are left out.
        timeframe: of the bars; whole minutes fill it.
        stretches: at least one; those of one instrument do not overlap, look-back included.
        look_back: bars laid out before each stretch.
    """
    length_us = timeframe.length_ms * 1000
    per_bar = timeframe.length_ms // M1.length_ms
    layout = _lay_out(minutes, timeframe, stretches, look_back)
    step, proven = np.ones(len(layout.open_us)), np.zeros(len(layout.open_us), dtype=np.bool_)
    for one, own in zip(stretches, layout.slices(), strict=True):
        opens = layout.open_us[own]
        step[own] = step_factors(opens, length_us, one.unit_changes)
        proven[own] = _proven(opens, length_us, one.covered) & ~np.isnan(step[own])
    cells, has_candle = _candles(minutes, timeframe, layout, proven)
    owners = np.array([one.owner for one in stretches], dtype=np.int64)
    wanted_us = np.array([one.wanted.start_ms * 1000 for one in stretches], dtype=np.int64)
    return Bars(
        owners[layout.stretch],
        layout.open_us,
        has_candle,
        has_candle & (layout.open_us >= wanted_us[layout.stretch]),
        cells,
        step,
        _minute_returns(minutes, layout, per_bar, step),
    )


def _lay_out(
    minutes: SeriesCandles, timeframe: Timeframe, stretches: Sequence[Stretch], look_back: int
) -> _Layout:
    length_us, minute_us = timeframe.length_ms * 1000, M1.length_ms * 1000
    opens, rows = [], []
    for one in stretches:
        start_us = one.wanted.start_ms * 1000 - look_back * length_us
        end_us = one.wanted.end_ms * 1000
        opens.append(np.arange(start_us, end_us, length_us, dtype=np.int64))
        own = slice(*np.searchsorted(minutes.owners, [one.owner, one.owner + 1]).tolist())
        inside = np.searchsorted(minutes.open_us[own], [start_us, end_us]) + own.start
        rows.append(np.arange(*inside.tolist(), dtype=np.int64))
    bars = np.array([len(part) for part in opens])
    first = np.cumsum(bars) - bars
    starts_us = np.array([part[0] for part in opens])
    found = np.concatenate(rows)
    of_row = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    per_bar = length_us // minute_us
    minute = first[of_row] * per_bar + (minutes.open_us[found] - starts_us[of_row]) // minute_us
    stretch = np.repeat(np.arange(len(opens)), bars)
    return _Layout(np.concatenate(opens), stretch, first, found, minute)


def _proven(opens: IntArray, length_us: int, covered: Sequence[Span]) -> Mask:
    """Tell which bars are proven from end to end."""
    proven = np.zeros(len(opens), dtype=np.bool_)
    for part in merge_spans(covered):
        first = np.searchsorted(opens, part.start_ms * 1000)
        after = np.searchsorted(opens, part.end_ms * 1000 - length_us, side="right")
        proven[first:after] = True
    return proven


def _candles(
    minutes: SeriesCandles, timeframe: Timeframe, layout: _Layout, proven: Mask
) -> tuple[dict[str, FloatArray], Mask]:
    """Return the columns of the bars that are proven and have a candle, and which these are."""
    count = len(layout.open_us)
    names = (*_KEPT, "minutes_present")
    cells = {name: np.full(count, np.nan) for name in names}
    present = np.zeros(count, dtype=np.bool_)
    if len(layout.rows):
        per_bar = timeframe.length_ms // M1.length_ms
        inside = minutes.take(layout.rows)
        places = layout.minute // per_bar
        # Stretches stand in for owners: what one instrument lacks between two is no bar.
        rolled = roll_up_series(
            SeriesCandles(layout.stretch[places], inside.open_us, inside.cells), M1, timeframe
        )
        bars = places[np.diff(places, prepend=-1) != 0]
        kept = proven[bars]
        present[bars[kept]] = True
        for name in names:
            source = "children_present" if name == "minutes_present" else name
            cells[name][bars[kept]] = rolled.cells[source][kept]
    return cells, present


def _minute_returns(
    minutes: SeriesCandles, layout: _Layout, per_bar: int, step: FloatArray
) -> FloatRows:
    """Return the return of every minute, one column per bar, NaN where there is none.

    Within a bar a minute is held against the one before it that is there, however long ago: any
    partition of the bar serves to measure its variance. Into a bar only the very minute before
    leads; where that is absent, the first minute is held against its own open.
    """
    opened, close = (minutes.cells[name][layout.rows] for name in ("open", "close"))
    place = layout.minute
    bar, returns = place // per_bar, np.full((per_bar, len(step)), np.nan)
    before = opened.copy()
    if len(place) > 1:
        same_bar, adjacent = np.diff(bar) == 0, np.diff(place) == 1
        same_stretch = np.diff(layout.stretch[bar]) == 0
        carried = np.where(same_bar, close[:-1], close[:-1] * step[bar[1:]])
        before[1:] = np.where(same_bar | adjacent & same_stretch, carried, opened[1:])
    returns[place % per_bar, bar] = log_ratio(close, before)
    return returns
