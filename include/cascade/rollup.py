"""Build coarse candles from finer ones: the same children give the same bits.

Buckets are half-open and anchored at the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from include.cascade.exact_sum import FloatArray
from include.cascade.fold import IntArray, fold_runs
from include.market.candle import (
    ABSENT_COUNT,
    CANDLE_COLUMNS,
    COARSE_COLUMNS,
    FLOAT_COLUMNS,
    OPTIONAL_COLUMNS,
)
from include.market.errors import ContractError, InvalidInputError
from include.market.span import Span, merge_spans
from include.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Sorted children cut into buckets: bucket ``i`` is ``[first[i], first[i] + present[i])``."""

    first: IntArray
    present: IntArray
    open_us: IntArray

    @property
    def last(self) -> IntArray:
        """Position of each bucket's last child."""
        return self.first + self.present - 1


def roll_up(children: pd.DataFrame, source: Timeframe, target: Timeframe) -> pd.DataFrame:
    """Return the coarse frame of ``target`` candles that ``children`` add up to, sorted.

    Open of the first child, highest high, lowest low, close of the last, exact sums rounded
    once: neither order nor batching of the same children changes a bit. Absent children are
    allowed and counted in ``children_present``; a bucket without any yields no row. A value that
    one child lacks is absent from the bucket, for the sum of the others would pass for the whole.

    Args:
        children: candles or coarse candles of one instrument, in any order.
        source: their timeframe.
        target: a coarser timeframe that ``source`` fills exactly.

    Raises:
        InvalidInputError: ``source`` does not divide ``target``.
        ContractError: a repeated or off-grid open time, a value that is no finite number and not
            absent from a column where it may be, a missing column.
    """
    if not source.divides(target):
        raise InvalidInputError(
            f"cannot roll {source.label} up to {target.label}: choose a target that whole "
            f"{source.label} candles fill"
        )
    missing = [column for column in CANDLE_COLUMNS if column not in children.columns]
    if missing:
        raise ContractError(f"{source.label} children lack the columns {', '.join(missing)}")
    if children.empty:
        return _empty_coarse_frame()
    opens, order = _sort_children(children["open_time"], source)
    values = {name: _floats(children[name])[order] for name in FLOAT_COLUMNS}
    counts = _counts(children["trade_count"])[order]
    expected = target.length_ms // source.length_ms
    return _coarse_frame(_cut_buckets(opens, target), values, counts, expected)


def touched_span(span: Span, target: Timeframe) -> Span:
    """Return ``span`` widened to whole ``target`` buckets; an empty span stays empty."""
    start_ms = target.floor_ms(span.start_ms)
    return Span(start_ms, target.ceil_ms(span.end_ms) if span else start_ms)


def settled_buckets(covered: Sequence[Span], touched: Span, target: Timeframe) -> list[Span]:
    """Return the runs of whole ``target`` buckets of ``touched`` that are proven to their end.

    A bucket is settled when all of it lies inside the union of ``covered``; one that is still
    forming never is. ``touched`` is widened to whole buckets first.

    Args:
        covered: what is proven loaded or explained, in any order, overlapping or not.
        touched: what changed.
        target: the resolution to be stored.

    Returns:
        Maximal spans of whole buckets, sorted and disjoint.
    """
    whole = touched_span(touched, target)
    settled = []
    for part in merge_spans(covered):
        start_ms = max(whole.start_ms, target.ceil_ms(part.start_ms))
        end_ms = min(whole.end_ms, target.floor_ms(part.end_ms))
        if start_ms < end_ms:
            settled.append(Span(start_ms, end_ms))
    return settled


def _sort_children(times: pd.Series, source: Timeframe) -> tuple[IntArray, IntArray | slice]:
    """Return open times in epoch microseconds, ascending, and the order that sorts the rows."""
    if not isinstance(times.dtype, pd.DatetimeTZDtype) or times.isna().any():
        raise ContractError(
            f"{source.label} children, open_time: expected UTC times without NaT, "
            f"was {times.dtype} with {int(times.isna().sum())} missing"
        )
    opens = pd.DatetimeIndex(times).as_unit("us").asi8
    off_grid = opens % (source.length_ms * 1000) != 0
    if off_grid.any():
        raise ContractError(
            f"{source.label} child at {times.iloc[int(off_grid.argmax())]} is off the grid: "
            f"expected a whole number of {source.label} since the epoch"
        )
    order: IntArray | slice = slice(None)
    if not (np.diff(opens) > 0).all():
        order = np.argsort(opens)
        opens = opens[order]
    repeated = opens[1:][np.diff(opens) == 0]
    if len(repeated):
        when = pd.Timestamp(repeated[0], unit="us", tz="UTC")
        raise ContractError(
            f"{source.label} children repeat open time {when}: "
            f"pass each candle of one instrument once"
        )
    return opens, order


def _floats(column: pd.Series) -> FloatArray:
    is_number = column.dtype.kind in "fiu"
    numbers = column if is_number else pd.to_numeric(column, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64)
    others = values[~np.isfinite(values)]
    if column.name in OPTIONAL_COLUMNS:
        others = others[~np.isnan(others)]
    if len(others) or not is_number:
        raise ContractError(
            f"children, column {column.name}: expected finite numbers, was {column.dtype} "
            f"with {len(others)} others"
        )
    return values


def _counts(column: pd.Series) -> IntArray:
    if column.dtype.kind not in "iu":
        raise ContractError(f"children, column {column.name}: expected int64, was {column.dtype}")
    counts = column.to_numpy(dtype=np.int64)
    if counts.min() < ABSENT_COUNT:
        raise ContractError(
            f"children, column {column.name}: expected counts, {ABSENT_COUNT} where absent, was "
            f"{counts.min()}"
        )
    return counts


def _cut_buckets(opens: IntArray, target: Timeframe) -> _Buckets:
    length_us = target.length_ms * 1000
    bucket = opens // length_us
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    present = np.diff(first, append=len(opens))
    return _Buckets(first, present, bucket[first] * length_us)


def _coarse_frame(
    buckets: _Buckets, values: dict[str, FloatArray], counts: IntArray, expected: int
) -> pd.DataFrame:
    columns: dict[str, object] = {
        "open_time": pd.to_datetime(buckets.open_us, unit="us", utc=True).as_unit("us"),
        "open": values["open"][buckets.first],
        "close": values["close"][buckets.last],
        "children_present": buckets.present,
        "children_expected": np.full(len(buckets.first), expected),
        **fold_runs(values, counts, buckets.first),
    }
    return pd.DataFrame({name: columns[name] for name in COARSE_COLUMNS})


def _empty_coarse_frame() -> pd.DataFrame:
    dtypes = dict.fromkeys(FLOAT_COLUMNS, "float64")
    dtypes["open_time"] = "datetime64[us, UTC]"
    return pd.DataFrame(
        {name: pd.Series(dtype=dtypes.get(name, "int64")) for name in COARSE_COLUMNS}
    )
