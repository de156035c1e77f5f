"""The roll-up's loops in machine code, for long runs of candles.

Compiled without any licence to reorder sums: what is exact in the source is exact in the code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

Floats: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
Places: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
_RANGE = 2.0**40
_MOST_TERMS = 8192
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _compiled(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(nogil=True, cache=True)(function))


@_compiled
def cut_runs(
    owners: Places, opens: Places, length: int, anchor: int, first: Places, buckets: Places
) -> int:
    """Fill in where each bucket's run of sorted candles starts, and when; return their number.

    Buckets of ``length`` begin at ``anchor`` and every ``length`` before and after it; all three in
    the unit of ``opens``. ``first`` and ``buckets`` have room for one run per candle.
    """
    runs = 0
    owner, end = np.int64(0), np.int64(0)
    for place in range(len(opens)):
        if place == 0 or opens[place] >= end or owners[place] != owner:
            owner = owners[place]
            # Only now, for a division takes longer than all the rest.
            bucket = opens[place] - (opens[place] - anchor) % length
            end = bucket + length
            first[runs] = place
            buckets[runs] = bucket
            runs += 1
    return runs


@_compiled
def sum_runs(
    values: Floats, first: Places, begin: int, stop: int, sums: Floats, inexact: Flags
) -> None:
    """Fill in the sums of the runs [begin, stop), each up to where the next one starts.

    The first of the two error-free additions of ``exact_sum``, and in place of the second a bound:
    what rounding loses are whole multiples of the last bit of the smallest term, and each at most
    half the last bit of the total. While no term is negative and the total is less than ``_RANGE``
    times the smallest one, the sum of ``_MOST_TERMS`` such losses has room in a double, so it is
    exact as well. ``inexact`` marks the runs it does not hold for, those beyond the doubles among
    them. A run with a NaN has the sum NaN.
    """
    for run in range(begin, stop):
        end = first[run + 1] if run + 1 < len(first) else len(values)
        total = losses = 0.0
        smallest = np.inf
        for place in range(first[run], end):
            value = values[place]
            new_total = total + value
            part = new_total - total
            losses += (total - (new_total - part)) + (value - part)
            total = new_total
            smallest = min(smallest, value if value != 0.0 else np.inf)
        sums[run] = total + losses
        inexact[run] = False
        if end - first[run] > _MOST_TERMS or not total < smallest * _RANGE:
            absent, zeros = False, True
            for place in range(first[run], end):
                absent |= np.isnan(values[place])
                zeros &= values[place] == 0.0
            if absent:
                sums[run] = np.nan
            inexact[run] = not absent and not zeros


@_compiled
def find_extremes(
    high: Floats, low: Floats, first: Places, begin: int, stop: int, highs: Floats, lows: Floats
) -> None:
    """Fill in the highest of ``high`` and the lowest of ``low`` of the runs [begin, stop)."""
    for run in range(begin, stop):
        end = first[run + 1] if run + 1 < len(first) else len(high)
        highest, lowest = high[first[run]], low[first[run]]
        for place in range(first[run] + 1, end):
            highest = max(highest, high[place])
            lowest = min(lowest, low[place])
        highs[run], lows[run] = highest, lowest


@_compiled
def sum_counts(
    counts: Places, first: Places, begin: int, stop: int, absent: int, sums: Places
) -> None:
    """Fill in the sums of the runs [begin, stop) of counts, ``absent`` where one of them is."""
    for run in range(begin, stop):
        end = first[run + 1] if run + 1 < len(first) else len(counts)
        total, lacking = 0, False
        for place in range(first[run], end):
            total += counts[place]
            lacking |= counts[place] == absent
        sums[run] = absent if lacking else total
