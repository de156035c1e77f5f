"""The roll-up's loops in machine code, for long runs of candles.

Compiled without any licence to reorder sums: what is exact in the source is exact in the code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba import types

Floats: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
Places: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Marks: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])

BLOCK: Final = 4096
"""Most children of a block: its columns, one after another, pass through the nearest cache."""
LEAST: Final = 512
"""Children looked at one by one, before a block without holes is hoped for again."""
_RANGE = 2.0**40
_MOST_TERMS = 8192

# What is read may lie in memory that nobody may write, such as a message of the database.
_READ_INTS = types.Array(types.int64, 1, "C", readonly=True)
_READ_FLOATS = types.Array(types.float64, 1, "C", readonly=True)
_INTS, _FLOATS, _MARKS = types.int64[::1], types.float64[::1], types.boolean[::1]
_GRID = types.UniTuple(types.int64, 3)
_LAID = types.Tuple((_INTS, _INTS, _MARKS))


def _compiled(signature: Any) -> Callable[[Kernel], Kernel]:
    # With its one signature given, no caller waits for another to be compiled.
    def compile_it(function: Kernel) -> Kernel:
        return cast(Kernel, numba.njit(signature, nogil=True, cache=True)(function))

    return compile_it


def _inlined(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(nogil=True)(function))


@_inlined
def _lacks_none(owners: Places, opens: Places, place: int, count: int, child: int) -> bool:
    last = place + count - 1
    return (
        last < len(opens)
        and owners[last] == owners[place]
        and opens[last] - opens[place] == (count - 1) * child
    )


@_inlined
def _end_of_run(owners: Places, opens: Places, place: int, end: int) -> int:
    behind = place + 1
    while behind < len(opens) and opens[behind] < end and owners[behind] == owners[place]:
        behind += 1
    return behind


@_compiled(types.int64(_READ_INTS, _READ_INTS, _GRID, _LAID))
def lay_blocks(
    owners: Places, opens: Places, grid: tuple[int, int, int], laid: tuple[Places, Places, Marks]
) -> int:
    """Divide sorted candles into blocks of whole runs, one run per bucket; return their number.

    One that is ``whole`` belongs to one owner, begins a bucket, and lacks no candle: this is known
    from its first and its last candle, for candles keep to their grid and none comes twice.

    Args:
        owners: whose candle each one is; the candles of an owner stand together.
        opens: when they open, ascending for each owner.
        grid: length of a bucket, where one begins, length of a candle, in the unit of ``opens``.
        laid: filled in, with room for a block per ``LEAST`` candles and two more: block ``b`` has
            the candles ``[starts[b], starts[b + 1])`` and the runs ``[runs[b], runs[b + 1])``, and
            is ``whole`` or not.
    """
    length, anchor, child = grid
    starts, runs, whole = laid
    size = length // child
    blocks = run = place = 0
    while place < len(opens):
        starts[blocks], runs[blocks] = place, run
        taken = 0
        if (opens[place] - anchor) % length == 0:
            taken = BLOCK // size * size
            while taken >= LEAST and not _lacks_none(owners, opens, place, taken, child):
                taken = taken // 8 // size * size
        whole[blocks] = taken >= LEAST
        if whole[blocks]:
            place += taken
            run += taken // size
        begun = place
        while not whole[blocks] and place < len(opens) and place - begun < LEAST:
            # One division a run, for it takes longer than all the rest.
            end = opens[place] - (opens[place] - anchor) % length + length
            place = _end_of_run(owners, opens, place, end)
            run += 1
        blocks += 1
    starts[blocks], runs[blocks] = place, run
    return blocks


@_compiled(
    types.void(_READ_INTS, _READ_INTS, _GRID, _LAID, types.int64, types.int64, _INTS, _INTS, _INTS)
)
def write_keys(
    owners: Places,
    opens: Places,
    grid: tuple[int, int, int],
    laid: tuple[Places, Places, Marks],
    begin: int,
    stop: int,
    run_owners: Places,
    buckets: Places,
    sizes: Places,
) -> None:
    """Fill in whose each run is, when its bucket opens and how many candles it has."""
    length, anchor, child = grid
    starts, runs, whole = laid
    for block in range(begin, stop):
        place, first, behind = starts[block], runs[block], runs[block + 1]
        if whole[block]:
            for run in range(behind - first):
                buckets[first + run] = opens[place] + run * length
            run_owners[first:behind] = owners[place]
            sizes[first:behind] = length // child
        else:
            for run in range(first, behind):
                buckets[run] = opens[place] - (opens[place] - anchor) % length
                end = _end_of_run(owners, opens, place, buckets[run] + length)
                run_owners[run], sizes[run] = owners[place], end - place
                place = end


@_compiled(
    types.void(
        _READ_FLOATS, _READ_FLOATS, _LAID, types.int64, types.int64,
        _INTS, _FLOATS, _FLOATS,
    )
)  # fmt: skip
def take_ends(
    opened: Floats,
    close: Floats,
    laid: tuple[Places, Places, Marks],
    begin: int,
    stop: int,
    sizes: Places,
    opens: Floats,
    closes: Floats,
) -> None:
    """Fill in the first of ``opened`` and the last of ``close`` of each run."""
    place = laid[0][begin]
    for run in range(laid[1][begin], laid[1][stop]):
        opens[run] = opened[place]
        place += sizes[run]
        closes[run] = close[place - 1]


@_inlined
def _extremes(high: Floats, low: Floats, begin: int, size: int) -> tuple[float, float]:
    highest, lowest = high[begin], low[begin]
    for one in range(1, size):
        place = np.uint64(begin + one)
        highest = max(highest, high[place])
        lowest = min(lowest, low[place])
    return highest, lowest


@_compiled(
    types.void(
        _READ_FLOATS, _READ_FLOATS, types.int64, _LAID, types.int64, types.int64,
        _INTS, _FLOATS, _FLOATS,
    )
)  # fmt: skip
def find_extremes(
    high: Floats,
    low: Floats,
    size: int,
    laid: tuple[Places, Places, Marks],
    begin: int,
    stop: int,
    sizes: Places,
    highs: Floats,
    lows: Floats,
) -> None:
    """Fill in the highest of ``high`` and the lowest of ``low`` of each run."""
    starts, runs, whole = laid
    for block in range(begin, stop):
        place, first, behind = starts[block], runs[block], runs[block + 1]
        if not whole[block]:
            for run in range(first, behind):
                highs[run], lows[run] = _extremes(high, low, place, sizes[run])
                place += sizes[run]
            continue
        above, below = high[place : starts[block + 1]], low[place : starts[block + 1]]
        upper, lower = highs[first:behind], lows[first:behind]
        # A length that is known beforehand makes the loop several times as fast.
        if size == 5:
            for run in range(behind - first):
                upper[run], lower[run] = _extremes(above, below, run * 5, 5)
        else:
            for run in range(behind - first):
                upper[run], lower[run] = _extremes(above, below, run * size, size)


@_inlined
def _sum(terms: Floats, begin: int, size: int) -> tuple[float, bool]:
    total = losses = 0.0
    smallest = np.inf
    for one in range(size):
        value = terms[np.uint64(begin + one)]
        new_total = total + value
        part = new_total - total
        losses += (total - (new_total - part)) + (value - part)
        total = new_total
        smallest = min(smallest, value if value != 0.0 else np.inf)
    return total + losses, total >= smallest * _RANGE or size > _MOST_TERMS


@_compiled(
    types.void(_READ_FLOATS, types.int64, _LAID, types.int64, types.int64, _INTS, _FLOATS, _MARKS)
)
def sum_runs(
    values: Floats,
    size: int,
    laid: tuple[Places, Places, Marks],
    begin: int,
    stop: int,
    sizes: Places,
    sums: Floats,
    inexact: Marks,
) -> None:
    """Fill in the sum of each run.

    The first of the two error-free additions of ``exact_sum``, and in place of the second a bound:
    what rounding loses are whole multiples of the last bit of the smallest term, and each at most
    half the last bit of the total. While no term is negative and the total is less than ``_RANGE``
    times the smallest one, the sum of ``_MOST_TERMS`` such losses has room in a double, so it is
    exact as well. ``inexact`` marks the runs it does not hold for, those beyond the doubles among
    them. A run with a NaN has the sum NaN.
    """
    starts, runs, whole = laid
    for block in range(begin, stop):
        place, first, behind = starts[block], runs[block], runs[block + 1]
        if not whole[block]:
            for run in range(first, behind):
                sums[run], inexact[run] = _sum(values, place, sizes[run])
                place += sizes[run]
            continue
        terms = values[place : starts[block + 1]]
        totals, unsure = sums[first:behind], inexact[first:behind]
        if size == 5:
            for run in range(behind - first):
                totals[run], unsure[run] = _sum(terms, run * 5, 5)
        elif size == 6:
            for run in range(behind - first):
                totals[run], unsure[run] = _sum(terms, run * 6, 6)
        else:
            for run in range(behind - first):
                totals[run], unsure[run] = _sum(terms, run * size, size)


@_inlined
def _join(counts: Places, flags: Places, absent: int, begin: int, size: int) -> tuple[int, int]:
    total, own, lacking = 0, 0, False
    for one in range(size):
        place = np.uint64(begin + one)
        total += counts[place]
        lacking |= counts[place] == absent
        own |= flags[place]
    return absent if lacking else total, own


@_compiled(
    types.void(
        _READ_INTS, _READ_INTS, types.UniTuple(types.int64, 2),
        types.int64, _LAID, types.int64, types.int64, _INTS, _INTS, _INTS,
    )
)  # fmt: skip
def join_counts(
    counts: Places,
    flags: Places,
    signs: tuple[int, int],
    size: int,
    laid: tuple[Places, Places, Marks],
    begin: int,
    stop: int,
    sizes: Places,
    sums: Places,
    joined: Places,
) -> None:
    """Fill in the sum of the counts of each run, and the flags that any of its candles has.

    ``signs`` are the count that says absent, of one and of all, and the flag of a run that lacks
    candles.
    """
    starts, runs, whole = laid
    absent, partial = signs
    for block in range(begin, stop):
        place, first, behind = starts[block], runs[block], runs[block + 1]
        if not whole[block]:
            for run in range(first, behind):
                sums[run], own = _join(counts, flags, absent, place, sizes[run])
                joined[run] = own | partial if sizes[run] < size else own
                place += sizes[run]
            continue
        numbers, marks = counts[place : starts[block + 1]], flags[place : starts[block + 1]]
        totals, own_marks = sums[first:behind], joined[first:behind]
        if size == 5:
            for run in range(behind - first):
                totals[run], own_marks[run] = _join(numbers, marks, absent, run * 5, 5)
        else:
            for run in range(behind - first):
                totals[run], own_marks[run] = _join(numbers, marks, absent, run * size, size)
