"""Candle frames into a temporary table, by binary COPY.

Rows of fixed width hold no nulls. So rows that lack the same columns are copied together, and
these columns left out of the COPY: the database itself writes the nulls, and no stand-in for
"absent" ever reaches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from psycopg import sql

from include.cascade.buckets import ends_us
from include.market.candle import (
    ABSENT_COUNT,
    FLOAT_COLUMNS,
    OPTIONAL_COLUMNS,
    VALUE_COLUMNS,
)
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import H4, Timeframe
from include.warehouse.clauses import staging_statement
from include.warehouse.engine import Connection
from include.warehouse.merge import loadable_candles
from include.warehouse.pgbinary import Column, encode_rows, encode_times

Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
CHILD_COLUMNS: Final = ("children_present", "children_expected")
_INTEGERS: Final[dict[str, type[np.integer[Any]]]] = {
    "trade_count": np.int64,
    "flags": np.int16,
    "instrument_id": np.int32,
    "children_present": np.int16,
    "children_expected": np.int16,
}


@dataclass(frozen=True, slots=True)
class StagedPart:
    """Rows that state the same columns: these columns, and the rows in COPY format."""

    columns: tuple[str, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows ready to be copied, part by part, and their number."""

    parts: tuple[StagedPart, ...]
    count: int


def stage_natural(frame: pd.DataFrame, *, venue: str, symbol: str) -> StagedRows:
    """Encode a candle frame under its natural key, to be resolved by the database.

    Raises:
        ContractError: a column is missing, of another type, or absent from some rows only, or a
            time is absent.
    """
    # One landing is one source's word, and a source states a column or does not.
    for name, mask in _absences(frame).items():
        if not mask.all():
            raise ContractError(
                f"candle frame, {name}: expected a value in all {len(frame)} rows or in none, "
                f"was absent from {int(mask.sum())}; check the landing again"
            )
    fixed = {"venue": np.array(venue.encode()), "symbol": np.array(symbol.encode())}
    return _stage(frame, ("open_time", *VALUE_COLUMNS), fixed)


def stage_resolved(frame: pd.DataFrame) -> StagedRows:
    """Encode a coarse frame that has a column ``instrument_id``; any row may lack any column.

    Raises:
        ContractError: a column is missing, of another type, or a time is absent.
    """
    return _stage(frame, ("instrument_id", "open_time", *VALUE_COLUMNS, *CHILD_COLUMNS), {})


def copy_staged(connection: Connection, rows: StagedRows) -> None:
    """Create the staging table for the open transaction and fill it."""
    # What the coarsest table can stage the finest one can: it only lacks the children's counts.
    connection.execute(staging_statement(loadable_candles(H4)))
    for part in rows.parts:
        copy = sql.SQL("COPY pg_temp.staged_rows ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.SQL(", ").join(map(sql.Identifier, part.columns))
        )
        with connection.cursor() as cursor, cursor.copy(copy) as target:
            target.write(part.payload)


def open_times_us(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the open times as epoch microseconds, UTC.

    Raises:
        ContractError: open_time is missing, not timezone-aware, or has NaT.
    """
    times = _column(frame, "open_time")
    if not isinstance(times.dtype, pd.DatetimeTZDtype) or times.isna().any():
        raise ContractError(
            f"candle frame, open_time: expected UTC times without NaT, was {times.dtype}"
        )
    return pd.DatetimeIndex(times).as_unit("us").asi8


def bucket_spans(frame: pd.DataFrame, timeframe: Timeframe) -> dict[int, list[Span]]:
    """Return, per instrument_id, the union of the spans of the candles in a coarse frame."""
    spans: dict[int, list[Span]] = {}
    opens_us = open_times_us(frame)
    owners = _column(frame, "instrument_id").to_numpy()
    for instrument_id in np.unique(owners).tolist():
        opens = np.unique(opens_us[owners == instrument_id])
        ends = ends_us(opens, timeframe)
        # A candle begins a new span unless the one before ends where it opens.
        begins = np.flatnonzero(np.append(True, ends[:-1] != opens[1:]))
        lasts = np.append(begins[1:], len(opens)) - 1
        spans[instrument_id] = [
            Span(start_us // 1000, end_us // 1000)
            for start_us, end_us in zip(opens[begins].tolist(), ends[lasts].tolist(), strict=True)
        ]
    return spans


def _stage(frame: pd.DataFrame, names: Sequence[str], fixed: Mapping[str, Column]) -> StagedRows:
    columns: dict[str, Column] = {"position": np.arange(len(frame), dtype=np.int32), **fixed}
    # Where no candle has flags, the database writes their default.
    for name in (*names, "flags") if "flags" in frame.columns else names:
        columns[name] = _encoded(frame, name)
    absences = _absences(frame)
    if not absences:
        payload = encode_rows(list(columns.values()), len(frame))
        return StagedRows((StagedPart(tuple(columns), payload),), len(frame))
    pattern = sum(mask.astype(np.int64) << bit for bit, mask in enumerate(absences.values()))
    parts = []
    for lacking in np.unique(pattern).tolist():
        chosen = np.flatnonzero(pattern == lacking)
        left_out = {name for bit, name in enumerate(absences) if lacking >> bit & 1}
        stated = {
            name: column[chosen] if column.ndim else column
            for name, column in columns.items()
            if name not in left_out
        }
        payload = encode_rows(list(stated.values()), len(chosen))
        parts.append(StagedPart(tuple(stated), payload))
    return StagedRows(tuple(parts), len(frame))


def _absences(frame: pd.DataFrame) -> dict[str, Mask]:
    """Return, per column that any row lacks, which rows lack it."""
    masks = {
        name: _column(frame, name).eq(ABSENT_COUNT).to_numpy()
        if name == "trade_count"
        else _column(frame, name).isna().to_numpy()
        for name in OPTIONAL_COLUMNS
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def _encoded(frame: pd.DataFrame, name: str) -> Column:
    if name == "open_time":
        return encode_times(open_times_us(frame).view("datetime64[us]"))
    values = _column(frame, name)
    try:
        if name in FLOAT_COLUMNS:
            return values.to_numpy(dtype=np.float64)
        return _whole(values.to_numpy(), _INTEGERS[name])
    except (TypeError, ValueError, OverflowError):
        raise ContractError(
            f"candle frame, {name}: expected numbers that fit its column, was {values.dtype}"
        ) from None


def _whole(values: Any, kind: type[np.integer[Any]]) -> Column:
    with np.errstate(invalid="ignore"):
        whole = values.astype(kind)
    if not np.array_equal(whole, values):
        raise ValueError(kind)
    return np.asarray(whole)


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise ContractError(f"candle frame lacks {name}: has {list(frame.columns)}")
    return frame[name]
