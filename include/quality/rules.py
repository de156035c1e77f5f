"""The rules a candle must keep, in vectorised numpy: fast, and a second opinion on the suite.

A breach mask tells, row by row in landed order, who breaks a rule. A comparison with NaN is no
breach: the missing value itself is one (``not_a_number``), unless its column is declared absent.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from include.market.candle import (
    DECLARABLE_COLUMNS,
    MAX_PRICE,
    MAX_VOLUME,
    PRICE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.quality.landed import NUMBER_COLUMNS, TIME_COLUMNS, Terms

BoolArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
IntArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
FloatArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
ObjectArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.object_]]
Breaches: TypeAlias = dict[str, BoolArray]

RULES = (
    "not_a_number",
    # A value where none can be: either the declaration is wrong or the parser read another column.
    # Taken in, it would be stored as this source's word; dropped, the fault would go unseen.
    "undeclared_value",
    "price_range",
    "volume_range",
    "ohlc_order",
    "taker_volume",
    "quote_volume_unit",
    "trade_count",
    # A format that changes its unit halfway is not to be trusted anywhere; a slip only where it is.
    "mixed_units",
    "time_unit",
    "snap_conflict",
    "off_grid",
    "truncated_candle",
    "outside_span",
    "in_future",
    "unfinished",
    "duplicate_key",
    "duplicate_row",
)
"""Every rule; the first one a row breaks names its refusal."""

BENIGN_RULES = frozenset({"outside_span", "unfinished", "duplicate_row"})
"""Refusals that healthy paging causes: counted, but no reason to hold a batch back."""

TIME_UNIT, MIXED_UNITS, SNAP_CONFLICT = 1, 2, 3
"""Codes of the column ``misfit``: times that cannot be judged from their row alone."""

MIN_PRICE = 1e-12
"""Smallest price stored, so that no accepted row can fail the warehouse's own check."""

MAX_TRADE_COUNT = 10**12
"""Largest count stored; as a float64 it is still exact."""

QUOTE_TOLERANCE = 1e-4
"""Relative slack of ``quote_volume``: venues round by less, a wrong unit is off by far more."""

QUOTE_STEP = 1e-8
"""Absolute slack per trade, in quote units: Binance rounds each trade to eight decimals."""


def find_breaches(batch: pd.DataFrame, terms: Terms) -> Breaches:
    """Return a breach mask per rule for an aligned landed frame (``alignment.align_landed``).

    ``duplicate_key`` marks every row that shares its open time with another one; which of them
    is kept is settled with the verdict.
    """
    numbers = {name: batch[name].to_numpy(dtype=np.float64) for name in NUMBER_COLUMNS}
    return _presence_breaches(batch, numbers, terms) | (
        _value_breaches(numbers) | _time_breaches(batch, terms)
    )


def count_out_of_order(batch: pd.DataFrame) -> int:
    """Return how many rows open before the row landed just ahead of them."""
    opens, known = _epoch_us(batch["open_time"])
    return int(np.count_nonzero(np.diff(opens[known]) < 0))


def _presence_breaches(
    batch: pd.DataFrame, numbers: dict[str, FloatArray], terms: Terms
) -> Breaches:
    present = {name: batch[name].notna().to_numpy() for name in (*TIME_COLUMNS, *NUMBER_COLUMNS)}
    usable = present | {name: np.isfinite(numbers[name]) for name in NUMBER_COLUMNS}
    nothing = np.zeros(len(batch), dtype=np.bool_)
    return {
        "not_a_number": _any([~usable[name] for name in usable if name not in terms.absent]),
        "undeclared_value": _any(
            [nothing, *(present[name] for name in DECLARABLE_COLUMNS if name in terms.absent)]
        ),
    }


def _value_breaches(numbers: dict[str, FloatArray]) -> Breaches:
    low, high = numbers["low"], numbers["high"]
    return {
        "price_range": _outside(numbers, PRICE_COLUMNS, MIN_PRICE, MAX_PRICE),
        "volume_range": _outside(numbers, VOLUME_COLUMNS, 0.0, MAX_VOLUME),
        "ohlc_order": _any(
            [(low > numbers[name]) | (high < numbers[name]) for name in ("open", "close")]
        ),
        "taker_volume": (numbers["taker_buy_volume"] > numbers["volume"])
        | (numbers["taker_buy_quote_volume"] > numbers["quote_volume"]),
        "quote_volume_unit": _implausible_quote(numbers),
        "trade_count": _implausible_count(numbers["volume"], numbers["trade_count"]),
    }


def _outside(
    numbers: dict[str, FloatArray], names: tuple[str, ...], low: float, high: float
) -> BoolArray:
    return _any([(numbers[name] < low) | (numbers[name] > high) for name in names])


def _implausible_quote(numbers: dict[str, FloatArray]) -> BoolArray:
    with np.errstate(invalid="ignore", over="ignore"):
        volume, slack = numbers["volume"], numbers["trade_count"] * QUOTE_STEP
        least = numbers["low"] * volume * (1 - QUOTE_TOLERANCE) - slack
        most = numbers["high"] * volume * (1 + QUOTE_TOLERANCE) + slack
        quote = numbers["quote_volume"]
    breach: BoolArray = (quote < least) | (quote > most)
    return breach


def _implausible_count(volume: FloatArray, count: FloatArray) -> BoolArray:
    known = ~np.isnan(volume) & ~np.isnan(count)
    whole = (count >= 0) & (count <= MAX_TRADE_COUNT) & (np.floor(count) == count)
    breach: BoolArray = known & ~(whole & ((volume == 0) == (count == 0)))
    return breach


def _time_breaches(batch: pd.DataFrame, terms: Terms) -> Breaches:
    opens, opened = _epoch_us(batch["open_time"])
    ends, ended = _epoch_us(batch["end_time"])
    misfit, flags = batch["misfit"].to_numpy(), batch["flags"].to_numpy()
    span, server_us = terms.span, terms.server_time_ms * 1000
    # One candle of grace: a minute may turn between asking for the time and for the candles.
    latest_us = server_us + terms.length_us
    inside = (opens >= span.start_ms * 1000) & (opens < span.end_ms * 1000)
    return {
        "mixed_units": misfit == MIXED_UNITS,
        "time_unit": misfit == TIME_UNIT,
        "snap_conflict": misfit == SNAP_CONFLICT,
        "off_grid": opened & (opens % terms.length_us != 0),
        # What was flagged has been found to have the length it should.
        "truncated_candle": opened
        & ended
        & (flags == 0)
        & (ends != opens + terms.length_us - 1000),
        "outside_span": opened & ~inside,
        "in_future": opened & (opens > latest_us),
        "unfinished": ended & (ends >= server_us),
        "duplicate_key": opened & batch["open_time"].duplicated(keep=False).to_numpy(),
    }


def _epoch_us(column: pd.Series) -> tuple[IntArray, BoolArray]:
    epoch_us = np.asarray(column.astype("int64"), dtype=np.int64)
    return epoch_us, column.notna().to_numpy()


def _any(masks: list[BoolArray]) -> BoolArray:
    union: BoolArray = np.logical_or.reduce(masks)
    return union
