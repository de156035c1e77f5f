"""An engine whose truth is amended: what REST, streams and archive all ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from include.market.span import Span
from include.simulator.amendments import Amendments
from include.simulator.catalogue import SPOT, Listing, split_symbol
from include.simulator.engine import AggTrade, Engine, Kline, Trade, Window
from include.simulator.interval import (
    INTERVALS,
    MINUTE_MS,
    ONE_MINUTE,
    ONE_SECOND,
    SPOT_INTERVALS,
    Interval,
)
from include.simulator.keyed import BlockCache
from include.simulator.pages import Pager, Rows, join_rows, read_kline, read_rows
from include.simulator.replay import fold_klines
from include.simulator.seconds import fold_seconds
from include.simulator.story import Story, tell_story

T = TypeVar("T", Trade, AggTrade)
_ALL = 1_000_000


class AmendedEngine:
    """One venue's engine behind the amendments in force.

    ``listings`` are all symbols that ever exist; ``listed`` those known at an instant.
    """

    def __init__(self, base: Engine, amendments: Amendments, venue: str) -> None:
        """Amend ``base`` by the rules for ``venue``."""
        self.base = base
        self.venue = venue
        self.name = base.name
        self.seed = base.seed
        self._amendments = amendments
        self._stories: tuple[int, dict[str, Story]] = (-1, {})
        self._rows: BlockCache[tuple[object, ...], Rows] = BlockCache(200_000, weigh=len)

    @property
    def listings(self) -> Mapping[str, Listing]:
        """All symbols that ever exist, whenever they begin and end."""
        known = dict(self.base.listings)
        for rule in self._amendments.rules:
            if rule.kind == "renamed" and self.venue in rule.venues and rule.new not in known:
                source = self.story(rule.new).source
                if source in known:
                    base, quote = split_symbol(rule.new)
                    known[rule.new] = replace(
                        known[source], symbol=rule.new, base=base, quote=quote
                    )
        return known

    @property
    def intervals(self) -> Mapping[str, Interval]:
        """The intervals that the venue tells: seconds only at spot and with single trades."""
        return SPOT_INTERVALS if self.venue == SPOT and self.base.seed is not None else INTERVALS

    def listed(self, now_ms: int) -> Mapping[str, Listing]:
        """Return the symbols that the venue knows at ``now_ms``."""
        if not self._amendments.rules:
            return self.base.listings
        return {
            symbol: listing
            for symbol, listing in self.listings.items()
            if self.story(symbol).is_listed(now_ms)
        }

    def story(self, symbol: str) -> Story:
        """Return what the rules in force make of the symbol."""
        version, rules = self._amendments.state
        held = self._stories
        if held[0] != version:
            held = self._stories = (version, {})
        stories = held[1]
        if symbol not in stories:
            stories[symbol] = tell_story(symbol, self.venue, rules, self.base.listings)
        return stories[symbol]

    def futures(self) -> Engine:
        """Return the unamended futures beside the engine."""
        return self.base.futures()

    def data_span(self, now_ms: int) -> Span:
        """Return the span of closed 1m candles that can be asked at ``now_ms``."""
        return self.base.data_span(now_ms)

    def truth(self, symbol: str, span: Span) -> dict[str, object] | None:
        """Return what the engine knows of how prices were drawn, unamended."""
        return self.base.truth(self.story(symbol).source, span)

    def outages(self, span: Span) -> list[Span]:
        """Return the engine's own outages that touch ``span``."""
        return self.base.outages(span)

    def minutes(self, symbol: str, span: Span) -> list[Kline]:
        """Return the 1m candles of ``span`` as they are told in the end."""
        return self._minutes(self.story(symbol), span, 2**53)

    def mark_price(self, symbol: str, at_ms: int) -> str | None:
        """Return the price at an instant at the amended level; None where there is none."""
        story = self.story(symbol)
        price = self.base.mark_price(story.source, at_ms)
        if price is None or story.level(at_ms) == 1:
            return price
        return f"{float(price) * story.level(at_ms):.8f}"

    def klines(self, symbol: str, interval: Interval, window: Window, now_ms: int) -> list[str]:
        """Return candles by open time as JSON arrays of 12; the last may be unfinished."""
        story = self.story(symbol)
        if story.is_plain and not interval.ahead_ms and interval is not ONE_SECOND:
            return self.base.klines(symbol, interval, window, now_ms)
        pager = Pager(
            interval,
            self.data_span(now_ms),
            now_ms,
            unit_rows=lambda unit: self._unit_rows(story, interval, unit, now_ms),
            current=lambda open_ms: self._kline_at(story, interval, open_ms, now_ms),
        )
        return pager.page(window)

    def kline_at(self, symbol: str, interval: Interval, open_ms: int, now_ms: int) -> Kline | None:
        """Return one candle, as far as it has come by ``now_ms``; None where there is none."""
        return self._kline_at(self.story(symbol), interval, open_ms, now_ms)

    def trades(self, symbol: str, window: Window, now_ms: int) -> list[Trade]:
        """Return trades by time."""
        story = self.story(symbol)
        if story.is_plain:
            return self.base.trades(symbol, window, now_ms)
        found = _gather(
            story, window, now_ms, lambda part: self.base.trades(story.source, part, now_ms)
        )
        return [story.amend_trade(trade) for trade in found]

    def agg_trades(self, symbol: str, window: Window, now_ms: int) -> list[AggTrade]:
        """Return aggregate trades by time."""
        story = self.story(symbol)
        if story.is_plain:
            return self.base.agg_trades(symbol, window, now_ms)
        return [story.amend_agg_trade(t) for t in self._gather_agg(story, window, now_ms)]

    def agg_trades_from(
        self, symbol: str, first_id: int, limit: int, now_ms: int
    ) -> list[AggTrade]:
        """Return the first ``limit`` aggregate trades whose id is ``first_id`` or more."""
        story = self.story(symbol)
        page = self.base.agg_trades_from(story.source, first_id, limit, now_ms)
        if story.is_plain or not page:
            return page
        shown = [trade for trade in page if story.hides(trade.time_ms, now_ms) is None]
        if len(shown) < len(page):
            # What is hidden leaves a hole in the ids; go on behind the last trade shown, by time.
            after_ms = shown[-1].time_ms if shown else page[0].time_ms
            seen = {trade.id for trade in shown}
            window = Window(limit + len(page), after_ms)
            later = self._gather_agg(story, window, now_ms)
            shown += [trade for trade in later if trade.id >= first_id and trade.id not in seen]
            shown.sort(key=lambda trade: trade.id)
        return [story.amend_agg_trade(trade) for trade in shown[:limit]]

    def _gather_agg(self, story: Story, window: Window, now_ms: int) -> list[AggTrade]:
        return _gather(
            story, window, now_ms, lambda part: self.base.agg_trades(story.source, part, now_ms)
        )

    def _unit_rows(self, story: Story, interval: Interval, unit: Span, now_ms: int) -> Rows:
        return self._rows.get(
            (story, interval, unit.start_ms, story.in_force(now_ms)),
            lambda: self._build_rows(story, interval, unit, now_ms),
        )

    def _build_rows(self, story: Story, interval: Interval, unit: Span, now_ms: int) -> Rows:
        if interval is ONE_SECOND:
            return join_rows(self._seconds(story, unit, now_ms, unit.end_ms))
        if interval.ahead_ms or story.touches(unit):
            return join_rows(fold_klines(self._parts(story, unit, interval, now_ms), interval))
        window = Window(_ALL, unit.start_ms, unit.end_ms - 1)
        return read_rows(self.base.klines(story.source, interval, window, unit.end_ms))

    def _kline_at(
        self, story: Story, interval: Interval, open_ms: int, now_ms: int
    ) -> Kline | None:
        if interval is ONE_SECOND:
            unit = interval.unit(open_ms)
            rows = self._seconds(story, unit, now_ms, now_ms)
            return next((row for row in rows if row.open_ms == open_ms), None)
        span = Span(open_ms, interval.next_ms(open_ms))
        if not interval.ahead_ms and not story.touches(span):
            return self.base.kline_at(story.source, interval, open_ms, now_ms)
        current_ms = ONE_MINUTE.floor_ms(now_ms)
        known = Span(open_ms, max(open_ms, min(span.end_ms, current_ms)))
        minutes = self._parts(story, known, interval, now_ms)
        if span.start_ms <= current_ms < span.end_ms:
            partial = self.base.kline_at(story.source, ONE_MINUTE, current_ms, now_ms)
            minutes += story.amend([partial], now_ms) if partial else []
        return fold_klines(minutes, interval)[0] if minutes else None

    def _parts(self, story: Story, span: Span, interval: Interval, now_ms: int) -> list[Kline]:
        """Return candles to fold into one of ``interval``: half hours where nothing is amended."""
        step = INTERVALS["30m"]
        if not interval.ahead_ms or interval.ahead_ms % step.length_ms or story.touches(span):
            return self._minutes(story, span, now_ms)
        seam_ms = step.floor_ms(span.end_ms)
        window = Window(_ALL, span.start_ms, seam_ms - 1)
        texts = self.base.klines(story.source, step, window, seam_ms)
        halves = [read_kline(text) for text in texts]
        return halves + self._minutes(story, Span(seam_ms, span.end_ms), now_ms)

    def _seconds(self, story: Story, minute: Span, now_ms: int, known_ms: int) -> list[Kline]:
        """Return the candles of a minute's seconds as far as trades are told by ``known_ms``."""
        before = Span(minute.start_ms - MINUTE_MS, minute.end_ms)
        found = self._minutes(story, before, now_ms)
        if not found or found[-1].open_ms < minute.start_ms:
            return []
        window = Window(_ALL, minute.start_ms, minute.end_ms - 1)
        trades = self.base.trades(story.source, window, known_ms)
        last_close = found[0].close if len(found) > 1 else found[0].open
        return fold_seconds([story.amend_trade(trade) for trade in trades], minute, last_close)

    def _minutes(self, story: Story, span: Span, now_ms: int) -> list[Kline]:
        visible = story.visible(span, now_ms)
        if not visible:
            return []
        whole = Span(visible[0].start_ms, visible[-1].end_ms)
        return story.amend(self.base.minutes(story.source, whole), now_ms)


def _gather(story: Story, window: Window, now_ms: int, ask: Callable[[Window], list[T]]) -> list[T]:
    """Return the trades of a window that the story shows, asking span by visible span."""
    last_ms = now_ms if window.end_ms is None else min(window.end_ms, now_ms)
    start_ms = window.start_ms or 0
    if start_ms > last_ms:
        return []
    spans = story.visible(Span(start_ms, last_ms + 1), now_ms)
    found: list[T] = []
    if window.start_ms is not None:
        for span in spans:
            if len(found) < window.limit:
                left = window.limit - len(found)
                found += ask(Window(left, span.start_ms, span.end_ms - 1))
        return found
    for span in reversed(spans):
        if len(found) < window.limit:
            part = ask(Window(window.limit - len(found), None, span.end_ms - 1))
            found = [trade for trade in part if trade.time_ms >= span.start_ms] + found
    return found
