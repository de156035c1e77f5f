"""The trades of one minute: an exact split of the minute's cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.simulator.blocks import BUY, SELL, STEPS_PER_MINUTE, Cells
from include.simulator.candles import Candles, Ints, decimal_text
from include.simulator.catalogue import MAX_DECIMALS, Listing
from include.simulator.engine import AggTrade, Trade
from include.simulator.paths import STEP_MS, Floats

_SIDES = 2


@dataclass(frozen=True, slots=True)
class Tape:
    """A minute's trades in order, as columns; ``order`` says to which taker order each belongs.

    ``order_start`` holds the position of each order's first trade. Trades of one order share
    price, side and time.
    """

    minute_ms: int
    first_fill: int
    first_order: int
    time_ms: Ints
    price: Ints
    lots: Ints
    is_buy: NDArray[np.bool_]
    order: Ints
    order_start: Ints


def allot_groups(totals: Ints, weights: Floats, starts: Ints) -> Ints:
    """Split each group's total over its members by weight, whole and exact.

    ``starts`` are the positions where groups begin; every group has a member.
    """
    sizes = np.diff(np.append(starts, len(weights)))
    group = np.repeat(np.arange(len(starts)), sizes)
    reached = np.cumsum(weights)
    base = reached[starts] - weights[starts]
    share = (reached - base[group]) / np.add.reduceat(weights, starts)[group]
    share[np.append(starts[1:], len(weights)) - 1] = 1.0
    marks = np.floor(totals[group] * np.clip(share, 0.0, 1.0)).astype(np.int64)
    parts = np.diff(marks, prepend=0)
    parts[starts] = marks[starts]
    return parts


def split_minute(cells: Cells, minute: int, minute_ms: int, generator: np.random.Generator) -> Tape:
    """Return the trades of the ``minute``-th minute of the day that ``cells`` describe."""
    steps = slice(minute * STEPS_PER_MINUTE, (minute + 1) * STEPS_PER_MINUTE)
    per_cell = cells.orders[:, steps].T.ravel()
    if not per_cell.any():
        empty = np.zeros(0, dtype=np.int64)
        first = int(cells.first_fill[minute]), int(cells.first_order[minute])
        return Tape(minute_ms, *first, empty, empty, empty, empty > 0, empty, empty)
    cell, starts = _members(per_cell)
    filled = starts[per_cell > 0] if len(starts) else starts
    extra = (cells.fills[:, steps].T.ravel() - per_cell)[per_cell > 0]
    fills = 1 + allot_groups(extra, generator.standard_exponential(len(cell)), filled)
    position = _queue(cells, steps, per_cell, generator)
    cell, fills = cell[position], fills[position]
    times = np.sort(cell // _SIDES * STEP_MS + generator.integers(0, STEP_MS, len(cell)))
    order = np.repeat(np.arange(len(cell)), fills)
    fill_cell = cell[order]
    lots = _fill_lots(cells.lots[:, steps].T.ravel(), fill_cell, generator)
    is_buy = fill_cell % _SIDES == BUY
    return Tape(
        minute_ms=minute_ms,
        first_fill=int(cells.first_fill[minute]),
        first_order=int(cells.first_order[minute]),
        time_ms=minute_ms + times[order],
        price=cells.price[steps][fill_cell // _SIDES] + is_buy,
        lots=lots,
        is_buy=is_buy,
        order=order,
        order_start=np.cumsum(fills) - fills,
    )


def list_trades(tape: Tape, listing: Listing, span: Span) -> list[Trade]:
    """Return the trades in ``span`` (half-open, ms) as the venue writes them."""
    tick, lot, quote = _scales(listing)
    start, stop = np.searchsorted(tape.time_ms, (span.start_ms, span.end_ms)).tolist()
    columns = zip(
        tape.price[start:stop].tolist(),
        tape.lots[start:stop].tolist(),
        tape.time_ms[start:stop].tolist(),
        tape.is_buy[start:stop].tolist(),
        strict=True,
    )
    return [
        Trade(
            tape.first_fill + index,
            decimal_text(price * tick),
            decimal_text(lots * lot),
            decimal_text(price * lots * quote),
            time_ms,
            not is_buy,
        )
        for index, (price, lots, time_ms, is_buy) in enumerate(columns, start)
    ]


def list_agg_trades(tape: Tape, listing: Listing, span: Span) -> list[AggTrade]:
    """Return the orders in ``span`` (half-open, ms) as the venue writes aggregate trades."""
    if not len(tape.order_start):
        return []
    tick, lot, _ = _scales(listing)
    starts = tape.order_start
    first, stop = np.searchsorted(tape.time_ms[starts], (span.start_ms, span.end_ms)).tolist()
    chosen, ends = starts[first:stop], np.append(starts[1:], len(tape.lots))[first:stop]
    columns = zip(
        tape.price[chosen].tolist(),
        np.add.reduceat(tape.lots, starts)[first:stop].tolist(),
        (tape.first_fill + chosen).tolist(),
        (tape.first_fill + ends - 1).tolist(),
        tape.time_ms[chosen].tolist(),
        (~tape.is_buy[chosen]).tolist(),
        strict=True,
    )
    return [
        AggTrade(
            tape.first_order + index,
            decimal_text(price * tick),
            decimal_text(lots * lot),
            *rest,
        )
        for index, (price, lots, *rest) in enumerate(columns, first)
    ]


def partial_candle(tape: Tape, now_ms: int, last_close: int) -> Candles:
    """Return the tape's minute as one candle of what had traded by ``now_ms`` (inclusive).

    Before its first trade the candle is flat at ``last_close`` (in ticks).
    """
    known = int(np.searchsorted(tape.time_ms, now_ms, side="right"))
    price, lots, is_buy = tape.price[:known], tape.lots[:known], tape.is_buy[:known]
    if not known:
        price = np.array([last_close], dtype=np.int64)
    quote = price[:known] * lots
    values = (
        tape.minute_ms,
        price[0],
        price.max(),
        price.min(),
        price[-1],
        lots.sum(),
        quote.sum(),
        lots[is_buy].sum(),
        quote[is_buy].sum(),
        known,
        tape.first_fill,
    )
    return Candles(*(np.array([value], dtype=np.int64) for value in values))


def _scales(listing: Listing) -> tuple[int, int, int]:
    tick = 10 ** (MAX_DECIMALS - listing.tick_decimals)
    lot = 10 ** (MAX_DECIMALS - listing.lot_decimals)
    return tick, lot, tick * lot // 10**MAX_DECIMALS


def _members(counts: Ints) -> tuple[Ints, Ints]:
    """Return for each member its group, and for each group where its members begin."""
    return np.repeat(np.arange(len(counts)), counts), np.cumsum(counts) - counts


def _queue(cells: Cells, steps: slice, per_cell: Ints, generator: np.random.Generator) -> Ints:
    """Return the orders' positions in the sequence in which they came.

    Within a step chance decides, except that the sides of the first and the last order are given.
    """
    cell, starts = _members(per_cell)
    rank = generator.random(len(cell))
    traded = np.flatnonzero(per_cell.reshape(-1, _SIDES).sum(axis=1))
    opening = traded * _SIDES + np.where(cells.opens_buy[steps][traded], BUY, SELL)
    closing = traded * _SIDES + np.where(cells.closes_buy[steps][traded], BUY, SELL)
    rank[starts[closing] + per_cell[closing] - 1] = 2.0
    rank[starts[opening]] = -1.0
    return np.lexsort((rank, cell // _SIDES))


def _fill_lots(per_cell: Ints, fill_cell: Ints, generator: np.random.Generator) -> Ints:
    """Split each cell's lots over its trades, at least one lot each, sizes heavy-tailed."""
    by_cell = np.argsort(fill_cell, kind="stable")
    ordered = fill_cell[by_cell]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    counts = np.diff(np.append(starts, len(ordered)))
    weights = np.exp(1.2 * generator.standard_normal(len(ordered)))
    lots = np.empty(len(ordered), dtype=np.int64)
    lots[by_cell] = 1 + allot_groups(per_cell[ordered[starts]] - counts, weights, starts)
    return lots
