"""How a coarser channel enters a finer one: its breaks, its slope, its width and the place in it.

A parent is what one coarser timeframe told of an instrument at an instant. Its child uses it three
ways. The parent's breaks are places where the child may break more cheaply. The child's lines tilt
towards the parent's slope. And they move towards the middle of the parent's band by a share of how
far the last close stands from it. How much of the last two, if any, the validation chooses, by
forecasts that were over before.

A line stands at open times, its values are closes. A parent's candle closes later after its opening
than a child's, so everything here is asked for by the instant of a close.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from include.channels.noise import Array
from include.market.errors import InvalidInputError
from include.market.span import to_ms
from include.market.timeframe import Timeframe

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ParentChannel:
    """A coarser timeframe's newest channel, as it was known at ``known_at``.

    ``breakpoint_times`` are the open times at which its segments begin, but for the first, rising.
    ``start_time`` is where the newest one begins; its least-squares line is ``intercept +
    slope_per_hour * hours since start_time``, its quantile lines likewise per tau (log price).
    ``state_id`` is what the warehouse calls it, None before it is stored.
    """

    timeframe: Timeframe
    known_at: datetime
    breakpoint_times: tuple[datetime, ...]
    start_time: datetime
    slope_per_hour: float
    intercept: float
    residual_scale: float
    taus: tuple[float, ...]
    intercepts: tuple[float, ...]
    slopes: tuple[float, ...]
    state_id: int | None = None

    def lines_at(self, close_ms: int) -> Array:
        """Return the parent's quantiles of a close at ``close_ms``, one per tau, ascending."""
        return np.asarray(self.bands_at(np.array([close_ms]))[0])

    def bands_at(self, close_ms: NDArray[np.int64]) -> Array:
        """Return ``lines_at`` many closes: a row per close, a column per tau."""
        hours = (close_ms - self.timeframe.length_ms - to_ms(self.start_time)) / HOUR_MS
        return np.asarray(np.sort(np.asarray(self.intercepts) + np.outer(hours, self.slopes)))

    def width_at(self, close_ms: int) -> float:
        """Return how far the outermost lines are apart at a close, in log price."""
        low, high = self._ends_at(close_ms)
        return high - low

    def position_of(self, value: float, close_ms: int) -> float:
        """Return where a close lies between the lowest line, 0, and the highest, 1; 0.5 if none."""
        low, high = self._ends_at(close_ms)
        return (value - low) / (high - low) if high > low else 0.5

    def _ends_at(self, close_ms: int) -> tuple[float, float]:
        # Asked for by hundreds: for five lines numpy costs thirty times as much.
        hours = (close_ms - self.timeframe.length_ms - to_ms(self.start_time)) / HOUR_MS
        lines = [
            first + slope * hours for first, slope in zip(self.intercepts, self.slopes, strict=True)
        ]
        return min(lines), max(lines)


def likely_breaks(
    parent: ParentChannel, open_ms: NDArray[np.int64], timeframe: Timeframe
) -> NDArray[np.int64]:
    """Return the indices into ``open_ms`` where a child's segment may begin with its parent's.

    A parent that breaks with a candle changed its course somewhere within it, so every child of
    that candle is likely. ``open_ms`` are the child's open times, rising.

    Raises:
        InvalidInputError: ``timeframe`` is not finer than the parent's.
    """
    if not timeframe.divides(parent.timeframe):
        raise InvalidInputError(
            f"{parent.timeframe.label} cannot be the parent of {timeframe.label}: "
            "choose a multiple of it"
        )
    marked = np.zeros(len(open_ms), dtype=bool)
    for instant in parent.breakpoint_times:
        start_ms = to_ms(instant)
        first, last = np.searchsorted(open_ms, (start_ms, start_ms + parent.timeframe.length_ms))
        marked[first:last] = True
    marked[:1] = False
    return np.flatnonzero(marked).astype(np.int64)


def likely_price(penalty: float, count: int, parent: ParentChannel, timeframe: Timeframe) -> float:
    """Return the price of a segment that begins at a likely break.

    A break pays for two parameters and for its place among ``count`` values; where the parent says
    in which of its candles, the place is one of that candle's children only.
    """
    children = parent.timeframe.length_ms // timeframe.length_ms
    known = np.log(max(children, 1)) / np.log(max(count, 2))
    return penalty * (2.0 + min(1.0, float(known))) / 3.0


def newest_known(parents: Sequence[ParentChannel], instant: datetime) -> ParentChannel | None:
    """Return the newest of ``parents`` that was known at ``instant``, None when none was."""
    known = [one for one in parents if one.known_at <= instant]
    return max(known, key=lambda one: one.known_at) if known else None


def apply_parent(slope: float, parent: ParentChannel, weight: float) -> float:
    """Return how much steeper per hour a child of ``slope`` gets: ``weight`` of the way to parent.

    Raises:
        InvalidInputError: ``weight`` is not a share, 0 to 1.
    """
    _require_share(weight)
    return weight * (parent.slope_per_hour - slope)


def apply_position(value: float, close_ms: int, parent: ParentChannel, weight: float) -> float:
    """Return how far a child's lines move towards the middle of the parent's band, in log price.

    ``value`` is the child's last log close, known at ``close_ms``. Beyond the band it counts as
    standing on its edge, so the move is at most ``weight`` times half the parent's width.

    Raises:
        InvalidInputError: ``weight`` is not a share, 0 to 1.
    """
    _require_share(weight)
    if weight == 0.0:
        return 0.0
    position = min(1.0, max(0.0, parent.position_of(value, close_ms)))
    return weight * (0.5 - position) * parent.width_at(close_ms)


def _require_share(weight: float) -> None:
    if not 0.0 <= weight <= 1.0:
        raise InvalidInputError(f"weight {weight} of a parent is no share: choose 0 to 1")
