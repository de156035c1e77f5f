"""Stay below a venue's request-weight limit, by the venue's own count.

The header ``x-mbx-used-weight-1m`` counts every process behind this IP address, so obeying it
shares the budget between workers without their knowing each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE_S = 60.0


class WeightBudget:
    """Pause before a request when the current minute's weight is nearly used up."""

    def __init__(
        self,
        limit: int,
        *,
        share: float = 0.8,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Allow ``share`` of ``limit`` weight a minute; clocks are injectable for tests."""
        self._allowed = limit * share
        self._now = now
        self._sleep = sleep
        self._used = 0.0
        self._minute = 0

    def wait(self, weight: int) -> None:
        """Block until ``weight`` fits into a minute, then count it."""
        if self._current_minute() != self._minute:
            self._minute, self._used = self._current_minute(), 0.0
        if self._used + weight > self._allowed:
            self._sleep(MINUTE_S - self._now() % MINUTE_S)
            self._minute, self._used = self._current_minute(), 0.0
        self._used += weight

    def correct(self, used: int) -> None:
        """Adopt the venue's own count of this minute."""
        self._minute, self._used = self._current_minute(), float(used)

    def _current_minute(self) -> int:
        return int(self._now() // MINUTE_S)
