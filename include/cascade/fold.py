"""Fold runs of few children into one value each with numpy: extremes, exact sums, counts.

The same bits come from ``bulk_fold`` for history, where loading the compiler's library pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from include.cascade.exact_sum import FloatArray, sum_columns
from include.market.candle import ABSENT_COUNT, VOLUME_COLUMNS

IntArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Columns: TypeAlias = dict[str, FloatArray | IntArray]
BULK_CHILDREN = 50_000
"""Children from which on machine code is worth loading."""


def fold_few(values: Mapping[str, FloatArray], counts: IntArray, first: IntArray) -> Columns:
    """Return high, low, the volumes and trade_count of every run of children.

    Run ``i`` is ``[first[i], first[i + 1])``, the last one to the end. A NaN in a volume, or
    ``ABSENT_COUNT`` in ``counts``, makes that value of its run absent in the same way.

    Raises:
        OverflowError: a sum exceeds the range of a double.
    """
    # One padded column per run.
    present = np.diff(first, append=len(counts))
    height, width = int(present.max()), len(first)
    run = np.repeat(np.arange(width), present)
    place = (np.arange(len(counts)) - first[run]) * width + run
    totals = np.add.reduceat(counts, first)
    totals[run[counts == ABSENT_COUNT]] = ABSENT_COUNT
    columns: Columns = {
        "high": np.maximum.reduceat(values["high"], first),
        "low": np.minimum.reduceat(values["low"], first),
        "trade_count": totals,
    }
    for name in VOLUME_COLUMNS:
        absent = np.flatnonzero(np.isnan(values[name]))
        # Zeros change no sum.
        terms = np.zeros(height * width)
        terms[place] = values[name]
        # A NaN would make its run's sum go the slow way, and tell nothing more.
        terms[place[absent]] = 0.0
        sums = sum_columns(terms.reshape(height, width))
        sums[run[absent]] = np.nan
        columns[name] = sums
    return columns


def join_flags(flags: IntArray, first: IntArray) -> IntArray:
    """Return the flags that any candle of every run has."""
    if not flags.any():
        return np.zeros(len(first), dtype=np.int64)
    return np.bitwise_or.reduceat(flags, first)
