"""Trades and funding payments as sources give them, as the frames the gate judges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.exchanges.rows import FundingRows, TradeRows


def as_trade_frame(rows: TradeRows) -> pd.DataFrame:
    """Return trades with ``quality.events.TRADE_COLUMNS``, in the order they came."""
    return pd.DataFrame(
        {
            "trade_time": _times(rows.time_ms),
            "trade_id": rows.agg_id,
            "price": rows.price,
            "quantity": rows.quantity,
            "first_trade_id": rows.first_trade_id,
            "last_trade_id": rows.last_trade_id,
            "buyer_is_maker": rows.buyer_maker,
            "raw": _texts(rows.raw),
        }
    )


def as_funding_frame(rows: FundingRows) -> pd.DataFrame:
    """Return funding payments with ``quality.events.FUNDING_COLUMNS``, in the order they came."""
    return pd.DataFrame(
        {
            "funding_time": _times(rows.funding_ms),
            "rate": rows.rate,
            "mark_price": rows.mark_price,
            "interval_ms": rows.interval_ms,
            "raw": _texts(rows.raw),
        }
    )


def _texts(raw: Sequence[bytes]) -> pd.Series:
    return pd.Series([text.decode("utf-8", "backslashreplace") for text in raw], dtype=object)


def _times(epoch_ms: NDArray[np.int64]) -> pd.DatetimeIndex:
    microseconds = (epoch_ms * 1000).astype("datetime64[us]")
    return pd.DatetimeIndex(microseconds).tz_localize("UTC")
