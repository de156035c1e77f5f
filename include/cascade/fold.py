"""Fold runs of children into one value each: extremes, exact sums, counts.

Two ways to the same bits: numpy for the few candles of a live minute, machine code for history,
where loading the compiler's library pays.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from include.cascade.exact_sum import FloatArray, sum_columns
from include.market.candle import ABSENT_COUNT, VOLUME_COLUMNS

IntArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Columns: TypeAlias = dict[str, FloatArray | IntArray]
BULK_CHILDREN = 50_000


def fold_runs(values: Mapping[str, FloatArray], counts: IntArray, first: IntArray) -> Columns:
    """Return high, low, the volumes and trade_count of every run of children.

    Run ``i`` is ``[first[i], first[i + 1])``, the last one to the end. A NaN in a volume, or
    ``ABSENT_COUNT`` in ``counts``, makes that value of its run absent in the same way.

    Raises:
        OverflowError: a sum exceeds the range of a double.
    """
    if len(counts) < BULK_CHILDREN:
        return fold_few(values, counts, first)
    return fold_many(values, counts, first)


def fold_few(values: Mapping[str, FloatArray], counts: IntArray, first: IntArray) -> Columns:
    """Fold with numpy, by one padded column per run."""
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


def fold_many(values: Mapping[str, FloatArray], counts: IntArray, first: IntArray) -> Columns:
    """Fold in machine code, one pass a column; each core takes a share of the runs."""
    from include.cascade.fold_kernel import find_extremes, sum_counts, sum_runs

    width = len(first)
    floats = {name: np.empty(width) for name in ("high", "low", *VOLUME_COLUMNS)}
    totals = np.empty(width, dtype=np.int64)
    inexact = {name: np.empty(width, dtype=np.bool_) for name in VOLUME_COLUMNS}

    def fold(begin: int, stop: int) -> None:
        high, low = values["high"], values["low"]
        find_extremes(high, low, first, begin, stop, floats["high"], floats["low"])
        sum_counts(counts, first, begin, stop, ABSENT_COUNT, totals)
        for name in VOLUME_COLUMNS:
            sum_runs(values[name], first, begin, stop, floats[name], inexact[name])

    shares = os.cpu_count() or 1
    edges = [width * share // shares for share in range(shares + 1)]
    with ThreadPoolExecutor(max_workers=shares) as threads:
        # A list, so that an error of a thread is raised.
        list(threads.map(fold, edges[:-1], edges[1:]))
    for name, unsure in inexact.items():
        for run in np.flatnonzero(unsure).tolist():
            end = first[run + 1] if run + 1 < width else len(counts)
            floats[name][run] = math.fsum(values[name][first[run] : end].tolist())
    return {**floats, "trade_count": totals}


def join_flags(flags: IntArray, first: IntArray) -> IntArray:
    """Return the flags that any candle of every run has."""
    if not flags.any():
        return np.zeros(len(first), dtype=np.int64)
    return np.bitwise_or.reduceat(flags, first)
