"""Rows as a venue sent them, in columns. Pure.

Times are epoch milliseconds; prices and volumes are float64 with NaN for what is no number or is
not stated. ``raw`` keeps the venue's own text of every row, so that a row refused later can be
looked at as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.exchanges.row_texts import Index, RowTexts, join_texts
from include.market.candle import VALUE_COLUMNS

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

NOT_STATED = -1


@dataclass(frozen=True, slots=True, eq=False)
class CandleRows:
    """Candles in any order: ``values`` is (rows, 9) in the order of ``VALUE_COLUMNS``.

    ``close_ms`` is the last millisecond of a candle, ``NOT_STATED`` where the venue tells none.
    Columns that lie one after the other in memory (``values.T`` contiguous) are the quickest.
    """

    open_ms: Ints
    close_ms: Ints
    values: Floats
    raw: Sequence[bytes]

    def __len__(self) -> int:
        """Count the candles."""
        return len(self.open_ms)

    def column(self, name: str) -> Floats:
        """Return one of ``VALUE_COLUMNS``."""
        found: Floats = self.values[:, VALUE_COLUMNS.index(name)]
        return found

    def take(self, index: Index) -> CandleRows:
        """Return the rows that a mask, positions or a slice choose."""
        return CandleRows(
            self.open_ms[index], self.close_ms[index], self.values[index], _take(self.raw, index)
        )


@dataclass(frozen=True, slots=True, eq=False)
class TradeRows:
    """Aggregate trades: one order's fills at one price; trade ids are inclusive."""

    agg_id: Ints
    price: Floats
    quantity: Floats
    first_trade_id: Ints
    last_trade_id: Ints
    time_ms: Ints
    buyer_maker: Bools
    raw: Sequence[bytes]

    def __len__(self) -> int:
        """Count the trades."""
        return len(self.agg_id)

    def take(self, index: Index) -> TradeRows:
        """Return the rows that a mask, positions or a slice choose."""
        return TradeRows(
            self.agg_id[index],
            self.price[index],
            self.quantity[index],
            self.first_trade_id[index],
            self.last_trade_id[index],
            self.time_ms[index],
            self.buyer_maker[index],
            _take(self.raw, index),
        )


@dataclass(frozen=True, slots=True, eq=False)
class FundingRows:
    """Funding payments: ``rate`` per interval, ``interval_ms`` is ``NOT_STATED`` where unknown.

    ``funding_ms`` is as sent: Binance's lie 0 to 19 ms after the boundary.
    """

    funding_ms: Ints
    rate: Floats
    mark_price: Floats
    interval_ms: Ints
    raw: Sequence[bytes]

    def __len__(self) -> int:
        """Count the payments."""
        return len(self.funding_ms)

    def take(self, index: Index) -> FundingRows:
        """Return the rows that a mask, positions or a slice choose."""
        return FundingRows(
            self.funding_ms[index],
            self.rate[index],
            self.mark_price[index],
            self.interval_ms[index],
            _take(self.raw, index),
        )


def no_candles() -> CandleRows:
    """Return an empty table."""
    empty = np.empty(0, dtype=np.int64)
    return CandleRows(empty, empty, np.empty((0, len(VALUE_COLUMNS))), [])


def join_candles(parts: Sequence[CandleRows]) -> CandleRows:
    """Return the rows of all ``parts``, one after the other."""
    if not parts:
        return no_candles()
    return CandleRows(
        np.concatenate([part.open_ms for part in parts]),
        np.concatenate([part.close_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
        join_texts([part.raw for part in parts]),
    )


def no_trades() -> TradeRows:
    """Return an empty table."""
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return TradeRows(whole, real, real, whole, whole, whole, np.empty(0, dtype=np.bool_), [])


def join_trades(parts: Sequence[TradeRows]) -> TradeRows:
    """Return the rows of all ``parts``, one after the other."""
    if not parts:
        return no_trades()
    return TradeRows(
        np.concatenate([part.agg_id for part in parts]),
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.quantity for part in parts]),
        np.concatenate([part.first_trade_id for part in parts]),
        np.concatenate([part.last_trade_id for part in parts]),
        np.concatenate([part.time_ms for part in parts]),
        np.concatenate([part.buyer_maker for part in parts]),
        join_texts([part.raw for part in parts]),
    )


def no_funding() -> FundingRows:
    """Return an empty table."""
    whole, real = np.empty(0, dtype=np.int64), np.empty(0)
    return FundingRows(whole, real, real, whole, [])


def join_funding(parts: Sequence[FundingRows]) -> FundingRows:
    """Return the rows of all ``parts``, one after the other."""
    if not parts:
        return no_funding()
    return FundingRows(
        np.concatenate([part.funding_ms for part in parts]),
        np.concatenate([part.rate for part in parts]),
        np.concatenate([part.mark_price for part in parts]),
        np.concatenate([part.interval_ms for part in parts]),
        join_texts([part.raw for part in parts]),
    )


def _take(raw: Sequence[bytes], index: Index) -> Sequence[bytes]:
    if isinstance(raw, RowTexts):
        return raw.take(index)
    if isinstance(index, slice):
        return raw[index]
    positions = np.flatnonzero(index) if index.dtype == np.bool_ else index
    return [raw[position] for position in positions.tolist()]
