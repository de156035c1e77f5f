"""Landed trades and funding payments in exact types, and what they are judged against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype

from include.market.errors import ContractError
from include.market.span import Span
from include.quality.landed import as_float, as_time

TRADE_COLUMNS: Final = (
    "trade_time",
    "trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "buyer_is_maker",
    "raw",
)
"""A landed trade: one order's fills at one price. ``trade_id`` is the aggregate's, the two others
are the first and last fill's, inclusive; -1 where the venue states none."""

FUNDING_COLUMNS: Final = ("funding_time", "rate", "mark_price", "interval_ms", "raw")
"""A landed funding payment; ``rate`` is per interval, ``interval_ms`` -1 where it is not stated."""

_TIMES: Final = frozenset({"trade_time", "funding_time"})
_WHOLE: Final = frozenset({"trade_id", "first_trade_id", "last_trade_id", "interval_ms"})


@dataclass(frozen=True, slots=True)
class EventTerms:
    """What a batch of events is held against: the span asked for, the venue's clock.

    ``span`` holds their times, half-open; ``server_time_ms`` is the venue's own epoch milliseconds,
    read before the batch was asked for.
    """

    span: Span
    server_time_ms: int


def normalise_trades(frame: pd.DataFrame) -> pd.DataFrame:
    """Return landed trades with ``TRADE_COLUMNS`` in exact types, rows in landed order from 0.

    Times become ``datetime64[us, UTC]``, price and quantity float64, ids int64. Other columns are
    left out; the input is not changed.

    Raises:
        ContractError: a column is missing, or its type cannot hold what it must.
    """
    return _normalise(frame, TRADE_COLUMNS, "trades")


def normalise_funding(frame: pd.DataFrame) -> pd.DataFrame:
    """Return landed funding payments with ``FUNDING_COLUMNS``; as ``normalise_trades``.

    Raises:
        ContractError: a column is missing, or its type cannot hold what it must.
    """
    return _normalise(frame, FUNDING_COLUMNS, "funding payments")


def _normalise(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> pd.DataFrame:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ContractError(
            f"landed {what} lack {', '.join(missing)}: expected the columns {', '.join(names)}; "
            "fetch the batch again with the current parser"
        )
    return pd.DataFrame({name: _exact(frame[name]) for name in names})


def _exact(column: pd.Series) -> object:
    name = str(column.name)
    if name in _TIMES:
        return as_time(column)
    if name in _WHOLE:
        return _as_whole(column)
    if name == "raw":
        return column.to_numpy(dtype=object)
    if name == "buyer_is_maker":
        if len(column) and not is_bool_dtype(column.dtype):
            raise _wrong_type(column, "bool")
        return column.to_numpy(dtype=np.bool_)
    return as_float(column)


def _as_whole(column: pd.Series) -> object:
    # A float would lose the last digits of an id; nothing of that kind is taken.
    if len(column) and not is_integer_dtype(column.dtype):
        raise _wrong_type(column, "int64")
    return column.to_numpy(dtype=np.int64)


def _wrong_type(column: pd.Series, expected: str) -> ContractError:
    return ContractError(
        f"landed frame, column {column.name}: expected {expected}, was {column.dtype}; "
        "let the parser state it, -1 where the venue does not"
    )
