"""One UTC day of one instrument: a price per 5 s and who bought and sold how much at it.

The cell (step, side) is the atom. A candle is an exact sum over cells, and a minute's trades are
an exact split of its cells, so both tell the same story to the last lot. Takers buy one tick above
the price at which they sell. All numbers are whole: ticks, lots, counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.candles import Candles, Ints
from include.simulator.catalogue import Listing
from include.simulator.interval import MINUTE_MS
from include.simulator.keyed import keyed_generator, keyed_uniform
from include.simulator.market import Market
from include.simulator.paths import STEP_MS, STEPS, Floats
from include.simulator.schedule import HISTORY_START_MS

MINUTES = 1440
STEPS_PER_MINUTE = STEPS // MINUTES
SELL, BUY = 0, 1

_FIRST_DAY = HISTORY_START_MS // DAY_MS
_FILLS_PER_ORDER = 1.4
_WEEK = (1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.65)
_DAY_JITTER = 0.3
_LOT_SPREAD = 1.0


@dataclass(frozen=True, slots=True)
class Cells:
    """The atoms of a day; arrays have a place per step, those per side a row SELL and a row BUY.

    ``orders`` counts taker orders (one aggregate trade each), ``fills`` their trades.
    ``opens_buy`` and ``closes_buy`` say which side took the first and the last order of a step.
    ``first_order`` and ``first_fill`` are the ids with which each minute begins (1440 + 1).
    """

    price: Ints
    orders: Ints
    fills: Ints
    lots: Ints
    opens_buy: NDArray[np.bool_]
    closes_buy: NDArray[np.bool_]
    first_order: Ints
    first_fill: Ints


@dataclass(frozen=True, slots=True)
class DayBlock:
    """What is kept of a day: its 1m candles (outages left out) and where its ids begin."""

    candles: Candles
    first_order: Ints


def allot(total: int, weights: Floats, offset: float = 0.5) -> Ints:
    """Split ``total`` into whole parts near its shares by ``weights`` (systematic sampling).

    The parts sum to ``total`` exactly; a part whose weight is 0 gets nothing. ``offset`` in
    [0, 1) shifts the rounding.
    """
    reached = np.cumsum(weights)
    marks = np.floor(reached * (total / reached[-1]) + offset).astype(np.int64)
    marks[reached >= reached[-1]] = total
    parts = np.asarray(np.minimum(marks, total))
    parts[1:] -= parts[:-1].copy()
    return parts


def count_before(seed: int, listing: Listing, kind: str, day: int) -> int:
    """Return how many orders (``kind`` "order") or fills ("fill") precede the day's first.

    Closed form, so that ids need no history: weekdays weigh more than weekends, and each midnight
    is shifted by a keyed share of a day. Ids begin at 1 on the first day of history.
    """
    if day <= _FIRST_DAY:
        return 0
    weeks, rest = divmod(day - _FIRST_DAY, 7)
    weekday = (_FIRST_DAY + 3) % 7
    worth = weeks * sum(_WEEK) + sum(_WEEK[(weekday + i) % 7] for i in range(rest))
    worth += _DAY_JITTER * keyed_uniform(seed, listing.key, "day-count", day)
    per_day = listing.trades_per_day / (_FILLS_PER_ORDER if kind == "order" else 1.0)
    return int(worth * per_day)


def daily_rhythm(minutes: Floats) -> Floats:
    """Return relative activity by minute of the UTC day: quiet at night, busiest near 14:30."""
    angle = 2.0 * math.pi * (minutes - 510.0) / MINUTES
    return 1.0 + 0.5 * np.sin(angle) + 0.15 * np.sin(2.0 * angle + 0.6)


def build_cells(market: Market, listing: Listing, day: int) -> Cells:
    """Return the atoms of the UTC day number ``day``."""
    seed = market.schedule.seed
    generator = keyed_generator(seed, listing.key, "cells", day)
    process = market.process(listing.symbol)
    log_price = process.log_price(day)
    is_open = ~_closed_steps(market, day)
    weights = _weights(listing, generator, process.volatility(day)[:-1], np.diff(log_price))
    weights[:, ~is_open] = 0.0
    first_order, next_order = (count_before(seed, listing, "order", day + i) for i in (0, 1))
    first_fill, next_fill = (count_before(seed, listing, "fill", day + i) for i in (0, 1))
    orders = allot(next_order - first_order, weights.ravel(), generator.random())
    orders = _wake_openings(orders.reshape(2, STEPS), is_open)
    extra = (next_fill - first_fill) - (next_order - first_order)
    fills = orders + allot(extra, orders.ravel().astype(np.float64)).reshape(2, STEPS)
    sizes = np.exp(_LOT_SPREAD * generator.standard_normal((2, STEPS)) - _LOT_SPREAD**2 / 2)
    opens_buy, closes_buy = _first_and_last_sides(orders, generator)
    return Cells(
        price=_step_prices(log_price, listing),
        orders=orders,
        fills=fills,
        lots=fills + np.floor(fills * (listing.mean_lots - 1.0) * sizes).astype(np.int64),
        opens_buy=opens_buy,
        closes_buy=closes_buy,
        first_order=_first_ids(orders, first_order),
        first_fill=_first_ids(fills, first_fill),
    )


def build_block(cells: Cells, day: int, outages: list[Span]) -> DayBlock:
    """Return the day's 1m candles; a minute without trades is flat at the close before it."""
    shape = (MINUTES, STEPS_PER_MINUTE)
    high, low = (bound.reshape(shape) for bound in _extremes(cells))
    busy = (cells.orders[SELL] + cells.orders[BUY]).astype(np.bool_).reshape(shape)
    is_flat = ~busy.any(axis=1)
    first = np.argmax(busy, axis=1) + np.arange(MINUTES) * STEPS_PER_MINUTE
    last = np.arange(1, MINUTES + 1) * STEPS_PER_MINUTE - 1 - np.argmax(busy[:, ::-1], axis=1)
    close = (cells.price + cells.closes_buy)[last]
    close = close[np.maximum.accumulate(np.where(is_flat, 0, np.arange(MINUTES)))]
    sold, bought = (_per_minute(cells.lots[side]) for side in (SELL, BUY))
    sold_quote = _per_minute(cells.lots[SELL] * cells.price)
    bought_quote = _per_minute(cells.lots[BUY] * (cells.price + 1))
    candles = Candles(
        open_ms=day * DAY_MS + np.arange(MINUTES, dtype=np.int64) * MINUTE_MS,
        open=np.where(is_flat, close, (cells.price + cells.opens_buy)[first]),
        high=np.where(is_flat, close, high.max(axis=1)),
        low=np.where(is_flat, close, low.min(axis=1)),
        close=close,
        volume=sold + bought,
        quote=sold_quote + bought_quote,
        taker=bought,
        taker_quote=bought_quote,
        count=np.diff(cells.first_fill),
        first_id=cells.first_fill[:-1],
    )
    kept = np.ones(MINUTES, dtype=np.bool_)
    for outage in outages:
        kept &= (candles.open_ms < outage.start_ms) | (candles.open_ms >= outage.end_ms)
    return DayBlock(Candles(*(column[kept] for column in candles.columns())), cells.first_order)


