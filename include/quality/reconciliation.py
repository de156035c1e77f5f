"""Holds two accounts of the same candles against each other: where they differ, and in what way.

An account is a candle frame or a coarse frame (see ``include.market.candle``) from one source: the
venue's REST interface, its archive, its stream, its single trades, its own coarse candles, or what
is stored here. Nothing decides here which of two is right; both values are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.candle import (
    ABSENT_COUNT,
    PARTIAL,
    VALUE_COLUMNS,
)
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import Timeframe

Kind: TypeAlias = Literal[
    "missing_left",
    "missing_right",
    "unfinished_left",
    "unfinished_right",
    "incomplete_left",
    "incomplete_right",
    "unit",
    "revised",
    "rounding",
    "differs",
]
Columns: TypeAlias = dict[str, NDArray[np.float64]]
Bools: TypeAlias = NDArray[np.bool_]

SAME_SHARE: Final = 1e-12
"""Sums of the same numbers, rounded once or added up in decimals, are never further apart."""
ROUNDING_SHARE: Final = 1e-6
"""Relative distance below which two values are the same one, rounded differently."""
_GROWING: Final = ("volume", "quote_volume", "trade_count")
_GROWING_OR_NOT: Final = ("taker_buy_volume", "taker_buy_quote_volume")
_UNIT_ROWS: Final = 5
_INCOMPLETE: Final = "incomplete"


@dataclass(frozen=True, slots=True)
class Difference:
    """One candle that two accounts tell differently; a side is None where it has no such candle.

    ``columns`` are those that differ, all stated ones when a side is missing.
    """

    open_ms: int
    kind: Kind
    columns: tuple[str, ...]
    left: Mapping[str, float] | None
    right: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: ``compared`` candles stand in both accounts, ``equal`` of them alike."""

    compared: int
    equal: int
    differences: list[Difference] = field(default_factory=list)

    def count(self, *kinds: Kind) -> int:
        """Return how many differences are of one of ``kinds``."""
        return sum(difference.kind in kinds for difference in self.differences)


def compare_candles(
    left: pd.DataFrame,
    right: pd.DataFrame,
    timeframe: Timeframe,
    span: Span,
    *,
    left_is_older: bool = False,
) -> Comparison:
    """Return where two accounts of the candles opening in ``span`` differ, oldest first.

    Only columns that both sides state of a candle are compared. The kinds, the first that holds:

    * ``missing_left``, ``missing_right``: that side has no such candle;
    * ``incomplete_…``: that side is a coarse candle some of whose children are absent, so that its
      difference is no news;
    * ``rounding``: every differing value is within ``ROUNDING_SHARE`` of the other;
    * ``unit``: the differing columns stand in one constant ratio over all candles: another unit;
    * ``unfinished_…``: that side is an earlier state of the other's candle: same open, extremes
      inside, less traded. So look candles stored while they were still forming;
    * ``revised`` where ``left_is_older``, since one source said first one thing, then another;
    * ``differs``.

    Raises:
        ContractError: a frame lacks a column or repeats an open time.
    """
    left_ms, left_values = _read(left, span)
    right_ms, right_values = _read(right, span)
    both, at_left, at_right = np.intersect1d(
        left_ms, right_ms, assume_unique=True, return_indices=True
    )
    ours = {name: column[at_left] for name, column in left_values.items()}
    theirs = {name: column[at_right] for name, column in right_values.items()}
    shares = {name: _distance(ours[name], theirs[name]) for name in VALUE_COLUMNS}
    different = np.zeros(len(both), dtype=np.bool_)
    for share in shares.values():
        different |= share > SAME_SHARE
    differences = [
        *_missing(left_ms, left_values, both, "missing_right"),
        *_missing(right_ms, right_values, both, "missing_left"),
    ]
    kinds = _kinds(ours, theirs, shares, left_is_older=left_is_older)
    differences += [
        Difference(
            int(both[place]),
            kinds[place],
            tuple(name for name in VALUE_COLUMNS if shares[name][place] > SAME_SHARE),
            _row(ours, place),
            _row(theirs, place),
        )
        for place in np.flatnonzero(different).tolist()
    ]
    differences.sort(key=lambda difference: difference.open_ms)
    return Comparison(len(both), len(both) - int(different.sum()), differences)


