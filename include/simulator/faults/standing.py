"""How each address stands with the simulated exchange: asked to pause, or banned."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")

_EVERYWHERE = "*"
_MAX_KEPT = 10_000


class Standing:
    """Bans and pauses by address and venue, in monotonic seconds."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with everybody welcome."""
        self._now_s = now_s
        self._banned_until_s: dict[tuple[str, str], float] = {}
        self._pauses: dict[tuple[str, str], tuple[float, float]] = {}

    def ban(self, address: str, venue: str | None, seconds: float) -> None:
        """Ban an address from one venue, or with None from all."""
        key = (address, venue or _EVERYWHERE)
        until_s = self._now_s() + seconds
        self._banned_until_s[key] = max(until_s, self._banned_until_s.get(key, 0.0))
        _bound(self._banned_until_s)

    def ban_left_s(self, address: str, venue: str) -> float | None:
        """Return how long the address is still banned from the venue, None if it is not."""
        keys = ((address, venue), (address, _EVERYWHERE))
        left_s = max(self._banned_until_s.get(key, 0.0) for key in keys) - self._now_s()
        return left_s if left_s > 0 else None

    def pause(self, address: str, venue: str, seconds: float) -> None:
        """Note that the address was asked to leave the venue alone for a while.

        A second refusal lengthens a pause, it does not shorten it.
        """
        now_s = self._now_s()
        since_s, until_s = self._pauses.get((address, venue), (now_s, 0.0))
        since_s = since_s if until_s > now_s else now_s
        self._pauses[address, venue] = (since_s, max(until_s, now_s + seconds))
        _bound(self._pauses)

    def paused_for_s(self, address: str, venue: str) -> float | None:
        """Return how long ago a pause began that is still running, None if none is."""
        now_s = self._now_s()
        since_s, until_s = self._pauses.get((address, venue), (now_s, 0.0))
        return now_s - since_s if now_s < until_s else None

    def pardon(self) -> None:
        """Lift all bans and forget all pauses."""
        self._banned_until_s.clear()
        self._pauses.clear()


def _bound(kept: dict[tuple[str, str], V]) -> None:
    if len(kept) > _MAX_KEPT:
        kept.pop(next(iter(kept)))