def _step_prices(log_price: Floats, listing: Listing) -> Ints:
    """Return the price in ticks of each step.

    A minute's last step already has the price with which the next minute begins, so that, as on
    Binance, a candle opens where the one before closed or one spread away from it.
    """
    ticks = np.floor(np.exp(log_price) * 10.0**listing.tick_decimals).astype(np.int64)
    ticks = np.maximum(ticks, 1)
    price = ticks[:-1].copy()
    price[STEPS_PER_MINUTE - 1 :: STEPS_PER_MINUTE] = ticks[STEPS_PER_MINUTE::STEPS_PER_MINUTE]
    return price


def _extremes(cells: Cells) -> tuple[Ints, Ints]:
    """Return the highest and lowest price of each step; without trades, 0 and the largest int."""
    bought, sold = cells.orders[BUY].astype(np.bool_), cells.orders[SELL].astype(np.bool_)
    asks, bids = cells.price + 1, cells.price
    high = np.where(bought, asks, np.where(sold, bids, 0))
    low = np.where(sold, bids, np.where(bought, asks, np.iinfo(np.int64).max))
    return high, low


def _first_and_last_sides(
    orders: Ints, generator: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether a buyer took each step's first and last order; they may be one order."""
    sold, bought = orders[SELL], orders[BUY]
    opens_buy = generator.random(STEPS) * (sold + bought) < bought
    left = bought - opens_buy
    closes_buy = generator.random(STEPS) * (sold + bought - 1) < left
    return opens_buy, np.where(sold + bought > 1, closes_buy, opens_buy)


def _closed_steps(market: Market, day: int) -> NDArray[np.bool_]:
    span = Span(day * DAY_MS, (day + 1) * DAY_MS)
    closed = np.zeros(STEPS, dtype=np.bool_)
    for outage in market.schedule.outages(span):
        start = max(outage.start_ms - span.start_ms, 0) // STEP_MS
        closed[start : (outage.end_ms - span.start_ms) // STEP_MS] = True
    return closed


def _weights(
    listing: Listing, generator: np.random.Generator, volatility: Floats, moves: Floats
) -> Floats:
    """Return the activity of each (step, side): rhythm, volatility, chance, and lulls of none."""
    activity = _RHYTHM * volatility**0.8
    lull_share = min(0.02, 60.0 / listing.trades_per_day)
    lulls = generator.random(MINUTES) < lull_share
    activity[np.repeat(lulls, STEPS_PER_MINUTE)] = 0.0
    buyers = 0.5 + 0.3 * np.tanh(moves / (np.abs(moves).mean() * 3.0 + 1e-12))
    weights = generator.standard_exponential((2, STEPS))
    weights[SELL] *= activity * (1.0 - buyers)
    weights[BUY] *= activity * buyers
    return weights


def _wake_openings(orders: Ints, is_open: NDArray[np.bool_]) -> Ints:
    """Move an order into the first step after every closing, so that no day starts unpriced."""
    openings = np.flatnonzero(is_open & ~np.concatenate([[False], is_open[:-1]]))
    donors = orders.copy()
    donors[:, openings] = 0
    for step in openings:
        if not orders[:, step].any():
            busiest = np.unravel_index(np.argmax(donors), donors.shape)
            donors[busiest] -= 1
            orders[busiest] -= 1
            orders[SELL, step] += 1
    return orders


def _per_minute(steps: Ints) -> Ints:
    return np.asarray(steps.reshape(MINUTES, STEPS_PER_MINUTE).sum(axis=1))


def _first_ids(counts: Ints, before: int) -> Ints:
    per_minute = _per_minute(counts[SELL] + counts[BUY])
    return before + 1 + np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(per_minute)])


_RHYTHM = daily_rhythm(np.arange(STEPS) / STEPS_PER_MINUTE)
