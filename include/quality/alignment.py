"""Puts landed candles where they belong in time, as far as that is beyond doubt.

Venues begin candles beside the grid after an outage (Binance, all symbols, December 2017 and
February 2018: 14 s late for 20 hours) and end the last one before a halt early. Both are data: the
first kind is moved onto the grid, the second kept as it is, and either is flagged. Nothing is
rounded blindly: what could belong to two candles belongs to none, and is left for the rules.

One numpy step before the rules, shared by the gate and the live path; each judges what it left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from include.market.candle import SNAPPED, TRUNCATED
from include.quality.landed import Terms
from include.quality.rules import MIXED_UNITS, SNAP_CONFLICT, TIME_UNIT, BoolArray, IntArray

ALIGNED_COLUMNS: Final = ("flags", "misfit", "end_time")

FEW_ROWS: Final = 2
"""So many times of another unit are slips of their own, and no second format."""

_SCALES: Final = (1_000, 1_000_000)
# Beyond, a candle more would be more than 64 bits hold.
_FAR_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class _Times:
    """Times of a batch in epoch microseconds, with which of them are stated.

    ``end_us`` is the last microsecond a candle speaks for, to the millisecond as venues state it.
    """

    open_us: IntArray
    opened: BoolArray
    end_us: IntArray
    ended: BoolArray
    states_end: bool


def align_landed(batch: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Return a normalised landed frame with its open times where they belong, and three columns.

    ``flags`` (int64) says what was done or is wanting: SNAPPED, TRUNCATED. ``misfit`` (int64) is
    what speaks against a time beyond its own row, else 0: TIME_UNIT (it is one of the span in
    another unit), MIXED_UNITS (several are, others are not), SNAP_CONFLICT (the place it would be
    moved to is taken, or wanted twice).
    ``end_time`` is the last millisecond the candle speaks for, as it came: where the source states
    no close it is one candle after the open time as sent, NaT without either. Rows and their order
    stay; the input is not changed.

    A candle is moved when its open time lies less than half a candle from the grid, no other open
    time of the batch lies on that place or would be moved to it, and its length is right (or it
    begins late and ends with its bucket). One that ends early is kept when nothing follows it: the
    next place lies in the span, is over by the venue's clock, and no row opens in it, on the grid
    or beside it; nor does another row state another end for the same candle.
    """
    times = _times_of(batch, terms)
    misfit = _find_units(times, terms)
    open_us = times.open_us.copy()
    flags = np.zeros(len(batch), dtype=np.int64)
    beside = times.opened & (misfit == 0) & (open_us % terms.length_us != 0)
    if beside.any():
        moved, torn = _find_snaps(times, beside, terms)
        open_us[moved] = _nearest(open_us[moved], terms.length_us)
        flags[moved] |= SNAPPED
        misfit[torn] = SNAP_CONFLICT
    flags[_find_truncated(times, open_us, misfit, terms)] |= TRUNCATED
    return batch.assign(
        open_time=_as_times(open_us, times.opened) if beside.any() else batch["open_time"],
        flags=flags,
        misfit=misfit,
        end_time=_as_times(times.end_us, times.ended),
    )


def _times_of(batch: pd.DataFrame, terms: Terms) -> _Times:
    open_us, opened = _epoch_us(batch["open_time"])
    if "close_time" in terms.absent:
        end_us = np.where(opened, open_us + (terms.length_us - 1000), open_us)
        return _Times(open_us, opened, end_us, opened, states_end=False)
    end_us, ended = _epoch_us(batch["close_time"])
    return _Times(open_us, opened, end_us, ended, states_end=True)


