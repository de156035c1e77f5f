"""Puts beside each stored row what its suite compares it with. Pure.

The frames come from reads of the warehouse; the columns added are those that
``stored_suites`` names.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.timeframe import Timeframe

Ints: TypeAlias = NDArray[np.int64]

PROMISED_IDS: Final = frozenset({"binance_spot"})
"""Venues whose aggregate trade ids have no holes; elsewhere a hole is the venue's right."""


def frame_candles(rows: pd.DataFrame, timeframe: Timeframe) -> pd.DataFrame:
    """Return stored candles with ``grid_time``, ``final_time`` and ``missing_before``.

    ``final_time`` is the last microsecond a candle speaks of; ``missing_before`` counts the
    candles absent between it and the one before, of whatever reason.
    """
    opens_us: Ints = np.asarray(rows["open_time"].astype("int64"), dtype=np.int64)
    grid_us, ends_us = _buckets_us(opens_us, timeframe)
    apart_us = (rows["open_time"] - rows["end_before"]).dt.total_seconds() * 1e6
    places = np.floor(apart_us / (timeframe.length_ms * 1000))
    missing = np.zeros(len(rows)) if timeframe.months else places
    return rows.assign(
        grid_time=_times(grid_us),
        final_time=_times(ends_us - 1),
        missing_before=missing,
    )


def frame_trades(rows: pd.DataFrame) -> pd.DataFrame:
    """Return stored trades with ``since_trade_before_us``, ``id_step`` and ``known_holes``."""
    step = rows["trade_id"] - rows["id_before"]
    return rows.assign(
        since_trade_before_us=_apart_us(rows["trade_time"], rows["time_before"]),
        id_step=step.where(rows["venue"].isin(PROMISED_IDS)),
        known_holes=0.0,
    )


def frame_funding(rows: pd.DataFrame) -> pd.DataFrame:
    """Return stored payments with ``step_ms`` since the one before; no interval is stated."""
    step_us = _apart_us(rows["funding_time"], rows["time_before"])
    return rows.assign(step_ms=step_us / 1000, interval_ms=-1.0)


def frame_instruments(rows: pd.DataFrame) -> pd.DataFrame:
    """Return stored instruments with ``assets``: how many different ones they name."""
    return rows.assign(assets=np.where(rows["base_asset"] == rows["quote_asset"], 1.0, 2.0))


def frame_channels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return stored channels with ``published_loss``: the model's, where it is published."""
    return rows.assign(published_loss=rows["model_loss"].where(rows["published"].eq(1)))


def _apart_us(later: pd.Series, earlier: pd.Series) -> pd.Series:
    return (later - earlier).dt.total_seconds() * 1e6


def _buckets_us(opens_us: Ints, timeframe: Timeframe) -> tuple[Ints, Ints]:
    """Return where the bucket of each instant begins and ends, epoch microseconds."""
    if not timeframe.months:
        length_us, anchor_us = timeframe.length_ms * 1000, timeframe.anchor_ms * 1000
        grid_us = opens_us - (opens_us - anchor_us) % length_us
        return grid_us, grid_us + length_us
    months, place = np.unique(opens_us // 1000, return_inverse=True)
    starts = [timeframe.floor_ms(month) for month in months.tolist()]
    ends = [timeframe.end_ms(start) for start in starts]
    return (
        np.array(starts, dtype=np.int64)[place] * 1000,
        np.array(ends, dtype=np.int64)[place] * 1000,
    )


def _times(epoch_us: Ints) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(epoch_us.astype("datetime64[us]")).tz_localize("UTC")
