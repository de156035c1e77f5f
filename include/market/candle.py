"""What a table of candles looks like between the rooms.

A *candle frame* is a pandas DataFrame of one instrument and timeframe. ``open_time`` is
``datetime64[us, UTC]``; every column of ``FLOAT_COLUMNS`` is float64, ``trade_count`` int64.
A *landed frame* adds ``close_time`` and ``raw`` (the venue's own row as JSON text), and may hold
NaN or NaT where the venue sent something that is not a number.
A *coarse frame* adds ``children_present`` and ``children_expected`` (int64).
"""

from __future__ import annotations

PRICE_COLUMNS = ("open", "high", "low", "close")
VOLUME_COLUMNS = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
FLOAT_COLUMNS = PRICE_COLUMNS + VOLUME_COLUMNS
VALUE_COLUMNS = (*FLOAT_COLUMNS, "trade_count")
CANDLE_COLUMNS = ("open_time", *VALUE_COLUMNS)
LANDED_COLUMNS = (*CANDLE_COLUMNS, "close_time", "raw")
COARSE_COLUMNS = (*CANDLE_COLUMNS, "children_present", "children_expected")

MAX_PRICE = 1e12
MAX_VOLUME = 1e18
