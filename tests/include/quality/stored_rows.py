"""Frames of stored rows for tests, as the reads of the warehouse give them: all of them sound."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.market.candle import VALUE_COLUMNS
from include.market.timeframe import M1, M5, Timeframe

START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("us")


def times(count: int, step: str, first: int = 0) -> pd.Series:
    """Return ``count`` instants, ``step`` apart."""
    index = pd.date_range(START, periods=count + first, freq=step, unit="us")[first:]
    return pd.Series(index).astype("datetime64[us, UTC]").reset_index(drop=True)


def stored_candles(count: int, timeframe: Timeframe = M1) -> pd.DataFrame:
    """Return sound candles of one instrument."""
    opens = times(count, f"{timeframe.length_ms}ms")
    length = pd.Timedelta(timeframe.length_ms, unit="ms")
    return pd.DataFrame(
        {
            "instrument_id": np.int64(1),
            "open_time": opens,
            "open": 100.0,
            "high": 102.0,
            "low": 99.0,
            "close": 101.0,
            "volume": 10.0,
            "quote_volume": 1000.0,
            "taker_buy_volume": 4.0,
            "taker_buy_quote_volume": 400.0,
            "trade_count": 7.0,
            "flags": 0.0,
            "recorded_at": opens + 2 * length,
            "end_before": opens.shift() + length,
            "explained_before": 0.0,
            "instrument": "binance_spot:BTCUSDT",
        }
    )


def stored_coarse_candles(count: int) -> pd.DataFrame:
    """Return sound 5m candles with what their children add up to."""
    frame = stored_candles(count, M5)
    children = {f"children_{name}": frame[name] for name in VALUE_COLUMNS}
    return frame.assign(
        children_present=5.0, children_expected=5.0, **children, children_children_present=5.0
    )


def stored_trades(count: int) -> pd.DataFrame:
    """Return sound trades, one a second."""
    ids = np.arange(count) + 500
    made = times(count, "1s")
    return pd.DataFrame(
        {
            "instrument_id": np.int64(1),
            "trade_time": made,
            "trade_id": ids,
            "price": 100.0,
            "quantity": 0.5,
            "time_before": made.shift(),
            "id_before": np.where(ids == 500, np.nan, ids - 1.0),
            "venue": "binance_spot",
            "instrument": "binance_spot:BTCUSDT",
        }
    )


def stored_funding(count: int) -> pd.DataFrame:
    """Return sound funding payments, every eight hours."""
    paid = times(count, "8h")
    return pd.DataFrame(
        {
            "instrument_id": np.int64(1),
            "funding_time": paid,
            "rate": 0.0001,
            "mark_price": 100.0,
            "time_before": paid.shift(),
            "instrument": "binance_usdm:BTCUSDT",
        }
    )


def stored_instruments(count: int) -> pd.DataFrame:
    """Return sound instruments."""
    return pd.DataFrame(
        {
            "venue": "binance_spot",
            "symbol": [f"A{place}USDT" for place in range(count)],
            "base_asset": [f"A{place}" for place in range(count)],
            "quote_asset": "USDT",
            "kind": "spot",
            "status": "TRADING",
            "tick_size": 0.01,
            "lot_size": 0.001,
            "listed_at": times(count, "1D"),
            "delisted_at": times(count, "1D").where(pd.Series(False, index=range(count))),
        }
    )


def stored_channels(count: int) -> pd.DataFrame:
    """Return sound channels, published ones and others."""
    starts = times(count, "1D")
    published = (np.arange(count) % 2).astype(np.float64)
    return pd.DataFrame(
        {
            "instrument_id": np.int64(1),
            "timeframe": "4h",
            "start_time": starts,
            "end_time": starts + pd.Timedelta("20h"),
            "published": published,
            "baseline_loss": 2.0,
            "model_loss": np.where(published == 1, 1.0, 3.0),
            "lines": 3.0,
            "least_gap": 0.5,
            "instrument": "binance_spot:BTCUSDT",
        }
    )


def stored_forecasts(count: int) -> pd.DataFrame:
    """Return sound forecasts."""
    made = times(count, "1min")
    return pd.DataFrame(
        {
            "instrument_id": np.int64(1),
            "timeframe": "1m",
            "made_at": made,
            "target_time": made + pd.Timedelta("1min"),
            "probability_sum": 1.0 + 1e-9,
            "least_probability": 0.1,
            "greatest_probability": 0.6,
            "instrument": "binance_spot:BTCUSDT",
        }
    )
