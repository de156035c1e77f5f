"""What time it is at the simulated exchange: real, standing still, shifted or accelerated."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol

from include.market.errors import InvalidInputError

CLOCK_FORMS = "real, frozen:MS, offset:MS, rate:X or rate:X@MS (MS: epoch milliseconds)"
_LATEST_MS = 4_102_444_800_000
"""2100-01-01: later times are taken for a slip of the pen."""


class Clock(Protocol):
    """Tells the exchange's time in epoch milliseconds."""

    def now_ms(self) -> int:
        """Return the exchange's time."""

    def seconds_until(self, instant_ms: int) -> float:
        """Return the real seconds until ``now_ms`` reaches the instant; inf if it never does."""


@dataclass(frozen=True, slots=True)
class FrozenClock:
    """A clock that stands still, so that every answer can be repeated."""

    instant_ms: int

    def now_ms(self) -> int:
        """Return the instant."""
        return self.instant_ms

    def seconds_until(self, instant_ms: int) -> float:
        """Return 0 for what has come and infinity for all else."""
        return 0.0 if instant_ms <= self.instant_ms else math.inf

    def __str__(self) -> str:
        """Write the clock as the command line takes it."""
        return f"frozen:{self.instant_ms}"


@dataclass(frozen=True, slots=True)
class RunningClock:
    """A clock that showed ``start_ms`` at monotonic second ``origin_s`` and runs at ``rate``."""

    label: str
    start_ms: float
    origin_s: float
    rate: float = 1.0

    def now_ms(self) -> int:
        """Return the exchange's time, rounded down."""
        return math.floor(self.start_ms + (time.monotonic() - self.origin_s) * 1000.0 * self.rate)

    def seconds_until(self, instant_ms: int) -> float:
        """Return the real seconds left, at least 0."""
        gone_s = time.monotonic() - self.origin_s
        return max(0.0, (instant_ms - self.start_ms) / 1000.0 / self.rate - gone_s)

    def __str__(self) -> str:
        """Write the clock as the command line takes it."""
        return self.label


def parse_clock(text: str) -> Clock:
    """Return the clock that ``text`` describes, started now.

    ``offset:MS`` runs beside the real clock, MS ahead of it (negative: behind). ``rate:X`` runs X
    times as fast from now on, ``rate:X@MS`` from the given instant on.

    Raises:
        InvalidInputError: none of the forms, or a number that no clock can have.
    """
    kind, _, argument = text.partition(":")
    origin_s, real_ms = time.monotonic(), time.time() * 1000.0
    if text == "real":
        return RunningClock(text, real_ms, origin_s)
    if kind == "frozen":
        return FrozenClock(int(_number(argument, text, low=0.0)))
    if kind == "offset":
        offset_ms = _number(argument, text, low=-_LATEST_MS)
        return RunningClock(text, real_ms + offset_ms, origin_s)
    if kind == "rate":
        rate, _, start = argument.partition("@")
        start_ms = _number(start, text, low=0.0) if start else real_ms
        return RunningClock(text, start_ms, origin_s, _number(rate, text, low=1e-6))
    raise InvalidInputError(f"clock {text!r} is unknown: write {CLOCK_FORMS}")


def _number(argument: str, text: str, *, low: float) -> float:
    try:
        number = float(argument)
    except ValueError:
        raise InvalidInputError(f"clock {text!r} lacks a number: write {CLOCK_FORMS}") from None
    if not low <= number <= _LATEST_MS:
        raise InvalidInputError(f"clock {text!r}: {argument} is out of range, write {CLOCK_FORMS}")
    return number
