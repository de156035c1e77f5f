"""Values over the last bars: each from its own bars alone, whatever lies beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from include.cascade.exact_sum import FloatArray, sum_columns


def window_sums(values: FloatArray, bars: int) -> FloatArray:
    """Return the exact sum of the last ``bars`` values up to each one; NaN counts for nothing.

    Values before the first are taken for absent.
    """
    return sum_columns(_last(np.nan_to_num(values), bars, 0.0))


def window_counts(known: np.ndarray[tuple[int], np.dtype[np.bool_]], bars: int) -> FloatArray:
    """Return how many of the last ``bars`` flags up to each one are true."""
    upto = np.cumsum(known, dtype=np.int64)
    upto[bars:] -= upto[:-bars].copy()
    return upto.astype(np.float64)


def window_products(values: FloatArray, bars: int) -> FloatArray:
    """Return the product of the last ``bars`` values, oldest first; NaN if one of them is."""
    return _run_down(np.multiply, _last(values, bars, 1.0))


def window_highest(values: FloatArray, bars: int) -> FloatArray:
    """Return the highest of the last ``bars`` values up to each one, NaN passed over."""
    return _run_down(np.fmax, _last(values, bars, np.nan))


def window_lowest(values: FloatArray, bars: int) -> FloatArray:
    """Return the lowest of the last ``bars`` values up to each one, NaN passed over."""
    return _run_down(np.fmin, _last(values, bars, np.nan))


def _last(values: FloatArray, bars: int, before: float) -> np.ndarray[tuple[int, int], Any]:
    """Return one row per place in the window, oldest first, and one column per value."""
    padded = np.concatenate([np.full(bars - 1, before), values])
    # A view: no row is copied.
    return np.lib.stride_tricks.sliding_window_view(padded, len(values))


def _run_down(
    join: Callable[[FloatArray, FloatArray], FloatArray], rows: np.ndarray[tuple[int, int], Any]
) -> FloatArray:
    joined: FloatArray = rows[0].copy()
    for row in rows[1:]:
        joined = join(joined, row)
    return joined
