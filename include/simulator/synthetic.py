"""The synthetic engine: any span of a seeded market, without simulating what came before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.blocks import (
    Cells,
    DayBlock,
    build_block,
    build_cells,
    count_before,
)
from include.simulator.candles import Candles, fold_candles, join_candles, list_klines, list_rows
from include.simulator.catalogue import SPOT, USDM, Listing, list_perpetuals
from include.simulator.engine import AggTrade, Engine, Kline, Trade, Window
from include.simulator.interval import MINUTE_MS, ONE_DAY, ONE_MINUTE, Interval
from include.simulator.keyed import BlockCache, keyed_generator
from include.simulator.market import Market
from include.simulator.pages import Pager, Rows
from include.simulator.paths import STEP_MS
from include.simulator.schedule import HISTORY_START_MS, VenueSchedule
from include.simulator.tape import (
    Tape,
    list_agg_trades,
    list_trades,
    partial_candle,
    split_minute,
)

T = TypeVar("T", Trade, AggTrade)


class SyntheticEngine:
    """A seeded market behind the engine contract; blocks of days are cached, never state."""

    name = "synthetic"

    def __init__(
        self,
        seed: int,
        listings: Mapping[str, Listing],
        *,
        outages_per_year: float = 3.0,
        venue: str = SPOT,
    ) -> None:
        """List ``listings``, all of ``venue``; the same seed always means the same market."""
        self.seed: int | None = seed
        self.listings = listings
        self._seed = seed
        self._market = Market(VenueSchedule(seed, outages_per_year, venue), listings.values())
        count = len(listings)
        self._cells: BlockCache[tuple[str, int], Cells] = BlockCache(count + 8)
        self._blocks: BlockCache[tuple[str, int], DayBlock] = BlockCache(2 * count + 64)
        self._folds: BlockCache[tuple[str, str, int], Candles] = BlockCache(200_000, weigh=len)
        self._rows: BlockCache[tuple[str, str, int], Rows] = BlockCache(200_000, weigh=len)
        self._tapes: BlockCache[tuple[str, int], Tape] = BlockCache(512)
        self._marks: BlockCache[tuple[str, int], str] = BlockCache(50_000)

    def futures(self) -> Engine:
        """Return the perpetual futures on this market: other trades, a small basis."""
        rate = self._market.schedule.outages_per_year
        listings = list_perpetuals(self.listings)
        return SyntheticEngine(self._seed, listings, outages_per_year=rate, venue=USDM)

    def data_span(self, now_ms: int) -> Span:
        """Return the span from the first candle to the last closed minute."""
        end_ms = max(HISTORY_START_MS, ONE_MINUTE.floor_ms(now_ms))
        return Span(HISTORY_START_MS, end_ms)

    def truth(self, symbol: str, span: Span) -> dict[str, object] | None:
        """Return breakpoints, regimes and outages of ``span``."""
        return self._market.truth(symbol, span)

    def klines(self, symbol: str, interval: Interval, window: Window, now_ms: int) -> list[str]:
        """Return candles by open time as JSON arrays of 12; the last may be unfinished."""
        pager = Pager(
            interval,
            self.data_span(now_ms),
            now_ms,
            unit_rows=lambda unit: self._unit_rows(symbol, interval, unit),
            current=lambda open_ms: self.kline_at(symbol, interval, open_ms, now_ms),
        )
        return pager.page(window)

    def kline_at(self, symbol: str, interval: Interval, open_ms: int, now_ms: int) -> Kline | None:
        """Return one candle, as far as it has come by ``now_ms``; None where there is none."""
        minutes = self._minutes(symbol, open_ms, interval.next_ms(open_ms), now_ms)
        candles = fold_candles(minutes, interval)
        if not len(candles):
            return None
        return list_klines(candles, interval, self.listings[symbol])[0]

    def minutes(self, symbol: str, span: Span) -> list[Kline]:
        """Return the final 1m candles of ``span``, those still to come included."""
        start_ms = max(span.start_ms, HISTORY_START_MS)
        parts: list[Candles] = []
        for day in range(start_ms // DAY_MS, -(-span.end_ms // DAY_MS)):
            until_ms = min((day + 1) * DAY_MS, span.end_ms)
            candles = self._block(symbol, day).candles
            bounds = np.searchsorted(candles.open_ms, (max(start_ms, day * DAY_MS), until_ms))
            parts.append(candles.slice(int(bounds[0]), int(bounds[1])))
        return list_klines(join_candles(parts), ONE_MINUTE, self.listings[symbol])

    def mark_price(self, symbol: str, at_ms: int) -> str | None:
        """Return the price of the instant, between trades; None before the first of them."""
        if at_ms < HISTORY_START_MS:
            return None
        return self._marks.get((symbol, at_ms), lambda: self._build_mark(symbol, at_ms))

    def outages(self, span: Span) -> list[Span]:
        """Return the spans without any candle that touch ``span``, whole."""
        return self._market.schedule.outages(span)

    def trades(self, symbol: str, window: Window, now_ms: int) -> list[Trade]:
        """Return trades by time."""
        listing, span = self.listings[symbol], _span_of(window, now_ms)
        tapes = self._tapes_of(symbol, span, is_rising=window.start_ms is not None)
        return _gather((list_trades(tape, listing, span) for tape in tapes), window)

    def agg_trades(self, symbol: str, window: Window, now_ms: int) -> list[AggTrade]:
        """Return aggregate trades by time."""
        listing, span = self.listings[symbol], _span_of(window, now_ms)
        tapes = self._tapes_of(symbol, span, is_rising=window.start_ms is not None)
        return _gather((list_agg_trades(tape, listing, span) for tape in tapes), window)

    def agg_trades_from(
        self, symbol: str, first_id: int, limit: int, now_ms: int
    ) -> list[AggTrade]:
        """Return the first ``limit`` aggregate trades whose id is ``first_id`` or more."""
        listing = self.listings[symbol]
        first_day, last_day = HISTORY_START_MS // DAY_MS, now_ms // DAY_MS
        if first_id > count_before(self._seed, listing, "order", last_day + 1):
            return []
        while first_day < last_day:
            middle = (first_day + last_day + 1) // 2
            if count_before(self._seed, listing, "order", middle) < first_id:
                first_day = middle
            else:
                last_day = middle - 1
        marks = self._block(symbol, first_day).first_order
        minute = max(int(np.searchsorted(marks, first_id, side="right")) - 1, 0)
        # The page may begin inside the minute: ask for what its head takes away as well.
        head = max(first_id - int(marks[minute]), 0)
        window = Window(limit + head, first_day * DAY_MS + minute * MINUTE_MS)
        return [trade for trade in self.agg_trades(symbol, window, now_ms) if trade.id >= first_id]

    def _unit_rows(self, symbol: str, interval: Interval, unit: Span) -> Rows:
        key = (symbol, interval.label, unit.start_ms)
        return self._rows.get(key, lambda: self._build_rows(symbol, interval, unit))

    def _build_rows(self, symbol: str, interval: Interval, unit: Span) -> Rows:
        days = range(max(unit.start_ms, HISTORY_START_MS) // DAY_MS, unit.end_ms // DAY_MS)
        step = interval if len(days) == 1 else ONE_DAY
        parts = [self._fold(symbol, step, day) for day in days]
        candles = fold_candles(join_candles(parts), interval)
        return Rows(candles.open_ms, list_rows(candles, interval, self.listings[symbol]))

    def _minutes(self, symbol: str, start_ms: int, end_ms: int, now_ms: int) -> Candles:
        """Return candles that make up ``[start_ms, end_ms)`` until now: days, then minutes."""
        current_ms = ONE_MINUTE.floor_ms(now_ms)
        start_ms, known_ms = max(start_ms, HISTORY_START_MS), min(end_ms, current_ms)
        parts: list[Candles] = []
        cursor_ms = start_ms
        while cursor_ms < known_ms:
            day, until_ms = cursor_ms // DAY_MS, min((cursor_ms // DAY_MS + 1) * DAY_MS, known_ms)
            if until_ms - cursor_ms == DAY_MS:
                parts.append(self._fold(symbol, ONE_DAY, day))
            else:
                candles = self._block(symbol, day).candles
                bounds = np.searchsorted(candles.open_ms, (cursor_ms, until_ms))
                parts.append(candles.slice(int(bounds[0]), int(bounds[1])))
            cursor_ms = until_ms
        if start_ms <= current_ms < end_ms:
            parts.append(self._current(symbol, current_ms, now_ms))
        return join_candles(parts)

    def _current(self, symbol: str, minute_ms: int, now_ms: int) -> Candles:
        """Return the unfinished minute as it looks at ``now_ms``; empty within an outage."""
        candles = self._block(symbol, minute_ms // DAY_MS).candles
        position = int(np.searchsorted(candles.open_ms, minute_ms))
        if position == len(candles) or candles.open_ms[position] != minute_ms:
            return candles.slice(0, 0)
        if position:
            last_close = int(candles.close[position - 1])
        elif minute_ms > HISTORY_START_MS:
            last_close = int(self._block(symbol, minute_ms // DAY_MS - 1).candles.close[-1])
        else:
            last_close = int(candles.open[0])
        return partial_candle(self._tape(symbol, minute_ms), now_ms, last_close)

    def _tapes_of(self, symbol: str, span: Span, *, is_rising: bool) -> Iterator[Tape]:
        """Yield the tapes of the minutes that touch ``span`` and hold trades."""
        if not span:
            return
        days = range(span.start_ms // DAY_MS, (span.end_ms - 1) // DAY_MS + 1)
        first_ms = ONE_MINUTE.floor_ms(span.start_ms)
        for day in days if is_rising else reversed(days):
            marks = self._block(symbol, day).first_order
            for minute in np.flatnonzero(np.diff(marks))[:: 1 if is_rising else -1].tolist():
                minute_ms = day * DAY_MS + minute * MINUTE_MS
                if first_ms <= minute_ms < span.end_ms:
                    yield self._tape(symbol, minute_ms)

    def _tape(self, symbol: str, minute_ms: int) -> Tape:
        return self._tapes.get((symbol, minute_ms), lambda: self._split(symbol, minute_ms))

    def _split(self, symbol: str, minute_ms: int) -> Tape:
        day, offset_ms = divmod(minute_ms, DAY_MS)
        cells = self._day_cells(symbol, day)
        generator = keyed_generator(self._seed, self.listings[symbol].key, "tape", minute_ms)
        return split_minute(cells, offset_ms // MINUTE_MS, minute_ms, generator)

    def _build_mark(self, symbol: str, at_ms: int) -> str:
        day, offset_ms = divmod(at_ms, DAY_MS)
        log_price = self._market.process(symbol).log_price(day)[offset_ms // STEP_MS]
        return f"{math.exp(float(log_price)):.8f}"

    def _fold(self, symbol: str, interval: Interval, day: int) -> Candles:
        if interval is ONE_MINUTE:
            return self._block(symbol, day).candles
        key = (symbol, interval.label, day)
        return self._folds.get(
            key, lambda: fold_candles(self._block(symbol, day).candles, interval)
        )

    def _block(self, symbol: str, day: int) -> DayBlock:
        return self._blocks.get((symbol, day), lambda: self._build_block(symbol, day))

    def _build_block(self, symbol: str, day: int) -> DayBlock:
        outages = self._market.schedule.outages(Span(day * DAY_MS, (day + 1) * DAY_MS))
        return build_block(self._day_cells(symbol, day), day, outages)

    def _day_cells(self, symbol: str, day: int) -> Cells:
        listing = self.listings[symbol]
        return self._cells.get((symbol, day), lambda: build_cells(self._market, listing, day))


def _span_of(window: Window, now_ms: int) -> Span:
    """Return the part of history that a window of trades covers; its end is made exclusive."""
    last_ms = now_ms if window.end_ms is None else min(window.end_ms, now_ms)
    start_ms = max(window.start_ms or 0, HISTORY_START_MS)
    return Span(start_ms, max(start_ms, last_ms + 1))


def _gather(pages: Iterator[list[T]], window: Window) -> list[T]:
    """Return the first ``limit`` of rising pages, or without a start the last of falling ones."""
    kept: list[list[T]] = []
    found = 0
    for page in pages:
        kept.append(page)
        found += len(page)
        if found >= window.limit:
            break
    if window.start_ms is not None:
        return [trade for page in kept for trade in page][: window.limit]
    trades = [trade for page in reversed(kept) for trade in page]
    return trades[max(len(trades) - window.limit, 0) :]
