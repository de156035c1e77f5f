"""Fold history in machine code, on all cores: the same bits as candle by candle."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.cascade.exact_sum import FloatArray
from include.cascade.fold import IntArray
from include.cascade.series import SeriesCandles
from include.market.candle import (
    ABSENT_COUNT,
    FLOAT_COLUMNS,
    PARTIAL,
    VOLUME_COLUMNS,
)
from include.market.timeframe import Timeframe


def fold_history(children: SeriesCandles, source: Timeframe, target: Timeframe) -> SeriesCandles:
    """Return the coarse candles of ``target``, which is no calendar month.

    Args:
        children: on the grid of ``source``, each once, finite where not absent.
        source: their timeframe.
        target: a coarser timeframe that ``source`` fills exactly.

    Raises:
        OverflowError: a sum exceeds the range of a double.
    """
    from include.cascade import fold_kernel

    grid = target.length_ms * 1000, target.anchor_ms * 1000, source.length_ms * 1000
    size = target.length_ms // source.length_ms
    owners, opens_us = _plain(children.owners), _plain(children.open_us)
    cells = {name: _plain(column) for name, column in children.cells.items()}
    most = len(children) // fold_kernel.LEAST + 2
    laid = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.bool_)
    blocks = fold_kernel.lay_blocks(owners, opens_us, grid, laid)
    folded = _room(int(laid[1][blocks]), size)
    present, found = folded.cells["children_present"], folded.cells
    inexact = {name: np.empty(len(folded), np.bool_) for name in VOLUME_COLUMNS}

    def fold(begin: int, stop: int) -> None:
        share, signs = (laid, begin, stop), (ABSENT_COUNT, PARTIAL)
        own = folded.owners, folded.open_us, present
        fold_kernel.write_keys(owners, opens_us, grid, *share, *own)
        first, last, highest, lowest = (found[name] for name in ("open", "close", "high", "low"))
        fold_kernel.take_ends(cells["open"], cells["close"], *share, present, first, last)
        high, low = cells["high"], cells["low"]
        fold_kernel.find_extremes(high, low, size, *share, present, highest, lowest)
        for name, unsure in inexact.items():
            fold_kernel.sum_runs(cells[name], size, *share, present, found[name], unsure)
        counts, flags = cells["trade_count"], cells["flags"]
        joined = found["trade_count"], found["flags"]
        fold_kernel.join_counts(counts, flags, signs, size, *share, present, *joined)

    _share_out(fold, blocks)
    for name, unsure in inexact.items():
        _sum_again(cells[name], found[name], np.flatnonzero(unsure), present)
    return folded


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """Return the column as machine code takes it, as it is if it can be."""
    return np.require(column, requirements=("C", "ALIGNED"))


def _room(count: int, size: int) -> SeriesCandles:
    """Return coarse candles to be filled in, of ``size`` children each where none is absent."""
    # Columns on their own: the allocator keeps those of the last call for the next.
    cells: dict[str, NDArray[Any]] = {name: np.empty(count) for name in FLOAT_COLUMNS}
    for name in ("trade_count", "flags", "children_present"):
        cells[name] = np.empty(count, np.int64)
    cells["children_expected"] = np.full(count, size, np.int64)
    return SeriesCandles(np.empty(count, np.int64), np.empty(count, np.int64), cells)


def _share_out(fold: Callable[[int, int], None], blocks: int) -> None:
    """Give each core its share of the blocks."""
    shares = os.cpu_count() or 1
    edges = [blocks * share // shares for share in range(shares + 1)]
    with ThreadPoolExecutor(max_workers=shares) as threads:
        # A list, so that an error of a thread is raised.
        list(threads.map(fold, edges[:-1], edges[1:]))


def _sum_again(terms: FloatArray, sums: FloatArray, runs: IntArray, sizes: IntArray) -> None:
    if len(runs):
        ends = np.cumsum(sizes)
        for run in runs.tolist():
            sums[run] = math.fsum(terms[ends[run] - sizes[run] : ends[run]].tolist())
