"""The candle intervals Binance speaks, all counted in UTC."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import DAY_MS

MINUTE_MS = 60_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A candle length; ``length_ms`` is 0 for a calendar month.

    ``anchor_ms`` is the open time of some candle: weeks open on Monday, all else at the epoch.
    ``ahead_ms`` is by how much the clock that counts days and months is ahead of UTC.
    """

    label: str
    length_ms: int
    anchor_ms: int = 0
    ahead_ms: int = 0

    def floor_ms(self, instant_ms: int) -> int:
        """Return the open time of the candle that holds ``instant_ms``."""
        if self.length_ms:
            return instant_ms - (instant_ms + self.ahead_ms - self.anchor_ms) % self.length_ms
        return _months_to_ms(_ms_to_month(instant_ms + self.ahead_ms)) - self.ahead_ms

    def next_ms(self, open_ms: int) -> int:
        """Return the open time of the candle after the one that opens at ``open_ms``."""
        if self.length_ms:
            return open_ms + self.length_ms
        return _months_to_ms(_ms_to_month(open_ms + self.ahead_ms) + 1) - self.ahead_ms

    def unit(self, instant_ms: int) -> Span:
        """Return what must be built together around ``instant_ms``: days, for seconds a minute."""
        if 0 < self.length_ms < MINUTE_MS:
            start_ms = instant_ms - instant_ms % MINUTE_MS
            return Span(start_ms, start_ms + MINUTE_MS)
        if 0 < self.length_ms <= DAY_MS:
            start_ms = instant_ms - (instant_ms + self.ahead_ms) % DAY_MS
            return Span(start_ms, start_ms + DAY_MS)
        start_ms = self.floor_ms(instant_ms)
        return Span(start_ms, self.next_ms(start_ms))

    def in_zone(self, ahead_ms: int) -> Interval:
        """Return the interval counted by a clock that is ``ahead_ms`` ahead of UTC."""
        if not self.length_ms or ahead_ms % self.length_ms:
            return replace(self, ahead_ms=ahead_ms)
        return self

    def buckets(self, open_times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each 1m open time the open time of its candle, counted in UTC."""
        if self.length_ms:
            return open_times_ms - (open_times_ms - self.anchor_ms) % self.length_ms
        months = open_times_ms.astype("datetime64[ms]").astype("datetime64[M]")
        return months.astype("datetime64[ms]").astype(np.int64)


def _ms_to_month(instant_ms: int) -> int:
    return int(np.datetime64(instant_ms, "ms").astype("datetime64[M]").astype(np.int64))


def _months_to_ms(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[ms]").astype(np.int64))


ONE_MINUTE = Interval("1m", MINUTE_MS)
ONE_DAY = Interval("1d", DAY_MS)

INTERVALS = {
    interval.label: interval
    for interval in (
        ONE_MINUTE,
        *(Interval(f"{n}m", n * MINUTE_MS) for n in (3, 5, 15, 30)),
        *(Interval(f"{n}h", n * _HOUR_MS) for n in (1, 2, 4, 6, 8, 12)),
        ONE_DAY,
        Interval("3d", 3 * DAY_MS),
        Interval("1w", 7 * DAY_MS, anchor_ms=4 * DAY_MS),
        Interval("1M", 0),
    )
}

ONE_SECOND = Interval("1s", 1_000)
SPOT_INTERVALS = {ONE_SECOND.label: ONE_SECOND, **INTERVALS}
"""Spot tells candles of a second as well, where single trades are known."""
