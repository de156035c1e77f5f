"""Candles as columns of whole numbers, and exact folding of them into coarser ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.simulator.catalogue import MAX_DECIMALS, Listing
from include.simulator.engine import Kline
from include.simulator.interval import Interval

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candles:
    """Rising candles of one instrument as int64 columns.

    Prices count ticks, volumes lots, quote volumes ticks times lots. ``first_id`` is the id of
    the first trade at or after the candle's open, whether or not the candle holds it.
    """

    open_ms: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    quote: Ints
    taker: Ints
    taker_quote: Ints
    count: Ints
    first_id: Ints

    def __len__(self) -> int:
        """Count the candles."""
        return len(self.open_ms)

    def columns(self) -> tuple[Ints, ...]:
        """Return the columns in the order of the fields."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def slice(self, start: int, stop: int) -> Candles:
        """Return the candles ``[start, stop)`` by position."""
        return Candles(*(column[start:stop] for column in self.columns()))


def join_candles(parts: list[Candles]) -> Candles:
    """Return the candles of ``parts`` one after the other."""
    if not parts:
        return Candles(*(np.zeros(0, dtype=np.int64) for _ in Candles.__slots__))
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.columns() for part in parts), strict=True)
    return Candles(*(np.concatenate(column) for column in columns))


def fold_candles(children: Candles, interval: Interval) -> Candles:
    """Return the candles of ``interval`` made of the children alone; a childless one is absent."""
    if not len(children):
        return children
    buckets = interval.buckets(children.open_ms)
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    ends = np.append(starts[1:], len(buckets)) - 1
    return Candles(
        open_ms=buckets[starts],
        open=children.open[starts],
        high=np.maximum.reduceat(children.high, starts),
        low=np.minimum.reduceat(children.low, starts),
        close=children.close[ends],
        volume=np.add.reduceat(children.volume, starts),
        quote=np.add.reduceat(children.quote, starts),
        taker=np.add.reduceat(children.taker, starts),
        taker_quote=np.add.reduceat(children.taker_quote, starts),
        count=np.add.reduceat(children.count, starts),
        first_id=children.first_id[starts],
    )


def decimal_text(scaled: int) -> str:
    """Return a whole number of hundred-millionths as decimal text, e.g. 150000000: 1.50000000."""
    digits = str(scaled)
    if len(digits) <= MAX_DECIMALS:
        digits = digits.zfill(MAX_DECIMALS + 1)
    return digits[:-MAX_DECIMALS] + "." + digits[-MAX_DECIMALS:]


def list_rows(candles: Candles, interval: Interval, listing: Listing) -> list[str]:
    """Return the candles as JSON arrays of 12, as ``kline_json`` writes the klines of them.

    One formatting of the whole table at once is several times as fast as one per number.
    """
    if not len(candles):
        return []
    opens, c = candles.open_ms.tolist(), candles
    closes = np.array([interval.next_ms(open_ms) - 1 for open_ms in opens], dtype=np.int64)
    ticks, lots = listing.tick_decimals, listing.lot_decimals
    cells: list[tuple[Ints, int | None]] = [
        *((c.open_ms, None), (c.open, ticks), (c.high, ticks), (c.low, ticks), (c.close, ticks)),
        *((c.volume, lots), (closes, None), (c.quote, ticks + lots), (c.count, None)),
        *((c.taker, lots), (c.taker_quote, ticks + lots)),
    ]
    formats, numbers = zip(*(_format_cell(*cell) for cell in cells), strict=True)
    row = f'[{",".join(formats)},"0"]\n'
    table = np.stack([column for columns in numbers for column in columns], axis=1)
    return (row * len(opens) % tuple(table.ravel().tolist())).splitlines()


def list_klines(candles: Candles, interval: Interval, listing: Listing) -> list[Kline]:
    """Return the candles as the venue writes them, all numbers as decimal text."""
    tick = 10 ** (MAX_DECIMALS - listing.tick_decimals)
    lot = 10 ** (MAX_DECIMALS - listing.lot_decimals)
    quote = 10 ** (MAX_DECIMALS - listing.tick_decimals - listing.lot_decimals)
    scales = (tick, tick, tick, tick, lot, quote, lot, quote)
    texts = [
        [decimal_text(value * scale) for value in column.tolist()]
        for column, scale in zip(candles.columns()[1:9], scales, strict=True)
    ]
    opens = candles.open_ms.tolist()
    rows = zip(opens, *texts, candles.count.tolist(), candles.first_id.tolist(), strict=True)
    return [Kline(row[0], interval.next_ms(row[0]) - 1, *row[1:]) for row in rows]


def _format_cell(column: Ints, decimals: int | None) -> tuple[str, tuple[Ints, ...]]:
    """Return a %-format and what it takes: a bare integer, or text with 8 decimals in quotes."""
    if decimals is None:
        return "%d", (column,)
    zeros = "0" * (MAX_DECIMALS - decimals)
    if not decimals:
        return f'"%d.{zeros}"', (column,)
    return f'"%d.%0{decimals}d{zeros}"', np.divmod(column, 10**decimals)
