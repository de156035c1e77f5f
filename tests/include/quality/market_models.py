"""Markets that do not drift and yet look as if they did: clustered volatility, hours, weekends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.timeframe import DAY_MS, M5, Timeframe

START = pd.Timestamp("2026-01-05", tz="UTC")
START_MS = int(START.timestamp()) * 1000
BARS = DAY_MS // M5.length_ms
Floats = NDArray[np.float64]


def garch_market(days: int, count: int, seed: int, *, persistence: float = 0.8) -> list[Any]:
    """Return 5m candle frames of ``count`` independent markets, stationary by construction.

    Returns follow GARCH(1,1) with Student shocks (half-life six hours) around a level of volatility
    that is itself an AR(1) from day to day, of correlation ``persistence``; volume and number of
    trades follow volatility; all of it breathes with the hour and the weekend.
    """
    draw = np.random.default_rng(seed)
    bars = days * BARS
    level = _slow_level(days, count, draw, persistence)
    shocks = draw.standard_t(5, (bars, count)) * np.sqrt(3 / 5)
    variance, moves = np.ones(count), np.empty((bars, count))
    scale = np.empty((bars, count))
    for bar in range(bars):
        scale[bar] = np.sqrt(variance)
        moves[bar] = scale[bar] * shocks[bar]
        variance = 0.01 + 0.05 * moves[bar] ** 2 + 0.94 * variance
    activity = np.exp(level) * scale
    close = 100 * np.exp(2e-4 * np.cumsum(np.exp(level) * moves, axis=0))
    opened = np.vstack([np.full(count, 100.0), close[:-1]])
    opened *= np.exp(draw.normal(0, 1e-5, (bars, count)))
    reach = np.exp(2e-4 * activity * np.abs(draw.standard_normal((bars, count))))
    volume = 50 * activity * draw.lognormal(0, 0.7, (bars, count))
    trades = draw.poisson(np.minimum(3 * volume, 1e6))
    times = pd.date_range(START, periods=bars, freq="5min", unit="us")
    return [
        pd.DataFrame(
            {
                "open_time": times,
                "open": opened[:, one],
                "high": (np.maximum(opened, close) * reach)[:, one],
                "low": (np.minimum(opened, close) / reach)[:, one],
                "close": close[:, one],
                "volume": volume[:, one],
                "trade_count": trades[:, one],
            }
        )
        for one in range(count)
    ]


def _slow_level(days: int, count: int, draw: np.random.Generator, persistence: float) -> Floats:
    """Return the log of activity at every bar: an AR(1) over days, hours and weekends on top."""
    daily = np.empty((days + 1, count))
    daily[0] = draw.normal(0, 0.3, count)
    for day in range(1, days + 1):
        fresh = draw.normal(0, 0.3 * np.sqrt(1 - persistence**2), count)
        daily[day] = persistence * daily[day - 1] + fresh
    place = np.arange(days * BARS) / BARS
    day, part = place.astype(int), (place % 1)[:, None]
    hours = 0.5 * np.sin(2 * np.pi * (place % 1 - 1 / 3)) - np.where(day % 7 >= 5, 0.4, 0.0)
    level: Floats = daily[day] * (1 - part) + daily[day + 1] * part + hours[:, None]
    return level


def coarser(frame: pd.DataFrame, timeframe: Timeframe) -> pd.DataFrame:
    """Return candles of a coarser timeframe, in plain pandas."""
    bucket = frame["open_time"].dt.floor(f"{timeframe.length_ms}ms")
    chosen: dict[str, str] = {
        "open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum",
        "trade_count": "sum",
    }  # fmt: skip
    return frame.groupby(bucket).agg(chosen).reset_index()


Change = Callable[[pd.DataFrame], pd.DataFrame]


def after(frame: pd.DataFrame, day: int, change: Change) -> pd.DataFrame:
    """Return ``frame`` with what comes from ``day`` on changed."""
    place = int(frame["open_time"].searchsorted(START + pd.Timedelta(days=day)))
    return pd.concat([frame[:place], change(frame[place:])], ignore_index=True)


def louder(factor: float) -> Change:
    """Return a change that stretches every move of the price by ``factor``, volume left alone."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        base = float(frame["open"].iloc[0])
        names = ["open", "high", "low", "close"]
        return frame.assign(**{name: base * (frame[name] / base) ** factor for name in names})

    return change


def scaled(name: str, factor: float) -> Change:
    """Return a change that multiplies one column."""
    return lambda frame: frame.assign(**{name: frame[name] * factor})
