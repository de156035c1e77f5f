"""Cut a series into straight trends: cost, penalty and exact search, apart from each other.

Indices are half-open: a segment ``(start, end)`` holds the values ``start .. end - 1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.noise import Array, clip_spikes, long_run_scale
from include.channels.segmentation_kernel import cut_lines
from include.market.errors import InvalidInputError

MIN_SEGMENT = 3
"""A line through two points has no residual, so three values are the shortest segment."""
PARAMETERS_PER_SEGMENT = 3
"""Intercept, slope and the place of the break."""
SCALE_FLOOR = 1e-6
"""Smallest noise, as a share of the range of the values: below it float rounding would speak."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The best cut of a series.

    ``bounds`` are half-open and adjacent. ``noise_scale`` is the long-run standard deviation used
    (units of the values), ``penalty`` what one segment costs in units of squared noise scale,
    ``objective`` the sum of residual squares over noise scale squared plus all penalties.
    """

    bounds: tuple[tuple[int, int], ...]
    noise_scale: float
    penalty: float
    objective: float


def bic_penalty(count: int) -> float:
    """Return the price of one segment, in units of noise variance, for ``count`` values.

    Schwarz's criterion for breaks (Yao 1988): three parameters times ln(count).
    """
    return PARAMETERS_PER_SEGMENT * float(np.log(max(count, 2)))


def segment_lines(
    values: Array, *, min_length: int, times: Array | None = None, penalty: float | None = None
) -> Segmentation:
    """Find the piecewise-linear cut of least penalised squared error, exactly.

    ``times`` (default 0, 1, 2, ...) are the places of the values, strictly increasing, so that
    missing candles stay missing; lines need not join at a break. Spikes are clipped and the
    noise scale taken by ``include.channels.noise``; ``penalty`` defaults to ``bic_penalty``.
    Fewer than ``2 * min_length`` values are one segment.

    Raises:
        InvalidInputError: no values, a NaN or infinity, unequal lengths, times not strictly
            increasing, a negative penalty, or ``min_length`` below 3.
    """
    places = np.arange(len(values), dtype=np.float64) if times is None else times
    _refuse_bad_series(values, places, min_length)
    price = bic_penalty(len(values)) if penalty is None else penalty
    if not price >= 0:
        raise InvalidInputError(f"penalty {price} is negative: use 0 or more")
    clean = clip_spikes(values)
    scale = max(long_run_scale(clean), SCALE_FLOOR * float(np.ptp(clean)))
    if scale == 0.0 or len(values) < 2 * min_length:
        return Segmentation(((0, len(values)),), scale, price, price)
    bounds, objective = cut_optimally(clean / scale, places, min_length, price)
    return Segmentation(bounds, scale, price, objective)


def cut_optimally(
    values: Array, times: Array, min_length: int, penalty: float
) -> tuple[tuple[tuple[int, int], ...], float]:
    """Return the segments of least sum of squared residuals and penalties, and that sum.

    ``values`` and ``times`` are as long, at least ``min_length``; see ``segmentation_kernel``.
    """
    count = len(values)
    best, previous = np.empty(count + 1), np.zeros(count + 1, dtype=np.int64)
    # From the first value on, so that a level far from zero costs no digits.
    cut_lines(times - times[0], values - values[0], min_length, penalty, best, previous)
    return _trace_back(previous, count), float(best[count])


def _trace_back(previous: NDArray[np.int64], count: int) -> tuple[tuple[int, int], ...]:
    bounds: list[tuple[int, int]] = []
    end = count
    while end > 0:
        start = int(previous[end])
        bounds.append((start, end))
        end = start
    return tuple(reversed(bounds))


def _refuse_bad_series(values: Array, times: Array, min_length: int) -> None:
    if min_length < MIN_SEGMENT:
        raise InvalidInputError(
            f"shortest segment was {min_length} values: a line with a residual needs {MIN_SEGMENT}"
        )
    if len(values) == 0:
        raise InvalidInputError("expected a series with values, was empty: load candles first")
    if len(times) != len(values):
        raise InvalidInputError(f"expected one time per value, was {len(times)} for {len(values)}")
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InvalidInputError(
            f"value {place} of the series is {values[place]}: drop it or repair the candle first"
        )
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InvalidInputError("times of the series do not strictly increase: sort and dedupe")
