"""What a venue's clock may say, and how far ours is from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from include.market.errors import ContractError, InvalidInputError
from include.market.printable import printable

EARLIEST_MS: Final = 10**12
LATEST_MS: Final = 10**13
"""2001 and 2286: seconds lie below, microseconds above."""

ASKS: Final = 3
"""Times a clock is read: the quickest answer bounds it best."""
SERVER_STEP_MS: Final = 1.0
"""Venues state whole milliseconds."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A venue's clock against ours: it is ``offset_ms`` ahead, give or take ``bound_ms``.

    ``server_time_ms`` is what it said, epoch milliseconds. It was read at some instant between
    asking and answer, so half of that time, and the step of the clock itself, is all that can be
    wrong (Cristian's algorithm, 1989).
    """

    server_time_ms: int
    offset_ms: float
    bound_ms: float

    def is_beyond(self, tolerance_ms: float) -> bool:
        """Tell whether the clocks certainly differ by more than ``tolerance_ms``."""
        return abs(self.offset_ms) - self.bound_ms > tolerance_ms


def require_epoch_ms(instant: object, where: str) -> int:
    """Return a venue's time if it is epoch milliseconds.

    What is final, and how far to ask, hangs on it: a unit too small would ask for the far future.

    Raises:
        ContractError: another type or unit.
    """
    if type(instant) is not int or not EARLIEST_MS <= instant < LATEST_MS:
        raise ContractError(
            f"{where}: expected the time in epoch milliseconds, was "
            f"'{printable(repr(instant), 80)}'; has the venue changed its format?"
        )
    return instant


def read_clock(
    ask: Callable[[], int],
    *,
    asks: int = ASKS,
    wall_s: Callable[[], float] = time.time,
    passed_s: Callable[[], float] = time.monotonic,
) -> ClockReading:
    """Ask a venue for its time ``asks`` times and return the reading that is bounded best.

    Args:
        ask: returns the venue's clock, epoch milliseconds; whatever it raises is raised.
        asks: at least one.
        wall_s: our clock, epoch seconds.
        passed_s: a clock that nobody sets, to tell how long an answer took.
    """
    if asks < 1:
        raise InvalidInputError(f"reading a clock: expected at least one try, was {asks}")
    readings = [_read_once(ask, wall_s, passed_s) for _ in range(asks)]
    return min(readings, key=lambda reading: reading.bound_ms)


def _read_once(
    ask: Callable[[], int], wall_s: Callable[[], float], passed_s: Callable[[], float]
) -> ClockReading:
    # The local instant is derived from one reading and the time passed: were our clock set in
    # between, two readings of it would be of two clocks.
    sent_ms, began_s = wall_s() * 1000, passed_s()
    server_time_ms = ask()
    half_ms = (passed_s() - began_s) * 1000 / 2
    offset_ms = server_time_ms + SERVER_STEP_MS / 2 - (sent_ms + half_ms)
    return ClockReading(server_time_ms, offset_ms, half_ms + SERVER_STEP_MS / 2)
