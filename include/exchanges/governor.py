"""Who decides when a request may go: the venue's limits, shared by everyone behind one address."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from include.market.errors import InvalidInputError
from include.market.rate_limit import Answer, RateLimit, WindowCount, wait_for_grant


class RateGovernor(Protocol):
    """Grants requests below a venue's limits; keeps everyone silent when the venue asks for it.

    A venue can have several limits; the first is the one its usage header speaks of.
    """

    def acquire(self, weight: int, *, scope: str | None = None) -> None:
        """Return when a request of ``weight`` may go; ``scope`` is the first limit unless named.

        Raises:
            RateLimitedError: it would have to wait longer than a worker may be held.
            BannedError: the venue has banned this address; no request may go until it is over.
            RetryableError: the shared count cannot be reached; nothing goes uncounted.
        """
        ...

    def note_usage(self, used: int) -> None:
        """Adopt the venue's own count of the running window, when it is higher than ours."""
        ...

    def note_pause(self, seconds: float) -> None:
        """Let nobody ask this venue for ``seconds``: it said 429."""
        ...

    def note_ban(self, seconds: float, *, reason: str = "") -> bool:
        """Let nobody ask this venue for ``seconds``: it said 418. True when that is news."""
        ...


class LocalGovernor:
    """Counts within one process; for tests, and for tools that run alone. Threads may share it."""

    def __init__(
        self,
        *limits: RateLimit,
        longest_wait_s: float = 120.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep to ``limits``, the main one first; clocks are injectable for tests.

        Raises:
            InvalidInputError: there is no limit, or two have one scope.
        """
        self._counts = {limit.scope: WindowCount(limit) for limit in limits}
        if not limits or len(self._counts) != len(limits):
            raise InvalidInputError(
                f"a governor needs limits of different scopes, was {[x.scope for x in limits]}"
            )
        self._main = limits[0].scope
        self._granted_in = 0
        self._longest_wait_s = longest_wait_s
        self._now = now
        self._sleep = sleep
        self._lock = Lock()

    def acquire(self, weight: int, *, scope: str | None = None) -> None:
        """Return when a request of ``weight`` may go."""
        count = self._counts.get(scope or self._main)
        if count is None:
            raise InvalidInputError(f"no limit {scope!r}: expected one of {list(self._counts)}")
        count.limit.check_weight(weight)
        wait_for_grant(
            lambda: self._take(count, weight),
            count.limit,
            longest_wait_s=self._longest_wait_s,
            sleep=self._sleep,
        )

    def note_usage(self, used: int) -> None:
        """Adopt the venue's count, unless the window it speaks of is over."""
        with self._lock:
            self._counts[self._main].correct(used, self._granted_in)

    def note_pause(self, seconds: float) -> None:
        """Grant nothing for ``seconds``."""
        with self._lock:
            until_s = self._now() + seconds
            for count in self._counts.values():
                count.paused_until_s = max(count.paused_until_s, until_s)

    def note_ban(self, seconds: float, *, reason: str = "") -> bool:
        """Grant nothing for ``seconds`` and refuse at once who asks meanwhile."""
        with self._lock:
            now_s = self._now()
            is_new = self._counts[self._main].banned_until_s <= now_s
            for count in self._counts.values():
                count.banned_until_s = max(count.banned_until_s, now_s + seconds)
            return is_new

    def _take(self, count: WindowCount, weight: int) -> Answer:
        with self._lock:
            answer = count.take(weight, self._now())
            if answer.ruling == "granted":
                self._granted_in = self._counts[self._main].window_no
            return answer
