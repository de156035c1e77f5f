"""Cut a series into straight trends: cost, penalty and exact search, apart from each other.

Indices are half-open: a segment ``(start, end)`` holds the values ``start .. end - 1``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.noise import Array, clip_spikes, long_run_scale
from include.channels.segmentation_search import LineSearch
from include.market.errors import InvalidInputError

MIN_SEGMENT = 3
"""A line through two points has no residual, so three values are the shortest segment."""
PARAMETERS_PER_SEGMENT = 3
"""Intercept, slope and the place of the break."""
MBIC_PER_LOG_LENGTH = 1.0
"""Modified BIC (Zhang and Siegmund, Biometrics 63, 2007): on top of BIC each change pays ln(count)
and each segment ln(length / count), so with ``bic_penalty`` a segment pays ln(length) more."""
LIKELY_SHARE = 2 / PARAMETERS_PER_SEGMENT
"""What a segment costs that starts where a break is likely: the place is not paid for."""
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
    values: Array,
    *,
    min_length: int,
    times: Array | None = None,
    penalty: float | None = None,
    likely_breaks: Sequence[int] | NDArray[np.integer] = (),
    likely_price: float | None = None,
    per_log_length: float = 0.0,
) -> Segmentation:
    """Find the piecewise-linear cut of least penalised squared error, exactly.

    ``times`` (default 0, 1, 2, ...) are the places of the values, strictly increasing, so that
    missing candles stay missing; lines need not join at a break. Spikes are clipped and the
    noise scale taken by ``include.channels.noise``; ``penalty`` defaults to ``bic_penalty``.
    Fewer than ``2 * min_length`` values are one segment.

    ``likely_breaks`` are indices where a new segment may well start, such as the breaks of a
    coarser timeframe. A segment that starts there costs ``likely_price`` in place of ``penalty``;
    by default two thirds of it, since the place of a break that is known need not be paid for.
    ``per_log_length`` times the logarithm of its length is added to every segment's price; 1 gives
    ``mBIC``, see ``MBIC_PER_LOG_LENGTH``.

    Raises:
        InvalidInputError: no values, a NaN or infinity, unequal lengths, times not strictly
            increasing, a negative penalty, ``min_length`` below 3, a likely break outside the
            series, a likely price above the penalty or below 0, or ``per_log_length`` below 0.
    """
    places = np.arange(len(values), dtype=np.float64) if times is None else times
    refuse_bad_series(values, places, min_length)
    price = bic_penalty(len(values)) if penalty is None else penalty
    if not price >= 0:
        raise InvalidInputError(f"penalty {price} is negative: use 0 or more")
    if not per_log_length >= 0:
        raise InvalidInputError(f"per_log_length {per_log_length} is negative: use 0 or more")
    prices = price_starts(len(values), price, likely_breaks, likely_price)
    clean = clip_spikes(values)
    scale = measure_noise(clean)
    if scale == 0.0 or len(values) < 2 * min_length:
        whole = price + per_log_length * float(np.log(len(values)))
        return Segmentation(((0, len(values)),), scale, price, whole)
    bounds, objective = cut_optimally(clean / scale, places, min_length, prices, per_log_length)
    return Segmentation(bounds, scale, price, objective)


def measure_noise(clean: Array) -> float:
    """Return the noise scale of values without spikes, in their units; 0 for a straight line."""
    return max(long_run_scale(clean), SCALE_FLOOR * float(np.ptp(clean)))


def price_starts(
    count: int,
    penalty: float,
    likely_breaks: Sequence[int] | NDArray[np.integer] = (),
    likely_price: float | None = None,
) -> Array:
    """Return what a segment costs that starts at each of ``count`` places, and at their end.

    Raises:
        InvalidInputError: as ``segment_lines`` about likely breaks.
    """
    lower = LIKELY_SHARE * penalty if likely_price is None else likely_price
    if not 0 <= lower <= penalty:
        raise InvalidInputError(
            f"likely_price was {lower}: use 0 up to the penalty, which is {penalty}"
        )
    prices = np.full(count + 1, float(penalty))
    for place in likely_breaks:
        if not 0 < place < count:
            raise InvalidInputError(
                f"likely break {place} is outside the series: use 1 ... {count - 1}"
            )
        prices[place] = lower
    return prices


def cut_optimally(
    values: Array,
    times: Array,
    min_length: int,
    price: float | Array,
    per_log_length: float = 0.0,
) -> tuple[tuple[tuple[int, int], ...], float]:
    """Return the segments of least sum of squared residuals and prices, and that sum.

    ``values`` and ``times`` are as long, at least ``min_length``. ``price`` is that of every
    segment, or of one that starts at each place and at the end (see ``price_starts``);
    ``per_log_length`` times the logarithm of a segment's length is added. See
    ``segmentation_kernel``.
    """
    best, previous = search_cuts(values, times, min_length, price, per_log_length)
    return trace_back(previous), float(best[-1])


def search_cuts(
    values: Array,
    times: Array,
    min_length: int,
    price: float | Array,
    per_log_length: float = 0.0,
) -> tuple[Array, NDArray[np.int64]]:
    """Return the least cost of cutting the first ``end`` values, and where the last segment starts.

    Both are for every ``end`` from 0 on; costs are infinite where no cut is. ``cut_optimally`` says
    what is passed. ``trace_back`` of the first ``end + 1`` places gives the cut of that past.
    """
    count = len(values)
    prices = price if isinstance(price, np.ndarray) else np.full(count + 1, float(price))
    # From the first value on, so that a level far from zero costs no digits.
    costs, starts, _ = LineSearch.fresh().look_ahead(
        times - times[0], values - values[0], prices, min_length, per_log_length
    )
    return costs, starts


def trace_back(previous: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Return the segments of the best cut; ``previous[end]`` is where its last segment starts."""
    bounds: list[tuple[int, int]] = []
    end = len(previous) - 1
    while end > 0:
        start = int(previous[end])
        bounds.append((start, end))
        end = start
    return tuple(reversed(bounds))


def refuse_bad_series(values: Array, times: Array, min_length: int) -> None:
    """Raise InvalidInputError about what ``segment_lines`` cannot cut."""
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
