"""The rules trades and funding payments must keep, in vectorised numpy.

A breach mask tells, row by row in landed order, who breaks a rule, as ``rules`` does for candles.
A trade the venue took back (price and quantity 0, trade ids -1; Binance changelog of 2022-04-12)
is refused for that and for nothing else. A repetition is refused, never what it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from include.market.candle import MAX_PRICE, MAX_VOLUME
from include.quality.events import EventTerms
from include.quality.rules import BoolArray, Breaches, FloatArray, IntArray

TRADE_RULES: Final = (
    "taken_back",
    "not_a_number",
    "impossible_price",
    "impossible_quantity",
    "impossible_fills",
    "outside_span",
    "in_future",
    "repeated_id",
    "repeated_trade",
    "falling_time",
)
"""Every rule for trades; the first one a row breaks names its refusal.

``repeated_id`` has other values than the first row of its id, ``repeated_trade`` the same.
"""

FUNDING_RULES: Final = (
    "not_a_number",
    "rate_range",
    "mark_price_range",
    "outside_span",
    "in_future",
    "funding_interval",
    "repeated_time",
    "repeated_payment",
)
"""Every rule for funding payments.

``repeated_time`` has other values than the first row of its time, ``repeated_payment`` the same.
"""

BENIGN_EVENT_RULES: Final = frozenset(
    {"taken_back", "outside_span", "repeated_trade", "repeated_payment"}
)
"""Refusals that healthy venues and paging cause: counted, but no reason to hold a batch back."""

MAX_FUNDING_RATE: Final = 0.75
"""Largest payment per interval, either way: venues cap theirs far below (Binance at 3 %)."""

FUTURE_GRACE_US: Final = 1_000_000
"""How far ahead of the venue's clock a time may lie: answers are put together in parallel."""

INTERVALS_MS: Final = (3_600_000, 7_200_000, 14_400_000, 28_800_000)
"""Times between two payments that venues use: 1, 2, 4 and 8 hours."""

JITTER_US: Final = 60_000_000
"""So near to the full hour payments lie; recorded ones 0 to 19 ms after it."""

HOUR_US: Final = 3_600_000_000
NOT_STATED: Final = -1
_TRADE_VALUES: Final = (
    "trade_time",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "buyer_is_maker",
)


def find_trade_breaches(batch: pd.DataFrame, terms: EventTerms) -> Breaches:
    """Return a breach mask per rule of ``TRADE_RULES`` for a normalised frame of trades."""
    price, quantity = _floats(batch, "price"), _floats(batch, "quantity")
    first, last = _ints(batch, "first_trade_id"), _ints(batch, "last_trade_id")
    times, stated = _epoch_us(batch["trade_time"])
    void = (price == 0) & (quantity == 0) & (first == -1) & (last == -1)
    known = np.isfinite(price) & np.isfinite(quantity) & stated
    breaches = {
        "taken_back": void,
        "not_a_number": ~void & ~known,
        "impossible_price": ~void & known & ~((price > 0) & (price <= MAX_PRICE)),
        "impossible_quantity": ~void & known & ~((quantity > 0) & (quantity <= MAX_VOLUME)),
        "impossible_fills": ~void & ((first < 0) | (last < first)),
        **_time_breaches(times, stated & ~void, terms),
    }
    sound = ~np.logical_or.reduce(list(breaches.values()))
    again, equal = _repetitions(batch, "trade_id", _TRADE_VALUES, sound)
    return breaches | {
        "repeated_id": again & ~equal,
        "repeated_trade": again & equal,
        "falling_time": _falling(times, sound & ~again),
    }


