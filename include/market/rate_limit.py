"""A venue's limit on request weight, and how requests are counted against it.

Windows are counted from the epoch, as venues count theirs. A request is counted by the venue when
it arrives, which may be in the window after the one it was granted in: weight granted in the last
moments of a window therefore counts in both.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from include.market.errors import BannedError, InvalidInputError, RateLimitedError

# Whoever waited for the same instant asks again a little apart from the others.
_JITTER_SHARE: Final = 0.02
_LONGEST_LATE_S: Final = 1.0

Ruling = Literal["granted", "full", "paused", "banned"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``weight`` in each window of ``window_s`` seconds, counted from the epoch.

    ``scope`` names what the venue counts together, e.g. ``binance_spot``. We use ``share`` of the
    weight: the rest is for others behind the same address, and for clocks that differ.
    """

    scope: str
    weight: int
    window_s: int = 60
    share: float = 0.8

    def __post_init__(self) -> None:
        """Refuse a limit that could never let a request go.

        Raises:
            InvalidInputError: the share leaves no weight, or the window is empty.
        """
        if not 0 < self.share <= 1 or self.allowed < 1 or self.window_s < 1:
            raise InvalidInputError(
                f"rate limit {self.scope!r} allows {self.share:g} of {self.weight} in "
                f"{self.window_s} s: expected at least weight 1 in a window of at least 1 s"
            )

    @property
    def allowed(self) -> int:
        """The weight we use in one window."""
        # Rounded first: 0.8 of 100 must not become 79 for a last binary digit.
        return int(round(self.weight * self.share, 6))

    @property
    def late_s(self) -> float:
        """How long before a window's end a request may already be counted in the next one."""
        return min(_LONGEST_LATE_S, self.window_s / 10)

    def check_weight(self, weight: int) -> None:
        """Refuse a weight that no window can hold.

        Raises:
            InvalidInputError: ``weight`` is negative or beyond what one window allows.
        """
        if not 0 <= weight <= self.allowed:
            raise InvalidInputError(
                f"a request of weight {weight} cannot go under limit {self.scope!r}: expected "
                f"0 to {self.allowed}; ask for less at once"
            )


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one wish to go, and how many seconds to wait before the next try."""

    ruling: Ruling
    wait_s: float = 0.0


@dataclass(slots=True)
class WindowCount:
    """The weight used in the running window of one limit. Pure: the clock is passed in."""

    limit: RateLimit
    window_no: int = 0
    used: int = 0
    late: int = 0
    paused_until_s: float = 0.0
    banned_until_s: float = 0.0

    def take(self, weight: int, now_s: float) -> Answer:
        """Count ``weight`` when it may go at ``now_s``; say how long to wait when it may not."""
        if now_s < self.banned_until_s:
            return Answer("banned", self.banned_until_s - now_s)
        if now_s < self.paused_until_s:
            return Answer("paused", self.paused_until_s - now_s)
        self._roll(now_s)
        ends_in_s = (self.window_no + 1) * self.limit.window_s - now_s
        if self.used + weight > self.limit.allowed:
            return Answer("full", ends_in_s)
        self.used += weight
        if ends_in_s <= self.limit.late_s:
            self.late += weight
        return Answer("granted")

    def correct(self, used: int, window_no: int) -> None:
        """Adopt the venue's count of window ``window_no`` if it still runs and is above ours."""
        if window_no == self.window_no:
            self.used = max(self.used, used)

    def _roll(self, now_s: float) -> None:
        current = int(now_s // self.limit.window_s)
        # A clock set back by a moment stays in its window; one set back for good starts anew.
        if current == self.window_no or current == self.window_no - 1:
            return
        self.used = self.late if current == self.window_no + 1 else 0
        self.window_no, self.late = current, 0


def wait_for_grant(
    ask: Callable[[], Answer],
    limit: RateLimit,
    *,
    longest_wait_s: float,
    sleep: Callable[[float], None],
) -> None:
    """Ask until granted, sleeping as long as told and a little more.

    Raises:
        BannedError: the address is banned.
        RateLimitedError: the waits would add up to more than ``longest_wait_s``.
    """
    waited_s = 0.0
    while (answer := ask()).ruling != "granted":
        if answer.ruling == "banned":
            raise BannedError(
                f"{limit.scope}: the venue has banned this address for another "
                f"{answer.wait_s:.0f} s; nothing is asked until then",
                retry_after_s=answer.wait_s,
            )
        if waited_s + answer.wait_s > longest_wait_s:
            raise RateLimitedError(
                f"{limit.scope}: no request may go for {answer.wait_s:.0f} s "
                f"({answer.ruling}), longer than the {longest_wait_s:g} s a worker waits; "
                "try again then",
                retry_after_s=answer.wait_s,
            )
        pause_s = answer.wait_s + random.uniform(0, limit.window_s * _JITTER_SHARE)
        sleep(pause_s)
        waited_s += pause_s
