"""Candle frames into a temporary table, by binary COPY."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from psycopg import sql

from include.market.candle import FLOAT_COLUMNS, VALUE_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection
from include.warehouse.pgbinary import Column, encode_rows, encode_times
from include.warehouse.statements import statement

CHILD_COLUMNS: Final = ("children_present", "children_expected")
_INTEGERS: Final[dict[str, type[np.integer[Any]]]] = {
    "trade_count": np.int64,
    "instrument_id": np.int32,
    "children_present": np.int16,
    "children_expected": np.int16,
}


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows ready to be copied: column names, rows in COPY format, and their number."""

    columns: tuple[str, ...]
    payload: bytes
    count: int


def stage_natural(frame: pd.DataFrame, *, venue: str, symbol: str) -> StagedRows:
    """Encode a candle frame under its natural key, to be resolved by the database.

    Raises:
        ContractError: a column is missing, of another type, or a time is absent.
    """
    fixed = {"venue": np.array(venue.encode()), "symbol": np.array(symbol.encode())}
    return _stage(frame, ("open_time", *VALUE_COLUMNS), fixed)


def stage_resolved(frame: pd.DataFrame) -> StagedRows:
    """Encode a coarse frame that has a column ``instrument_id``.

    Raises:
        ContractError: a column is missing, of another type, or a time is absent.
    """
    return _stage(frame, ("instrument_id", "open_time", *VALUE_COLUMNS, *CHILD_COLUMNS), {})


def copy_staged(connection: Connection, rows: StagedRows) -> None:
    """Create the staging table for the open transaction and fill it."""
    connection.execute(statement("market/create_staging"))
    copy = sql.SQL("COPY pg_temp.candle_staging ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    with connection.cursor() as cursor, cursor.copy(copy) as target:
        target.write(rows.payload)


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
    length_ms = timeframe.length_ms
    opens_ms = open_times_us(frame) // 1000
    owners = _column(frame, "instrument_id").to_numpy()
    for instrument_id in np.unique(owners).tolist():
        opens = np.unique(opens_ms[owners == instrument_id])
        runs = np.split(opens, np.flatnonzero(np.diff(opens) != length_ms) + 1)
        spans[instrument_id] = [Span(int(run[0]), int(run[-1]) + length_ms) for run in runs]
    return spans


def _stage(frame: pd.DataFrame, names: Sequence[str], fixed: Mapping[str, Column]) -> StagedRows:
    columns: dict[str, Column] = {"position": np.arange(len(frame), dtype=np.int32), **fixed}
    for name in names:
        columns[name] = _encoded(frame, name)
    payload = encode_rows(list(columns.values()), len(frame))
    return StagedRows(tuple(columns), payload, len(frame))


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
