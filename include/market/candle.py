"""What a table of candles looks like between the rooms.

A *candle frame* is a pandas DataFrame of one instrument and timeframe. ``open_time`` is
``datetime64[us, UTC]``; every column of ``FLOAT_COLUMNS`` is float64, ``trade_count`` int64.
A value of ``OPTIONAL_COLUMNS`` may be absent, because its source never states that column: NaN in
a float column, ``ABSENT_COUNT`` in ``trade_count``, which so stays an exact integer. Absent is not
zero, and no sum of absent values is known. ``flags`` (int64) adds up what was mended or is wanting
in a candle, the flags below; a frame that lacks the column holds candles with none.
A *landed frame* adds ``close_time`` and ``raw`` (the venue's own row as JSON text), and may hold
NaN or NaT where the venue sent something that is not a number; its ``trade_count`` is NaN where
absent. With it goes which of ``DECLARABLE_COLUMNS`` its source never states: these hold nothing.
A *coarse frame* adds ``children_present`` and ``children_expected`` (int64).
"""

from __future__ import annotations

PRICE_COLUMNS = ("open", "high", "low", "close")
VOLUME_COLUMNS = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
FLOAT_COLUMNS = PRICE_COLUMNS + VOLUME_COLUMNS
VALUE_COLUMNS = (*FLOAT_COLUMNS, "trade_count")
STATED_COLUMNS = ("open_time", *VALUE_COLUMNS)
CANDLE_COLUMNS = (*STATED_COLUMNS, "flags")
LANDED_COLUMNS = (*STATED_COLUMNS, "close_time", "raw")
COARSE_COLUMNS = (*CANDLE_COLUMNS, "children_present", "children_expected")
OPTIONAL_COLUMNS = ("quote_volume", "taker_buy_volume", "taker_buy_quote_volume", "trade_count")
DECLARABLE_COLUMNS = (*OPTIONAL_COLUMNS, "close_time")
ABSENT_COUNT = -1

MAX_PRICE = 1e12
MAX_VOLUME = 1e18

SNAPPED = 1
"""Flag: the venue's open time lay beside the grid and was moved onto it."""
TRUNCATED = 2
"""Flag: the candle ends before its time, as the last one before a halt does."""
SYNTHETIC = 4
"""Flag: made up for a span proven to be without trades; never stored, only in views that ask."""
PARTIAL = 8
"""Flag of a coarse candle: children are absent."""
FOREIGN = 16
"""Flag: another venue stated it, because the own one has nothing left of that time."""
FLAG_NAMES = {
    SNAPPED: "snapped",
    TRUNCATED: "truncated",
    SYNTHETIC: "synthetic",
    PARTIAL: "partial",
    FOREIGN: "foreign",
}
MAX_FLAGS = SNAPPED | TRUNCATED | SYNTHETIC | PARTIAL | FOREIGN
SECOND_VENUE = "second_venue"
"""The way foreign candles come: a source whose every candle is flagged so."""
