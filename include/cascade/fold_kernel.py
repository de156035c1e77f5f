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
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _compiled(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(nogil=True, cache=True)(function))


@_compiled
def sum_runs(values: Floats, first: Places, sums: Floats, inexact: Flags) -> None:
    """Fill in the sum of every run, each starting where ``first`` says and ending with the next.

    The two error-free additions of ``exact_sum``; ``inexact`` marks the runs they are not enough
    for, those beyond the doubles among them. A run with a NaN has the sum NaN.
    """
    for run in range(len(first)):
        end = first[run + 1] if run + 1 < len(first) else len(values)
        total = losses = 0.0
        lost_any = absent = False
        for place in range(first[run], end):
            value = values[place]
            absent |= np.isnan(value)
            new_total = total + value
            part = new_total - total
            lost = (total - (new_total - part)) + (value - part)
            total = new_total
            new_losses = losses + lost
            part = new_losses - losses
            lost_any |= (losses - (new_losses - part)) + (lost - part) != 0.0
            losses = new_losses
        sums[run] = np.nan if absent else total + losses
        inexact[run] = not absent and (lost_any or not np.isfinite(sums[run]))


@_compiled
def find_extremes(high: Floats, low: Floats, first: Places, highs: Floats, lows: Floats) -> None:
    """Fill in the highest of ``high`` and the lowest of ``low`` of every run."""
    for run in range(len(first)):
        end = first[run + 1] if run + 1 < len(first) else len(high)
        highest, lowest = high[first[run]], low[first[run]]
        for place in range(first[run] + 1, end):
            highest = max(highest, high[place])
            lowest = min(lowest, low[place])
        highs[run], lows[run] = highest, lowest


@_compiled
def sum_counts(counts: Places, first: Places, absent: int, sums: Places) -> None:
    """Fill in the sum of every run of counts, ``absent`` where one of them is."""
    for run in range(len(first)):
        end = first[run + 1] if run + 1 < len(first) else len(counts)
        total, lacking = 0, False
        for place in range(first[run], end):
            total += counts[place]
            lacking |= counts[place] == absent
        sums[run] = absent if lacking else total
