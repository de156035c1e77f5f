"""Real recorded batches as landed frames; a test asking for an absent one is skipped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from include.market.candle import LANDED_COLUMNS
from include.market.timeframe import Timeframe

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
BINANCE_COLUMNS = {
    "count": "trade_count",
    "number_of_trades": "trade_count",
    "quote_asset_volume": "quote_volume",
    "taker_buy_base_asset_volume": "taker_buy_volume",
    "taker_buy_quote_asset_volume": "taker_buy_quote_volume",
}


def recorded_path(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded market data {name} is not beside the repository")
    return path


def read_binance_csv(name: str) -> pd.DataFrame:
    """Return a native Binance kline CSV as a landed frame."""
    table = pd.read_csv(recorded_path(name)).rename(columns=BINANCE_COLUMNS)
    for column in ("open_time", "close_time"):
        table[column] = _as_time(table[column].astype("int64"))
    table["raw"] = "[]"
    return table[list(LANDED_COLUMNS)]


def read_bybit_csv(name: str, timeframe: Timeframe) -> pd.DataFrame:
    """Return a Bybit CSV as a landed frame; what Bybit does not say is filled in plausibly."""
    table = pd.read_csv(recorded_path(name), parse_dates=["timestamp"])
    opens = table.pop("timestamp").astype("datetime64[us, UTC]")
    lasting = pd.Timedelta(milliseconds=timeframe.length_ms - 1)
    quote = table["volume"] * (table["low"] + table["high"]) / 2
    landed = table.assign(
        open_time=opens,
        close_time=opens + lasting,
        quote_volume=quote,
        taker_buy_volume=0.0,
        taker_buy_quote_volume=0.0,
        trade_count=(table["volume"] > 0).astype("int64"),
        raw="[]",
    )
    return landed[list(LANDED_COLUMNS)]


def read_recorded_klines(endpoint: str) -> list[pd.DataFrame]:
    """Return every recorded REST answer of a kline endpoint as a landed frame."""
    path = recorded_path("rest_recorded/gct_binance_public.json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        recorded: dict[str, list[dict[str, Any]]] = json.load(file)
    frames = []
    for answer in recorded[endpoint]:
        rows = [[float(value) for value in line[:11]] for line in answer["data"]]
        table = pd.DataFrame(rows, columns=_KLINE_ORDER)
        for column in ("open_time", "close_time"):
            table[column] = _as_time(table[column].astype("int64"))
        frames.append(table.assign(raw="[]")[list(LANDED_COLUMNS)])
    return frames


_KLINE_ORDER = [
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "trade_count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
]


def _as_time(epoch_ms: pd.Series) -> pd.Series:
    return pd.to_datetime(epoch_ms, unit="ms", utc=True).astype("datetime64[us, UTC]")
