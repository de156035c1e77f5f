"""Returns: natural logarithms of ratios of prices, in one unit."""

from __future__ import annotations

import numpy as np

from include.cascade.exact_sum import FloatArray


def log_ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    """Return ``ln(after / before)`` of each pair, NaN where either is.

    The logarithm of the ratio and not a difference of logarithms: the latter loses digits of what
    is small against the prices' own logarithms. The array handed to numpy is always contiguous,
    because its logarithm of scattered numbers may differ in the last bit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.ascontiguousarray(after / before)
        logarithm: FloatArray = np.log(ratio)
    return logarithm


def previous(values: FloatArray, places: int = 1) -> FloatArray:
    """Return what stood ``places`` before each value, NaN before the first."""
    moved = np.full(len(values), np.nan)
    moved[places:] = values[: max(0, len(values) - places)]
    return moved


def bars_since_present(present: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> FloatArray:
    """Return how many bars before each one the last earlier bar that is there stands; NaN for none.

    1.0 for a neighbour.
    """
    places = np.arange(len(present))
    last = np.maximum.accumulate(np.where(present, places, -1)) if len(present) else places
    earlier = np.concatenate([[-1], last[:-1]])[: len(present)]
    distance: FloatArray = np.where(earlier >= 0, places - earlier, np.nan)
    return distance
