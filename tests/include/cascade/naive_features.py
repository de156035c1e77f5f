"""Features so plain that they can be read: one bar at a time, out of dictionaries of minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from include.cascade.features import FEATURES, WINDOW_BARS
from include.cascade.series import SeriesCandles
from include.cascade.units import UnitChange
from include.market.candle import ABSENT_COUNT, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import Timeframe

MINUTE_MS = 60_000
Minutes = Mapping[int, Mapping[str, float]]


def series_of(minutes: Minutes, owner: int = 1) -> SeriesCandles:
    """Return minutes (open time in epoch ms) as arrays."""
    opens = sorted(minutes)
    cells: dict[str, Any] = {
        name: np.array([minutes[at].get(name, math.nan) for at in opens], dtype=np.float64)
        for name in VALUE_COLUMNS[:-1]
    }
    cells["trade_count"] = np.full(len(opens), ABSENT_COUNT, dtype=np.int64)
    cells["flags"] = np.zeros(len(opens), dtype=np.int64)
    owners = np.full(len(opens), owner, dtype=np.int64)
    return SeriesCandles(owners, np.array(opens, dtype=np.int64) * 1000, cells)


def join(*parts: SeriesCandles) -> SeriesCandles:
    """Return the candles of several instruments together."""
    return SeriesCandles(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.open_us for part in parts]),
        {name: np.concatenate([part.cells[name] for part in parts]) for name in parts[0].cells},
    )


class NaiveFeatures:
    """The features of one instrument, asked for bar by bar."""

    def __init__(
        self,
        minutes: Minutes,
        timeframe: Timeframe,
        covered: Sequence[Span],
        changes: Sequence[UnitChange] = (),
    ) -> None:
        self.minutes, self.length_ms = minutes, timeframe.length_ms
        self.covered, self.changes = covered, changes
        self.is_present = cache(self._is_present)
        self.value = cache(self._value)
        self.minute_returns = cache(self._minute_returns)

    def _is_present(self, bar: int) -> bool:
        places = range(bar, bar + self.length_ms, MINUTE_MS)
        proven = any(
            part.start_ms <= bar and bar + self.length_ms <= part.end_ms for part in self.covered
        )
        mixed = any(
            change.factor != 1 and bar < change.at_ms < bar + self.length_ms
            for change in self.changes
        )
        return proven and not mixed and any(at in self.minutes for at in places)

    def inside(self, bar: int) -> list[int]:
        return [at for at in range(bar, bar + self.length_ms, MINUTE_MS) if at in self.minutes]

    def _value(self, bar: int, name: str) -> float:
        rows = [self.minutes[at] for at in self.inside(bar)]
        if name in ("open", "close"):
            return rows[0 if name == "open" else -1][name]
        if name in ("high", "low"):
            return (max if name == "high" else min)(row[name] for row in rows)
        return math.fsum(row.get(name, math.nan) for row in rows)

    def factor(self, after: int, upto: int) -> float:
        """Return by what a price at ``after`` is multiplied to stand beside one at ``upto``."""
        return math.prod(one.factor for one in self.changes if after < one.at_ms <= upto)

    def is_one_unit(self, first: int, last: int) -> bool:
        """Tell whether no unit changes in a bar after the ``first``."""
        second, end = first + self.length_ms, last + self.length_ms
        return not any(one.factor != 1 and second <= one.at_ms < end for one in self.changes)

    def _minute_returns(self, bar: int) -> dict[int, float]:
        found, before = {}, None
        for at in self.inside(bar):
            if before is None:
                left = self.minutes.get(at - MINUTE_MS) if at == bar else None
                start = self.minutes[at]["open"]
                if left is not None:
                    start = left["close"] * self.factor(bar - 1, bar)
            else:
                start = self.minutes[before]["close"]
            found[at] = math.log(self.minutes[at]["close"] / start)
            before = at
        return found

    def realised(self, bar: int) -> float:
        return math.fsum(gain**2 for gain in self.minute_returns(bar).values())

    def of_bar(self, bar: int) -> dict[str, float]:
        """Return every feature of a bar that is present, NaN where unknown."""
        opened, high, low, close = (
            self.value(bar, name) for name in ("open", "high", "low", "close")
        )
        found = dict.fromkeys(FEATURES, math.nan)
        before = bar - self.length_ms
        if self.is_present(before):
            last = self.value(before, "close") * self.factor(before, bar)
            found["log_return"], found["open_return"] = (
                math.log(close / last),
                math.log(opened / last),
            )
        width, body = math.log(high / low), math.log(close / opened)
        found["body_return"], found["log_range"] = body, width
        found["parkinson_variance"] = width**2 / (4 * math.log(2))
        found["garman_klass_variance"] = width**2 / 2 - (2 * math.log(2) - 1) * body**2
        found["rogers_satchell_variance"] = max(
            0.0,
            math.log(high / close) * math.log(high / opened)
            + math.log(low / close) * math.log(low / opened),
        )
        gains = self.minute_returns(bar)
        found["realised_variance"] = self.realised(bar)
        found["bipower_variation"] = (
            math.pi
            / 2
            * math.fsum(
                abs(gain * gains[at - MINUTE_MS])
                for at, gain in gains.items()
                if at - MINUTE_MS in gains
            )
        )
        found["vwap"] = _average(self, [bar], low, high)
        volume = self.value(bar, "volume")
        share = self.value(bar, "taker_buy_volume") / volume if volume else math.nan
        found["taker_buy_share"] = share if 0 <= share <= 1 else math.nan
        found["minutes_present"] = len(gains)
        found["minutes_expected"] = self.length_ms // MINUTE_MS
        for distance in range(WINDOW_BARS, 0, -1):
            if self.is_present(bar - distance * self.length_ms):
                found["bars_since_previous"] = distance
        return found | self.of_window(bar, close, volume)

    def of_window(self, bar: int, close: float, volume: float) -> dict[str, float]:
        first = bar - (WINDOW_BARS - 1) * self.length_ms
        window = [at for at in range(first, bar + 1, self.length_ms) if self.is_present(at)]
        found: dict[str, float] = {"window_bars": len(window)}
        oldest = first - self.length_ms
        whole = all(
            one.factor == 1 or (one.at_ms - bar) % self.length_ms == 0
            for one in self.changes
            if first <= one.at_ms < bar + self.length_ms
        )
        if self.is_present(oldest) and whole:
            last = self.value(oldest, "close") * self.factor(oldest, bar)
            found["window_return"] = math.log(close / last)
        if len(window) < WINDOW_BARS // 2:
            return found
        total = math.fsum(self.realised(at) for at in window)
        found["window_volatility"] = math.sqrt(total / len(window))
        if not self.is_one_unit(first, bar):
            return found
        high = max(self.value(at, "high") for at in window)
        low = min(self.value(at, "low") for at in window)
        found["window_vwap"] = _average(self, window, low, high)
        if high > low:
            found["window_position"] = (close - low) / (high - low)
        mean = math.fsum(self.value(at, "volume") for at in window) / len(window)
        if mean > 0:
            found["relative_volume"] = volume / mean
        return found


def _average(series: NaiveFeatures, bars: list[int], low: float, high: float) -> float:
    volume = math.fsum(series.value(at, "volume") for at in bars)
    quote_volume = math.fsum(series.value(at, "quote_volume") for at in bars)
    if not volume:
        return math.nan
    average = quote_volume / volume
    return average if low * (1 - 1e-6) <= average <= high * (1 + 1e-6) else math.nan
