"""Build coarse candles from finer ones: the same children give the same bits.

Buckets are half-open and anchored at the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from include.cascade.buckets import cut_runs, expected_children, floor_us
from include.cascade.bulk_fold import fold_history
from include.cascade.exact_sum import FloatArray
from include.cascade.fold import BULK_CHILDREN, IntArray, fold_few, join_flags
from include.cascade.series import SeriesCandles
from include.market.candle import (
    ABSENT_COUNT,
    COARSE_COLUMNS,
    FLOAT_COLUMNS,
    MAX_FLAGS,
    OPTIONAL_COLUMNS,
    PARTIAL,
    STATED_COLUMNS,
)
from include.market.errors import ContractError, InvalidInputError
from include.market.span import Span, merge_spans
from include.market.timeframe import Timeframe


def roll_up(children: pd.DataFrame, source: Timeframe, target: Timeframe) -> pd.DataFrame:
    """Return the coarse frame of ``target`` candles that ``children`` add up to, sorted.

    Open of the first child, highest high, lowest low, close of the last, exact sums rounded
    once: neither order nor batching of the same children changes a bit. Absent children are
    allowed and counted in ``children_present``; a bucket without any yields no row. A value that
    one child lacks is absent from the bucket, for the sum of the others would pass for the whole.

    The flags of all children add up, and ``PARTIAL`` joins them where children are absent.

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
    missing = [column for column in STATED_COLUMNS if column not in children.columns]
    if missing:
        raise ContractError(f"{source.label} children lack the columns {', '.join(missing)}")
    if children.empty:
        return _empty_coarse_frame()
    opens, order = _sort_children(children["open_time"], source)
    cells: dict[str, FloatArray | IntArray] = {
        name: _floats(children[name])[order] for name in FLOAT_COLUMNS
    }
    cells["trade_count"] = _counts(children["trade_count"])[order]
    cells["flags"] = (
        _flags(children["flags"])[order]
        if "flags" in children.columns
        else np.zeros(len(children), dtype=np.int64)
    )
    owners = np.zeros(len(children), dtype=np.int64)
    return _as_frame(roll_up_series(SeriesCandles(owners, opens, cells), source, target))


def roll_up_series(children: SeriesCandles, source: Timeframe, target: Timeframe) -> SeriesCandles:
    """Return what ``roll_up`` does, of many instruments at once and without another look at them.

    Args:
        children: on the grid of ``source``, each once, finite where not absent.
        source: their timeframe.
        target: a coarser timeframe that ``source`` fills exactly.

    Raises:
        OverflowError: a sum exceeds the range of a double.
    """
    if not len(children):
        none = np.empty(0, dtype=np.int64)
        counts = {"children_present": none, "children_expected": none}
        return SeriesCandles(children.owners, children.open_us, {**children.cells, **counts})
    if len(children) >= BULK_CHILDREN and not target.months:
        return fold_history(children, source, target)
    first, opens_us = cut_runs(children.owners, children.open_us, target)
    present = np.diff(first, append=len(children))
    expected = expected_children(opens_us, source, target)
    values = {name: children.cells[name] for name in FLOAT_COLUMNS}
    # Whatever is wanting in a child is wanting in the whole, however many levels lie between.
    flags = join_flags(children.cells["flags"], first)
    cells = {
        "open": values["open"][first],
        "close": values["close"][first + present - 1],
        **fold_few(values, children.cells["trade_count"], first),
        "flags": flags | np.where(present < expected, PARTIAL, 0),
        "children_present": present,
        "children_expected": expected,
    }
    return SeriesCandles(children.owners[first], opens_us, cells)


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
    off_grid = floor_us(opens, source) != opens
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


def _flags(column: pd.Series) -> IntArray:
    if column.dtype.kind not in "iu":
        raise ContractError(f"children, column {column.name}: expected int64, was {column.dtype}")
    flags = column.to_numpy(dtype=np.int64)
    if (flags & ~MAX_FLAGS).any():
        unknown = int(flags[(flags & ~MAX_FLAGS) != 0][0])
        raise ContractError(
            f"children, column {column.name}: expected a sum of flags up to {MAX_FLAGS}, was "
            f"{unknown}"
        )
    return flags


def _as_frame(candles: SeriesCandles) -> pd.DataFrame:
    times = pd.to_datetime(candles.open_us, unit="us", utc=True).as_unit("us")
    columns = {"open_time": times, **candles.cells}
    return pd.DataFrame({name: columns[name] for name in COARSE_COLUMNS})


def _empty_coarse_frame() -> pd.DataFrame:
    dtypes = dict.fromkeys(FLOAT_COLUMNS, "float64")
    dtypes["open_time"] = "datetime64[us, UTC]"
    return pd.DataFrame(
        {name: pd.Series(dtype=dtypes.get(name, "int64")) for name in COARSE_COLUMNS}
    )
