"""What the whole venue shares: volatility regimes and outages, each fixed by the seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.catalogue import SPOT
from include.simulator.interval import MINUTE_MS
from include.simulator.keyed import keyed_normal, keyed_uniform

HISTORY_START_MS = 1_502_928_000_000
"""2017-08-17 00:00 UTC: nothing was traded before."""

_CELL_DAYS = 3
_MAX_OUTAGE_MINUTES = 9 * 60
_REGIMES = (("calm", 0.30, 0.6), ("normal", 0.80, 1.0), ("storm", 1.01, 2.0))


@dataclass(frozen=True, slots=True)
class Regime:
    """A span of the market's history and the factor on every instrument's volatility in it."""

    span: Span
    name: str
    volatility_factor: float


@dataclass(frozen=True, slots=True)
class VenueSchedule:
    """Regimes and outages of one seed; every venue has outages of its own."""

    seed: int
    outages_per_year: float = 3.0
    venue: str = SPOT

    def regimes(self, span: Span) -> list[Regime]:
        """Return the regimes that touch ``span``, whole, in order, no two neighbours alike."""
        first = span.start_ms // (_CELL_DAYS * DAY_MS) - 1
        last = span.end_ms // (_CELL_DAYS * DAY_MS)
        while self._regime_name(first - 1) == self._regime_name(first):
            first -= 1
        found: list[Regime] = []
        cell = first
        while cell <= last:
            end = cell + 1
            while self._regime_name(end) == self._regime_name(cell):
                end += 1
            whole = Span(self._change_ms(cell), self._change_ms(end))
            if whole.end_ms > span.start_ms and whole.start_ms < span.end_ms:
                found.append(Regime(whole, *self._regime_name(cell)))
            cell = end
        return found

    def outages(self, span: Span) -> list[Span]:
        """Return the outages that touch ``span``, whole minutes, in order and apart."""
        first, last = span.start_ms // DAY_MS - 1, span.end_ms // DAY_MS
        return [
            outage
            for day in range(first, last + 1)
            for outage in self._outages_from(day)
            if outage.end_ms > span.start_ms and outage.start_ms < span.end_ms
        ]

    def volatility(self, times_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the regime's volatility factor at each of the rising ``times_ms``."""
        regimes = self.regimes(Span(int(times_ms[0]), int(times_ms[-1]) + 1))
        starts = np.array([regime.span.start_ms for regime in regimes], dtype=np.int64)
        factors = np.array([regime.volatility_factor for regime in regimes])
        return factors[np.searchsorted(starts, times_ms, side="right") - 1]

    def _regime_name(self, cell: int) -> tuple[str, float]:
        draw = keyed_uniform(self.seed, "regime", cell)
        return next((name, factor) for name, below, factor in _REGIMES if draw < below)

    def _change_ms(self, cell: int) -> int:
        minutes = int(keyed_uniform(self.seed, "regime-change", cell) * _CELL_DAYS * 1440)
        return cell * _CELL_DAYS * DAY_MS + minutes * MINUTE_MS

    def _outages_from(self, day: int) -> Iterator[Span]:
        """Yield at most one outage that begins on ``day`` and ends before the next day's noon.

        It begins after noon UTC, so no two outages meet and every day has open hours.
        """
        prefix = "" if self.venue == SPOT else f"{self.venue}-"
        if keyed_uniform(self.seed, f"{prefix}outage", day) >= self.outages_per_year / 365.25:
            return
        begin = 720 + int(keyed_uniform(self.seed, f"{prefix}outage-start", day) * 720)
        length = 90.0 * math.exp(0.9 * keyed_normal(self.seed, f"{prefix}outage-length", day))
        minutes = min(max(int(length), 5), _MAX_OUTAGE_MINUTES)
        start_ms = day * DAY_MS + begin * MINUTE_MS
        yield Span(start_ms, start_ms + minutes * MINUTE_MS)
