"""Buckets of whole columns of instants, in epoch microseconds, UTC."""

from __future__ import annotations

from typing import Final

import numpy as np

from include.cascade.fold import IntArray
from include.market.timeframe import Timeframe

_MONTHS: Final = "datetime64[M]"
_MICROSECONDS: Final = "datetime64[us]"


def floor_us(instants_us: IntArray, timeframe: Timeframe) -> IntArray:
    """Return the open times of the buckets that hold the instants, element by element."""
    if timeframe.months:
        # numpy's months are those of the proleptic Gregorian calendar, before 1970 too.
        months = instants_us.view(_MICROSECONDS).astype(_MONTHS)
        return months.astype(_MICROSECONDS).view(np.int64)
    length_us, anchor_us = timeframe.length_ms * 1000, timeframe.anchor_ms * 1000
    return instants_us - (instants_us - anchor_us) % length_us


def ends_us(opens_us: IntArray, timeframe: Timeframe) -> IntArray:
    """Return the first instants after the buckets that open at ``opens_us``."""
    if timeframe.months:
        months = opens_us.view(_MICROSECONDS).astype(_MONTHS) + np.timedelta64(1, "M")
        return months.astype(_MICROSECONDS).view(np.int64)
    return opens_us + timeframe.length_ms * 1000


def expected_children(opens_us: IntArray, source: Timeframe, target: Timeframe) -> IntArray:
    """Return how many ``source`` candles fill each ``target`` bucket that opens at ``opens_us``."""
    if target.months:
        return (ends_us(opens_us, target) - opens_us) // (source.length_ms * 1000)
    return np.full(len(opens_us), target.length_ms // source.length_ms, dtype=np.int64)


def cut_runs(
    owners: IntArray, open_us: IntArray, timeframe: Timeframe
) -> tuple[IntArray, IntArray]:
    """Return where each bucket's run begins among many sorted candles, and when the buckets open.

    Args:
        owners: whose candle each one is; the candles of an owner stand together.
        open_us: their open times in epoch microseconds, ascending for each owner.
        timeframe: of the buckets.
    """
    buckets_us = floor_us(open_us, timeframe)
    starts = np.ones(len(open_us), dtype=np.bool_)
    starts[1:] = (np.diff(buckets_us) != 0) | (np.diff(owners) != 0)
    return np.flatnonzero(starts), buckets_us[starts]
