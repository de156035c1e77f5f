"""Intervals of means over a series whose neighbours are alike."""

from __future__ import annotations

import numpy as np

from include.channels.noise import Array
from include.market.errors import InvalidInputError

DRAWS = 999


def block_length(count: int) -> int:
    """Return how many neighbours are drawn together: the order count^(1/3), at least 1."""
    return max(1, round(float(np.cbrt(count))))


def mean_intervals(
    series: Array, *, share: float = 0.95, length: int | None = None, seed: int = 0
) -> Array:
    """Return the interval, (columns, 2), of the mean of each column of ``series`` (time, columns).

    Blocks of ``length`` rows (default ``block_length``), the end joined to the beginning, are
    drawn anew until the series is full, ``DRAWS`` times; all columns of a row stay together. The
    percentiles of the means drawn hold the true mean with a chance of about ``share``. Rows with
    NaN in a column count for the other columns only. The same ``seed`` gives the same interval.

    Source: circular block bootstrap, Politis and Romano (1992).

    Raises:
        InvalidInputError: no rows, or ``share`` not between 0 and 1.
    """
    if len(series) == 0 or not 0 < share < 1:
        raise InvalidInputError(
            f"an interval needs values and a share between 0 and 1, had {len(series)} and {share}"
        )
    count = len(series)
    size = min(block_length(count) if length is None else length, count)
    starts = np.random.default_rng(seed).integers(count, size=(DRAWS, -(-count // size)))
    rows = (starts[:, :, None] + np.arange(size)).reshape(DRAWS, -1)[:, :count] % count
    # How often a row was drawn decides its mean: one product instead of gathering every draw.
    drawn = np.stack([np.bincount(each, minlength=count) for each in rows]).astype(np.float64)
    present = np.isfinite(series)
    totals = drawn @ np.where(present, series, 0.0)
    counts = drawn @ present.astype(np.float64)
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    tail = (1 - share) / 2
    return np.asarray(np.nanquantile(means, [tail, 1 - tail], axis=0).T)
