"""The price process: piecewise-linear trends with known breakpoints, plus noise that comes back.

The log price of an instrument is ``asset(base) - asset(quote)``. An asset's is its level, its own
path and its share (beta) of the market's path. A path is the sum of

- a trend, linear between knots; knots sit at keyed minutes, each at a keyed value: slow swings
  (value noise in octaves of 8 to 2048 days) plus a deviation of its own;
- noise: an Ornstein-Uhlenbeck process in steps of 5 s with Student-t shocks and clustered
  volatility, bent to keyed values at both midnights (an OU bridge), so that each UTC day stands
  alone and yet meets its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.interval import MINUTE_MS
from include.simulator.keyed import BlockCache, keyed_generator, keyed_normal, keyed_uniform
from include.simulator.schedule import VenueSchedule

Floats: TypeAlias = NDArray[np.float64]

STEP_MS = 5_000
STEPS = DAY_MS // STEP_MS

_SLOTS = 6
_SLOT_MINUTES = 1440 // _SLOTS
_SLOT_MARGIN = 30
_MARKET_KNOTS = 2
_SWINGS = ((2048, 0.40), (512, 0.30), (128, 0.16), (32, 0.08), (8, 0.04))
_KNOT_DEVIATION = 0.011
_SHOCK = 0.00013
_HALF_LIFE_STEPS = 120
_DECAY = 0.5 ** (1.0 / _HALF_LIFE_STEPS)
_NOISE_DEVIATION = _SHOCK / math.sqrt(1.0 - _DECAY**2)
_TAIL_FREEDOM = 4.0
_CLUSTERS = ((96, 0.30), (12, 0.35), (1, 0.20))
_CLUSTER_NODES = sum(cells for cells, _ in _CLUSTERS)

_CLOCK = np.arange(STEPS + 1) / STEPS
_FADING = _DECAY ** np.arange(STEPS + 1)
# OU bridge: how far a miss at the day's end reaches back (conditional mean of a stationary OU).
_REACH = (_FADING[::-1] - _FADING[-1] * _FADING) / (1.0 - _FADING[-1] ** 2)


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """An instant where a trend bends; slopes are in log price per hour."""

    time_ms: int
    log_price: float
    slope_before: float
    slope_after: float


@dataclass(frozen=True, slots=True)
class PathBlock:
    """One UTC day of a path at the ``STEPS + 1`` step boundaries, both midnights included."""

    log_price: Floats
    volatility: Floats


class Path:
    """The keyed path of the market (``own`` false) or of one asset's own part."""

    def __init__(
        self,
        seed: int,
        name: str,
        scale: float,
        *,
        schedule: VenueSchedule,
        is_quiet: bool = False,
    ) -> None:
        """Scale all deviations by ``scale``; the name ``market`` owns the market's slots.

        A quiet path is its trend alone.
        """
        self._is_quiet = is_quiet
        self._key = (seed, name)
        self._seed = seed
        self._scale = scale
        self._schedule = schedule
        self._is_market = name == "market"
        self._days: BlockCache[int, PathBlock] = BlockCache(24 if self._is_market else 4)

    def day(self, day: int) -> PathBlock:
        """Return the path over the UTC day number ``day`` (days since the epoch)."""
        return self._days.get(day, lambda: self._build(day))

    def knots(self, first_day: int, last_day: int) -> list[tuple[int, float]]:
        """Return (time in ms, trend) of the knots of the days, both inclusive, in order."""
        times = [
            day * DAY_MS + minute * MINUTE_MS
            for day in range(first_day, last_day + 1)
            for minute in self._knot_minutes(day)
        ]
        return [(time_ms, self._knot_value(time_ms)) for time_ms in times]

    def trend(self, times_ms: NDArray[np.int64]) -> Floats:
        """Return the trend, in log price, at the rising ``times_ms``."""
        first, last = int(times_ms[0]) // DAY_MS, int(times_ms[-1]) // DAY_MS
        knots = self.knots(first - 1, last + 1)
        return np.interp(times_ms, [knot[0] for knot in knots], [knot[1] for knot in knots])

    def _knot_minutes(self, day: int) -> list[int]:
        slots = _shuffle(range(_SLOTS), self._seed, "slots", day)
        if self._is_market:
            chosen = slots[:_MARKET_KNOTS]
        else:
            count = 1 + (keyed_uniform(*self._key, "knots", day) < 0.5)
            chosen = _shuffle(slots[_MARKET_KNOTS:], *self._key, "slots", day)[:count]
        width = _SLOT_MINUTES - 2 * _SLOT_MARGIN
        return [
            slot * _SLOT_MINUTES
            + _SLOT_MARGIN
            + int(width * keyed_uniform(*self._key, "knot", day, slot))
            for slot in sorted(chosen)
        ]

    def _knot_value(self, time_ms: int) -> float:
        value = _KNOT_DEVIATION * keyed_normal(*self._key, "deviation", time_ms)
        for days, deviation in _SWINGS:
            cells = time_ms / (days * DAY_MS) + keyed_uniform(*self._key, "phase", days)
            cell = math.floor(cells)
            left = keyed_normal(*self._key, "swing", days, cell)
            right = keyed_normal(*self._key, "swing", days, cell + 1)
            value += deviation * (left + (right - left) * (cells - cell))
        return self._scale * value

    def _build(self, day: int) -> PathBlock:
        times_ms = day * DAY_MS + np.arange(STEPS + 1, dtype=np.int64) * STEP_MS
        if self._is_quiet:
            return PathBlock(self.trend(times_ms), np.ones(STEPS + 1))
        volatility = self._clusters(day) * self._schedule.volatility(times_ms)
        noise = self._noise(day, volatility)
        return PathBlock(self.trend(times_ms) + self._scale * noise, volatility)

    def _clusters(self, day: int) -> Floats:
        """Return the clustered volatility: an exponential of noise at 15 min, 2 h and 1 day."""
        today, tomorrow = (
            keyed_generator(*self._key, "clusters", number).standard_normal(_CLUSTER_NODES)
            for number in (day, day + 1)
        )
        level = np.zeros(STEPS + 1)
        first = 0
        for cells, deviation in _CLUSTERS:
            nodes = np.append(today[first : first + cells], tomorrow[first])
            level += deviation * np.interp(_CLOCK, np.linspace(0.0, 1.0, cells + 1), nodes)
            first += cells
        return np.asarray(np.exp(level))

    def _noise(self, day: int, volatility: Floats) -> Floats:
        generator = keyed_generator(*self._key, "noise", day)
        shocks = generator.standard_t(_TAIL_FREEDOM, STEPS)
        shocks *= _SHOCK * math.sqrt(1.0 - 2.0 / _TAIL_FREEDOM)
        start, end = (
            _NOISE_DEVIATION * keyed_normal(*self._key, "midnight", number)
            for number in (day, day + 1)
        )
        path = np.empty(STEPS + 1)
        path[0] = start
        path[1:] = start + np.cumsum(shocks * volatility[1:] / _FADING[1:])
        path *= _FADING
        path += (end - path[-1]) * _REACH
        path[-1] = end
        return path