def _read(frame: pd.DataFrame, span: Span) -> tuple[NDArray[np.int64], Columns]:
    """Return the open times inside ``span``, ascending, and the columns, NaN where not stated."""
    lost = [name for name in ("open_time", *VALUE_COLUMNS) if name not in frame.columns]
    if lost:
        raise ContractError(f"candles to compare lack {', '.join(lost)}: pass candle frames")
    opens = pd.DatetimeIndex(frame["open_time"]).as_unit("ms").asi8
    order = np.argsort(opens, kind="stable")
    order = order[(opens[order] >= span.start_ms) & (opens[order] < span.end_ms)]
    opens = opens[order]
    repeated = opens[1:][np.diff(opens) == 0]
    if len(repeated):
        raise ContractError(
            f"candles to compare repeat open time {pd.Timestamp(repeated[0], unit='ms', tz='UTC')}:"
            " pass each candle once"
        )
    columns = {name: frame[name].to_numpy(dtype=np.float64)[order] for name in VALUE_COLUMNS}
    columns[_INCOMPLETE] = _incomplete(frame)[order].astype(np.float64)
    counts = columns["trade_count"]
    counts[counts == ABSENT_COUNT] = np.nan
    return opens, columns


def _incomplete(frame: pd.DataFrame) -> Bools:
    """Tell which candles lack children, by their counts or by their flag."""
    wanting = np.zeros(len(frame), dtype=np.bool_)
    if "flags" in frame:
        wanting |= (frame["flags"].to_numpy(dtype=np.int64) & PARTIAL) > 0
    if "children_present" in frame:
        present, expected = frame["children_present"], frame["children_expected"]
        wanting |= (present < expected).to_numpy(dtype=np.bool_)
    return wanting


def _distance(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far values are apart, as a share of the larger; 0 where a side states none."""
    larger = np.maximum(np.abs(left), np.abs(right))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.abs(left - right) / larger
    share[(larger == 0) | np.isnan(larger)] = 0.0
    return share


def _kinds(ours: Columns, theirs: Columns, shares: Columns, *, left_is_older: bool) -> list[Kind]:
    """Return the kind of each candle, as if it differed; the last that holds below wins."""
    count = len(ours["open"])
    kinds: NDArray[np.object_] = np.full(count, "revised" if left_is_older else "differs", object)
    kinds[_is_earlier(ours, theirs)] = "unfinished_left"
    kinds[_is_earlier(theirs, ours)] = "unfinished_right"
    kinds[_in_another_unit(ours, theirs, shares)] = "unit"
    within = np.ones(count, dtype=np.bool_)
    for share in shares.values():
        within &= share <= ROUNDING_SHARE
    kinds[within] = "rounding"
    for side, name in ((theirs, "incomplete_right"), (ours, "incomplete_left")):
        kinds[side[_INCOMPLETE] > 0] = name
    found: list[Kind] = kinds.tolist()
    return found


def _is_earlier(early: Columns, late: Columns) -> Bools:
    """Tell which candles of ``early`` could have grown into those of ``late``.

    With every trade volume, quote volume and the number of trades grow together.
    """
    stage = (early["open"] == late["open"]) & (early["high"] <= late["high"])
    stage &= early["low"] >= late["low"]
    grown = np.zeros(len(stage), dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        for name in _GROWING:
            stated = ~np.isnan(early[name] + late[name])
            rises = early[name] < late[name] - ROUNDING_SHARE * np.abs(late[name])
            grown |= stated & rises
            stage &= ~stated | rises
        for name in _GROWING_OR_NOT:
            stage &= ~(early[name] > late[name] * (1 + SAME_SHARE))
    earlier: Bools = stage & grown
    return earlier


def _in_another_unit(ours: Columns, theirs: Columns, shares: Columns) -> Bools:
    """Tell which candles differ only in columns that have one ratio to the other's throughout."""
    explained = np.ones(len(ours["open"]), dtype=np.bool_)
    for name in VALUE_COLUMNS:
        apart = shares[name] > ROUNDING_SHARE
        constant = _has_one_ratio(ours[name], theirs[name], apart)
        explained &= ~apart | constant
    return explained


def _has_one_ratio(left: NDArray[np.float64], right: NDArray[np.float64], apart: Bools) -> bool:
    usable = apart & (left > 0) & (right > 0)
    if np.count_nonzero(usable) < max(_UNIT_ROWS, np.count_nonzero((left > 0) & (right > 0)) / 2):
        return False
    ratio = np.log(right[usable] / left[usable])
    return bool(np.ptp(ratio) <= 2 * ROUNDING_SHARE)


def _missing(
    opens: NDArray[np.int64], columns: Columns, both: NDArray[np.int64], kind: Kind
) -> list[Difference]:
    """Return the candles of one account that the other one lacks."""
    found = []
    for place in np.flatnonzero(~np.isin(opens, both)).tolist():
        row = _row(columns, place)
        sides = (row, None) if kind == "missing_right" else (None, row)
        found.append(Difference(int(opens[place]), kind, tuple(row), *sides))
    return found


def _row(columns: Columns, place: int) -> dict[str, float]:
    """Return the stated values of one candle."""
    return {
        name: float(columns[name][place])
        for name in VALUE_COLUMNS
        if not np.isnan(columns[name][place])
    }
