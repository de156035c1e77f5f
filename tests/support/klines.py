"""Kline arrays in Binance's wire format, for tests that write their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from include.exchanges.binance_klines import parse_klines
from include.exchanges.rows import CandleRows
from include.market.timeframe import M1, Timeframe


def kline(open_ms: int, timeframe: Timeframe = M1, **changes: Any) -> list[Any]:
    """Return one sound candle of the documented layout, with ``changes`` made to it."""
    row: dict[str, Any] = {
        "open_ms": open_ms, "open": "100", "high": "102", "low": "99", "close": "101",
        "volume": "10", "close_ms": open_ms + timeframe.length_ms - 1, "quote": "1000", "count": 7,
        "taker": "4", "taker_quote": "400", "ignored": "0",
    }  # fmt: skip
    assert changes.keys() <= row.keys(), f"a kline has no {changes.keys() - row.keys()}"
    return list((row | changes).values())


def body(rows: Iterable[list[Any]]) -> bytes:
    """Return rows as the venue sends them."""
    return json.dumps(list(rows), separators=(",", ":")).encode()


def candle_rows(rows: Iterable[list[Any]]) -> CandleRows:
    """Return rows as the client reads them."""
    return parse_klines(body(rows))