def _shuffle(slots: Iterable[int], *key: int | str) -> list[int]:
    return sorted(slots, key=lambda slot: keyed_uniform(*key, slot))


class TrendSum:
    """A weighted sum of paths: what an instrument's log price is."""

    def __init__(self, level: float, parts: list[tuple[float, Path]]) -> None:
        """Add ``level`` (a log price) and each path times its weight."""
        self._level = level
        self._parts = parts

    def log_price(self, day: int) -> Floats:
        """Return the log price at the ``STEPS + 1`` step boundaries of the UTC day."""
        total = np.full(STEPS + 1, self._level)
        for weight, path in self._parts:
            total += weight * path.day(day).log_price
        return total

    def volatility(self, day: int) -> Floats:
        """Return the mean relative volatility of the parts, at the step boundaries."""
        if not self._parts:
            return np.ones(STEPS + 1)
        volatilities = [path.day(day).volatility for _, path in self._parts]
        return np.asarray(np.mean(volatilities, axis=0))

    def trend(self, times_ms: NDArray[np.int64]) -> Floats:
        """Return the noiseless log price at the rising ``times_ms``."""
        total = np.full(len(times_ms), self._level)
        for weight, path in self._parts:
            total += weight * path.trend(times_ms)
        return total

    def breakpoints(self, span: Span) -> list[Breakpoint]:
        """Return every bend of the trend in ``span`` with the slopes on both sides of it."""
        first, last = span.start_ms // DAY_MS - 1, span.end_ms // DAY_MS + 1
        times = sorted(
            {knot[0] for _, path in self._parts for knot in path.knots(first, last)}
            | {first * DAY_MS, (last + 1) * DAY_MS - 1}
        )
        grid = np.array(times, dtype=np.int64)
        values = self.trend(grid)
        slopes = np.diff(values) / np.diff(grid) * 3_600_000
        return [
            Breakpoint(times[i], float(values[i]), float(slopes[i - 1]), float(slopes[i]))
            for i in range(1, len(times) - 1)
            if span.start_ms <= times[i] < span.end_ms
        ]