def find_funding_breaches(batch: pd.DataFrame, terms: EventTerms) -> Breaches:
    """Return a breach mask per rule of ``FUNDING_RULES`` for a normalised frame of payments.

    A payment lies on a full hour, give or take a minute, and its interval, where known, is one
    that venues use.
    """
    rate, mark = _floats(batch, "rate"), _floats(batch, "mark_price")
    interval_ms = _ints(batch, "interval_ms")
    times, stated = _epoch_us(batch["funding_time"])
    beside = np.abs((times + HOUR_US // 2) % HOUR_US - HOUR_US // 2) > JITTER_US
    odd = (interval_ms != NOT_STATED) & ~np.isin(interval_ms, INTERVALS_MS)
    breaches = {
        "not_a_number": ~(np.isfinite(rate) & stated),
        "rate_range": np.abs(rate) > MAX_FUNDING_RATE,
        # What was never stated is no fault.
        "mark_price_range": ~np.isnan(mark) & ~((mark > 0) & (mark <= MAX_PRICE)),
        **_time_breaches(times, stated, terms),
        "funding_interval": stated & (beside | odd),
    }
    sound = ~np.logical_or.reduce(list(breaches.values()))
    again, equal = _repetitions(batch, "funding_time", ("rate", "mark_price"), sound)
    return breaches | {"repeated_time": again & ~equal, "repeated_payment": again & equal}


def find_id_holes(trade_ids: Sequence[int] | IntArray) -> list[tuple[int, int]]:
    """Return the ids missing between the smallest and the largest, each (first, last) inclusive.

    On futures a hole is the venue's right and proves nothing; where ids have no holes, each is a
    piece of the tape that did not come.
    """
    ids = np.unique(np.asarray(trade_ids, dtype=np.int64))
    return [
        (int(ids[at]) + 1, int(ids[at + 1]) - 1) for at in np.flatnonzero(np.diff(ids) > 1).tolist()
    ]


def _time_breaches(times: IntArray, stated: BoolArray, terms: EventTerms) -> Breaches:
    start_us, end_us = terms.span.start_ms * 1000, terms.span.end_ms * 1000
    return {
        "outside_span": stated & ~((times >= start_us) & (times < end_us)),
        "in_future": stated & (times > terms.server_time_ms * 1000 + FUTURE_GRACE_US),
    }


def _falling(times: IntArray, sound: BoolArray) -> BoolArray:
    """Return which of the sound rows lie before one that came earlier."""
    falls = np.zeros(len(times), dtype=np.bool_)
    known = times[sound]
    falls[np.flatnonzero(sound)[1:]] = known[1:] < np.maximum.accumulate(known)[:-1]
    return falls


def _repetitions(
    batch: pd.DataFrame, key: str, values: Sequence[str], sound: BoolArray
) -> tuple[BoolArray, BoolArray]:
    """Return which sound rows repeat the key of an earlier one, and which of them equal it.

    A row that breaks a rule of its own repeats nothing, nor does it take another's place.
    """
    again, equal = np.zeros(len(batch), dtype=np.bool_), np.zeros(len(batch), dtype=np.bool_)
    rows = np.flatnonzero(sound)
    _, first, places = np.unique(
        _comparable(batch[key])[rows], return_index=True, return_inverse=True
    )
    origin = first[places]
    later = origin != np.arange(len(rows))
    again[rows[later]] = True
    alike = np.ones(int(np.count_nonzero(later)), dtype=np.bool_)
    for name in values:
        column = _comparable(batch[name])[rows]
        own, other = column[later], column[origin[later]]
        alike &= (own == other) | ((own != own) & (other != other))
    equal[rows[later]] = alike
    return again, equal


def _comparable(column: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    return np.asarray(column.astype("int64") if column.dtype.kind == "M" else column)


def _floats(batch: pd.DataFrame, name: str) -> FloatArray:
    return batch[name].to_numpy(dtype=np.float64)


def _ints(batch: pd.DataFrame, name: str) -> IntArray:
    return batch[name].to_numpy(dtype=np.int64)


def _epoch_us(column: pd.Series) -> tuple[IntArray, BoolArray]:
    return np.asarray(column.astype("int64"), dtype=np.int64), column.notna().to_numpy()
