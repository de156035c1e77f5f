"""A week of a trending market, loaded and rolled up, ready to fit channels on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from include.jobs.cascade import cascade_changes
from include.market.settings import Settings
from include.market.timeframe import CASCADE
from include.warehouse.engine import Connection
from tests.support.warehouse import START, load_frame, minutes

DAYS = 7
MINUTES = DAYS * 1440
SETTINGS = Settings(segment_min_candles=4, channel_history_candles=200)


def trending(
    seed: int, count: int = MINUTES, *, noise: float = 4e-4, flip: int = 600
) -> pd.DataFrame:
    """Return 1m candles whose log close goes up and down in straight lines, with some noise."""
    draw = np.random.default_rng(seed)
    slopes = np.where(np.arange(count) // flip % 2 == 0, 2e-5, -1.5e-5)
    close = 100 * np.exp(np.cumsum(slopes) + draw.normal(0, noise, count))
    volume = draw.lognormal(0, 0.3, count)
    return pd.DataFrame(
        {
            "open_time": pd.date_range(START, periods=count, freq="1min", unit="us"),
            "open": close,
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
            "volume": volume,
            "quote_volume": volume * close,
            "taker_buy_volume": volume / 2,
            "taker_buy_quote_volume": volume * close / 2,
            "trade_count": draw.poisson(40, count),
        }
    )


def store(
    conn: Connection, frame: pd.DataFrame, symbol: str = "BTCUSDT", *, content: object = ""
) -> None:
    """Load ``frame`` and roll it up, as what the venue says of its whole span."""
    first = int((frame["open_time"].iloc[0] - START).total_seconds()) // 60
    span = minutes(first, first + len(frame))
    load_frame(conn, frame, span, symbol=symbol, path=f"{symbol}/{span}", content=content)
    roll_up(conn)


def roll_up(conn: Connection) -> None:
    """Build every coarser candle that is due."""
    for source, target in CASCADE:
        cascade_changes(conn, source, target, run_id="test")


def part(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Return the minutes [first, last) of ``frame``."""
    return frame.iloc[first:last].reset_index(drop=True)


def revised(frame: pd.DataFrame, places: Sequence[int], factor: float) -> pd.DataFrame:
    """Return the minutes at ``places`` alone, their prices multiplied by ``factor``."""
    some = frame.iloc[list(places)].reset_index(drop=True)
    return some.assign(**{name: some[name] * factor for name in ("open", "high", "low", "close")})
