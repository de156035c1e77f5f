"""Candles built from single trades: an account of a minute that owes nothing to the venue's own.

A candle's first and last trades are those of the lowest and highest id, as the venue's are. Volume
taken by buyers is that of trades whose maker was the seller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.candle import FLOAT_COLUMNS, STATED_COLUMNS
from include.market.timeframe import Timeframe

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TradeTape:
    """Aggregate trades in any order; ``first_id`` and ``last_id`` are their trades, inclusive.

    Rows the venue has taken back (price and quantity 0, ids -1) are no trades and are left out.
    """

    agg_id: Ints
    time_ms: Ints
    price: Floats
    quantity: Floats
    first_id: Ints
    last_id: Ints
    buyer_maker: NDArray[np.bool_]


def build_candles(tape: TradeTape, timeframe: Timeframe) -> pd.DataFrame:
    """Return the candle frame of the buckets in which ``tape`` has trades, sorted.

    Sums are exact and rounded once, so that the order of trades changes no bit.
    """
    traded = np.flatnonzero((tape.price > 0) & (tape.quantity > 0))
    order = traded[np.argsort(tape.agg_id[traded], kind="stable")]
    buckets = tape.time_ms[order] // timeframe.length_ms
    # A trade whose time falls back behind its predecessor's stays in its own bucket.
    place = np.argsort(buckets, kind="stable")
    order, buckets = order[place], buckets[place]
    if not len(order):
        return _frame([])
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    rows = [
        _candle(tape, part, int(bucket) * timeframe.length_ms)
        for part, bucket in zip(np.split(order, starts[1:]), buckets[starts], strict=True)
    ]
    return _frame(rows)


def _candle(tape: TradeTape, part: Ints, open_ms: int) -> tuple[float, ...]:
    price, quantity = tape.price[part], tape.quantity[part]
    taken = ~tape.buyer_maker[part]
    return (
        open_ms,
        price[0],
        price.max(),
        price.min(),
        price[-1],
        math.fsum(quantity.tolist()),
        math.fsum((price * quantity).tolist()),
        math.fsum(quantity[taken].tolist()),
        math.fsum((price * quantity)[taken].tolist()),
        int((tape.last_id[part] - tape.first_id[part] + 1).sum()),
    )


def _frame(rows: list[tuple[float, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(STATED_COLUMNS))
    opens = pd.to_datetime(frame["open_time"].astype("int64"), unit="ms", utc=True)
    types: dict[str, str] = {**dict.fromkeys(FLOAT_COLUMNS, "float64"), "trade_count": "int64"}
    return frame.assign(open_time=opens.dt.as_unit("us"), flags=0).astype(types)