def _find_units(times: _Times, terms: Terms) -> IntArray:
    """Return the misfits of times that make sense in another unit only."""
    span = terms.span
    inside = times.opened & _within(times.open_us, span.start_ms * 1000, span.end_ms * 1000)
    other = np.zeros(len(times.open_us), dtype=np.bool_)
    doubtful = times.opened & ~inside
    if doubtful.any():
        for scale in _SCALES:
            # Read as milliseconds, seconds are too small and microseconds are too large.
            low, high = span.start_ms * 1000, span.end_ms * 1000
            other |= doubtful & _within(times.open_us, -(-low // scale), -(-high // scale))
            other |= doubtful & _within(times.open_us // scale, low, high)
    misfit = np.where(other, TIME_UNIT, 0).astype(np.int64)
    if np.count_nonzero(other) > FEW_ROWS and inside.any():
        misfit[times.opened] = MIXED_UNITS
    return misfit


def _find_snaps(times: _Times, beside: BoolArray, terms: Terms) -> tuple[BoolArray, BoolArray]:
    """Return which rows beside the grid are moved onto it, and which would meet another there."""
    open_us, length_us = times.open_us, terms.length_us
    target = _nearest(open_us, length_us)
    near = beside & (2 * np.abs(open_us - target) < length_us) & (np.abs(open_us) < _FAR_US)
    if times.states_end:
        whole = times.end_us == open_us + (length_us - 1000)
        begins_late = (times.end_us == target + (length_us - 1000)) & (open_us > target)
        near &= times.ended & (whole | begins_late)
    taken = np.isin(target, open_us[times.opened & ~beside])
    # Sent twice alike is one candle; two open times for one place are a conflict.
    targets, wanted = np.unique(_nearest(np.unique(open_us[near]), length_us), return_counts=True)
    torn = near & (taken | np.isin(target, targets[wanted > 1]))
    return near & ~torn, torn


def _find_truncated(times: _Times, open_us: IntArray, misfit: IntArray, terms: Terms) -> BoolArray:
    """Return which rows end early because the venue stopped."""
    length_us, server_us = terms.length_us, terms.server_time_ms * 1000
    short: BoolArray = times.opened & times.ended & (misfit == 0) & (open_us == times.open_us)
    short &= np.asarray(open_us % length_us == 0)
    short &= (times.end_us > open_us) & (times.end_us < open_us + (length_us - 1000))
    if not short.any():
        return short
    following = open_us + length_us
    short &= following < terms.span.end_ms * 1000
    short &= open_us >= terms.span.start_ms * 1000
    short &= following + length_us <= server_us
    short &= ~np.isin(open_us, _contested(open_us[times.opened], times.end_us[times.opened]))
    # Whatever opens before the next place is over, on the grid or beside it, may be what is there.
    others = np.sort(np.concatenate((open_us[times.opened], times.open_us[times.opened])))
    later = np.append(others, np.iinfo(np.int64).max)
    empty: BoolArray = later[np.searchsorted(others, open_us, side="right")] >= (
        following + length_us
    )
    return np.asarray(short & empty)


def _contested(open_us: IntArray, end_us: IntArray) -> IntArray:
    """Return the open times for which more than one end is stated."""
    order = np.lexsort((end_us, open_us))
    open_us, end_us = open_us[order], end_us[order]
    other_end = (np.diff(open_us) == 0) & (np.diff(end_us) != 0)
    contested: IntArray = open_us[1:][other_end]
    return contested


def _nearest(open_us: IntArray, length_us: int) -> IntArray:
    past = open_us % length_us
    nearest: IntArray = open_us - past + np.where(2 * past >= length_us, length_us, 0)
    return nearest


def _within(values: IntArray, low: int, high: int) -> BoolArray:
    inside: BoolArray = (values >= low) & (values < high)
    return inside


def _epoch_us(column: pd.Series) -> tuple[IntArray, BoolArray]:
    epoch_us = np.asarray(column.astype("int64"), dtype=np.int64)
    return epoch_us, column.notna().to_numpy()


def _as_times(epoch_us: IntArray, stated: BoolArray) -> pd.DatetimeIndex:
    times = np.where(stated, epoch_us, np.iinfo(np.int64).min).view("datetime64[us]")
    return pd.DatetimeIndex(times).tz_localize("UTC")
