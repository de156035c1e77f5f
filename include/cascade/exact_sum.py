"""Sums that do not depend on the order of their terms: exact, then rounded once."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

FloatArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
FloatRows: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def sum_columns(terms: FloatRows) -> FloatArray:
    """Return the sum of each column of ``terms``, as ``math.fsum`` gives it, to the bit.

    Two error-free additions (Knuth's TwoSum; Ogita, Rump, Oishi, "Accurate sum and dot product",
    SIAM J. Sci. Comput. 26, 2005) run down the rows: the first keeps what rounding the total
    lost, the second what summing these losses lost. Where the second lost nothing, total plus
    losses is the exact sum, and adding the two rounds it once, correctly. Elsewhere (terms more
    than some fifteen orders of magnitude apart) ``math.fsum`` does the column.

    Raises:
        OverflowError: a sum exceeds the range of a double.
    """
    total = np.zeros(terms.shape[1])
    losses = np.zeros(terms.shape[1])
    inexact = np.zeros(terms.shape[1], dtype=np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        for row in terms:
            total, lost = _add_exactly(total, row)
            losses, lost_again = _add_exactly(losses, lost)
            inexact |= lost_again != 0
        sums: FloatArray = total + losses
    for column in np.flatnonzero(inexact | ~np.isfinite(sums)):
        sums[column] = math.fsum(terms[:, column].tolist())
    return sums


def _add_exactly(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rounded sum and what rounding lost; the two add up to the exact sum."""
    total = left + right
    right_part = total - left
    return total, (left - (total - right_part)) + (right - right_part)
