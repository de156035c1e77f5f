"""Request weight per address and minute, counted as Binance counts it."""

from __future__ import annotations

import time
from collections.abc import Callable

from include.simulator.protocol import VenueError

DEFAULT_WEIGHT_PER_MINUTE = 6_000
FUTURES_WEIGHT_PER_MINUTE = 2_400
FUNDING_REQUESTS = 500
FUNDING_WINDOW_S = 300
"""Requests for funding have a limit of their own: so many in five minutes."""


class WeightMeter:
    """Counts weight per address in whole windows of real time; refused requests count too."""

    def __init__(
        self,
        limit: int = DEFAULT_WEIGHT_PER_MINUTE,
        *,
        now_s: Callable[[], float] = time.time,
        window_s: int = 60,
    ) -> None:
        """Refuse what goes beyond ``limit`` in ``window_s`` seconds, by default a minute."""
        self.limit = limit
        self._window_s = window_s
        self._now_s = now_s
        self._window = -1
        self._used: dict[str, int] = {}

    def add(self, address: str, weight: int) -> int:
        """Count a request and return the weight the address has used in this window."""
        window = int(self._now_s() // self._window_s)
        if window != self._window:
            self._window = window
            self._used.clear()
        self._used[address] = self._used.get(address, 0) + weight
        return self._used[address]

    def check(self, used: int) -> None:
        """Refuse a request whose address has used more than the limit.

        Raises:
            VenueError: HTTP 429, code -1003, with the whole seconds until the next window.
        """
        if used > self.limit:
            wait_s = self._window_s - int(self._now_s() % self._window_s)
            raise VenueError(
                -1003,
                f"Too much request weight used; current limit is {self.limit} request weight per "
                f"{self._window_s // 60} MINUTE. Please use WebSocket Streams for live updates to "
                "avoid polling the API.",
                status=429,
                retry_after_s=wait_s,
            )
