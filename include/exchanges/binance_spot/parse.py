"""Binance spot wire format to our words. Pure.

Sources: Binance spot API documentation, "Kline/Candlestick data" and "Exchange information".
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from include.market.candle import FLOAT_COLUMNS, LANDED_COLUMNS
from include.market.errors import ContractError
from include.market.instrument import InstrumentRecord

KLINE_FIELDS = 12
# Position of each of our columns in the kline array.
POSITION = {
    "open": 1,
    "high": 2,
    "low": 3,
    "close": 4,
    "volume": 5,
    "quote_volume": 7,
    "taker_buy_volume": 9,
    "taker_buy_quote_volume": 10,
}


def parse_klines(rows: Any) -> pd.DataFrame:
    """Return one landed frame for the kline arrays ``rows``.

    A value that is not a number becomes NaN here and is refused, with its raw row, by the gate.

    Raises:
        ContractError: the document is no list of 12-field arrays, or times are not epoch
            milliseconds: the format changed, and nothing of it may be stored.
    """
    if not isinstance(rows, list):
        raise ContractError(f"klines: expected a list of arrays, was {type(rows).__name__}")
    for row in rows:
        if not isinstance(row, list) or len(row) != KLINE_FIELDS:
            raise ContractError(f"klines: expected {KLINE_FIELDS} fields, was {str(row)[:120]}")
        if type(row[0]) is not int or type(row[6]) is not int or not 1e11 < row[0] < 1e13:
            raise ContractError(f"klines: expected epoch milliseconds, was {row[0]!r}, {row[6]!r}")
    columns: dict[str, Any] = {
        "open_time": _times([row[0] for row in rows]),
        **{name: _floats([row[POSITION[name]] for row in rows]) for name in FLOAT_COLUMNS},
        "trade_count": _floats([row[8] for row in rows]),
        "close_time": _times([row[6] for row in rows]),
        "raw": [json.dumps(row, separators=(",", ":")) for row in rows],
    }
    return pd.DataFrame(columns, columns=list(LANDED_COLUMNS)).astype({"raw": "str"})


def parse_instruments(document: Any) -> list[InstrumentRecord]:
    """Return the symbols of an ``exchangeInfo`` answer.

    Raises:
        ContractError: a field we store is missing.
    """
    try:
        return [_instrument(symbol) for symbol in document["symbols"]]
    except (LookupError, TypeError, StopIteration) as error:
        raise ContractError(f"exchangeInfo lost a field we need: {error!r}") from None


def _instrument(symbol: dict[str, Any]) -> InstrumentRecord:
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    return InstrumentRecord(
        symbol=symbol["symbol"],
        base_asset=symbol["baseAsset"],
        quote_asset=symbol["quoteAsset"],
        kind="spot",
        status=symbol["status"],
        tick_size=filters["PRICE_FILTER"]["tickSize"],
        lot_size=filters["LOT_SIZE"]["stepSize"],
    )


def _times(values: list[int]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(
        np.array(values, dtype="datetime64[ms]").astype("datetime64[us]"), tz="UTC"
    )


def _floats(values: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([_float(value) for value in values], dtype=np.float64)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
