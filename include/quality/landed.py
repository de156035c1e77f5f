"""A landed batch in exact types, and what it is judged against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

from include.market.candle import DECLARABLE_COLUMNS, LANDED_COLUMNS, VALUE_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import Timeframe

TIME_COLUMNS = ("open_time", "close_time")
NUMBER_COLUMNS = VALUE_COLUMNS
TIME_DTYPE = "datetime64[us, UTC]"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a batch is held against: its resolution, the span asked for, the venue's clock.

    ``span`` holds open times, half-open. ``server_time_ms`` is the venue's own epoch
    milliseconds, read before the batch was asked for. ``absent`` are the columns that the source
    declares never to state, out of ``DECLARABLE_COLUMNS``.

    Raises:
        ContractError: another column is declared absent.
    """

    timeframe: Timeframe
    span: Span
    server_time_ms: int
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse to do without a column that every candle needs."""
        needed = [name for name in self.absent if name not in DECLARABLE_COLUMNS]
        if needed:
            raise ContractError(
                f"columns declared absent: expected some of {', '.join(DECLARABLE_COLUMNS)}, was "
                f"{', '.join(needed)}; a source without them gives no candles"
            )

    @property
    def length_us(self) -> int:
        """Length of one candle in microseconds."""
        return self.timeframe.length_ms * 1000


def normalise_landed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with the landed columns in exact types, rows in landed order from 0.

    Times become ``datetime64[us, UTC]``; every number, ``trade_count`` too, becomes float64 so
    that it can be NaN until the verdict. Other columns are left out. The input is not changed.

    Raises:
        ContractError: a column is missing, or its type cannot hold what it must.
    """
    missing = [column for column in LANDED_COLUMNS if column not in frame.columns]
    if missing:
        raise ContractError(
            f"landed frame lacks {', '.join(missing)}: expected the columns "
            f"{', '.join(LANDED_COLUMNS)}; fetch the batch again with the current parser"
        )
    columns: dict[str, object] = {name: as_float(frame[name]) for name in NUMBER_COLUMNS}
    columns |= {name: as_time(frame[name]) for name in TIME_COLUMNS}
    columns["raw"] = frame["raw"].to_numpy(dtype=object)
    return pd.DataFrame({name: columns[name] for name in LANDED_COLUMNS})


def as_float(column: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a column of numbers as float64, NaN where there is none.

    Raises:
        ContractError: it holds something else.
    """
    dtype = column.dtype
    numeric = is_numeric_dtype(dtype) and not is_bool_dtype(dtype) and not is_complex_dtype(dtype)
    if numeric:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.isna().all():
        return np.full(len(column), np.nan)
    raise _wrong_type(column, "float64")


def as_time(column: pd.Series) -> pd.DatetimeIndex:
    """Return a column of aware times as ``datetime64[us, UTC]``, NaT where there is none.

    Raises:
        ContractError: it holds something else, or fractions of a microsecond.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        index = pd.DatetimeIndex(column).tz_convert("UTC")
        exact = index.as_unit("us")
        if not (exact == index)[index.notna()].all():
            raise _wrong_type(column, f"{TIME_DTYPE} (whole microseconds)")
        return exact
    if column.isna().all():
        return pd.DatetimeIndex([pd.NaT] * len(column), dtype=TIME_DTYPE)
    raise _wrong_type(column, TIME_DTYPE)


def _wrong_type(column: pd.Series, expected: str) -> ContractError:
    return ContractError(
        f"landed frame, column {column.name}: expected {expected}, was {column.dtype}; "
        f"let the parser turn what is not a value into NaN or NaT"
    )
