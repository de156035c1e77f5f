"""Cut a series where its level or its scatter changes: other costs for the same exact search.

``segment_levels`` is to means and variances what ``segment_lines`` is to straight trends.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from include.channels.noise import Array, clip_spikes
from include.channels.segment_costs_kernel import MEAN, MEAN_AND_SCALE, SCALE, cut_levels
from include.channels.segmentation import (
    Segmentation,
    measure_noise,
    refuse_bad_series,
    trace_back,
)
from include.market.errors import InvalidInputError

Change = Literal["mean", "scale", "mean and scale"]
KINDS: Final = {"mean": MEAN, "scale": SCALE, "mean and scale": MEAN_AND_SCALE}
PARAMETERS: Final = {"mean": 2, "scale": 2, "mean and scale": 3}
"""What a segment is charged for: its place, and its mean or variance or both."""
VARIANCE_FLOOR = 1e-8
"""Least variance of a segment, as a share of that of the series: a halt has none."""


def segment_levels(
    values: Array, *, change: Change, min_length: int, penalty: float | None = None
) -> Segmentation:
    """Find the cut of least penalised minus twice log likelihood of normal segments, exactly.

    ``change`` is what differs between segments: the mean under common noise; the scatter around
    zero, as of returns; or both. For the mean, spikes are clipped and the noise scale allows for
    serial correlation as in ``segment_lines``. The other two take values as independent, which
    makes them cut too often where they are not; ``noise_scale`` then is the root mean square,
    around the mean where that may change. ``penalty`` defaults to the parameters of a segment times
    ln(count). A segment's variance is at least 1e-8 of the series'.

    Raises:
        InvalidInputError: an unknown change, or a series or penalty that ``segment_lines`` refuses.
    """
    if change not in KINDS:
        raise InvalidInputError(f"change was {change!r}: use one of {', '.join(KINDS)}")
    refuse_bad_series(values, np.arange(len(values), dtype=np.float64), min_length)
    price = PARAMETERS[change] * float(np.log(max(len(values), 2))) if penalty is None else penalty
    if not price >= 0:
        raise InvalidInputError(f"penalty {price} is negative: use 0 or more")
    clean = clip_spikes(values) if change == "mean" else values
    scale = _scale_of(clean, change)
    if scale == 0.0 or len(values) < 2 * min_length:
        return Segmentation(((0, len(values)),), scale, price, price)
    centre = 0.0 if change == "scale" else float(clean.mean())
    count = len(values)
    best, previous = np.empty(count + 1), np.zeros(count + 1, dtype=np.int64)
    cut_levels(
        (clean - centre) / scale, KINDS[change], VARIANCE_FLOOR, min_length, price, best, previous
    )
    return Segmentation(trace_back(previous), scale, price, float(best[count]))


def _scale_of(values: Array, change: Change) -> float:
    if change == "mean":
        return measure_noise(values)
    centre = 0.0 if change == "scale" else float(values.mean())
    return float(np.sqrt(np.mean((values - centre) ** 2)))
