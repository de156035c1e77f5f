"""What the amendments make of one symbol at one venue, in the order in which they apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from include.market.span import Span, merge_spans, subtract_spans
from include.simulator.amendment_rules import Amendment
from include.simulator.engine import AggTrade, Kline, Trade

_FOREVER_MS = 2**53
_HOLES = ("missing", "outage", "late", "relisted")


@dataclass(frozen=True, slots=True)
class Story:
    """One symbol's amended life; ``source`` is the symbol under which the engine draws it.

    ``life`` is when it exists at all; the rest are the rules that touch it.
    """

    symbol: str
    source: str
    life: Span
    rules: tuple[Amendment, ...] = ()
    ended_by: str = ""
    is_gone: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing is amended."""
        return not self.rules

    def in_force(self, now_ms: int) -> tuple[bool, ...]:
        """Return which rules with an instant have reached it: with that, answers are fixed."""
        return tuple(rule.at_ms is not None and now_ms >= rule.at_ms for rule in self.rules)

    def touches(self, span: Span) -> bool:
        """Tell whether a candle that opens in ``span`` may differ from the engine's."""
        if span.start_ms < self.life.start_ms or span.end_ms > self.life.end_ms:
            return True
        return any(_reaches(rule, span) for rule in self.rules)

    def hides(self, instant_ms: int, now_ms: int) -> str | None:
        """Return why nothing is told of the instant: a kind of absence, or None."""
        if instant_ms < self.life.start_ms:
            return "not_listed"
        if instant_ms >= self.life.end_ms:
            return "delisted"
        for kind in ("relisted", "outage", "missing", "late"):
            for rule in self._holes(kind, now_ms):
                if rule.start_ms <= instant_ms < rule.end_ms:
                    return "delisted" if kind == "relisted" else kind
        return None

    def visible(self, span: Span, now_ms: int) -> list[Span]:
        """Return the parts of ``span`` of which rows and trades are told at ``now_ms``."""
        start_ms = max(span.start_ms, self.life.start_ms)
        end_ms = min(span.end_ms, self.life.end_ms)
        if start_ms >= end_ms:
            return []
        holes = [hole for kind in _HOLES for hole in self._holes(kind, now_ms)]
        return subtract_spans(Span(start_ms, end_ms), merge_spans(holes))

    def amend(self, klines: Iterable[Kline], now_ms: int) -> list[Kline]:
        """Return 1m candles as they are told at ``now_ms``, hidden ones left out."""
        told: list[Kline] = []
        for kline in klines:
            if self.hides(kline.open_ms, now_ms) is None:
                for rule in self.rules:
                    kline = _apply(rule, kline, now_ms)
                told.append(kline)
        return told

    def level(self, at_ms: int) -> int:
        """Return by what the engine's price of the instant must be multiplied."""
        factor = 1
        for rule in self.rules:
            if rule.kind == "relisted" and rule.span and at_ms >= rule.span.end_ms:
                factor *= rule.price_factor
        return factor

    def amend_trade(self, trade: Trade) -> Trade:
        """Return a trade at the amended price level."""
        if (factor := self.level(trade.time_ms)) == 1:
            return trade
        price, quote = (_times(text, factor) for text in (trade.price, trade.quote_quantity))
        return trade._replace(price=price, quote_quantity=quote)

    def amend_agg_trade(self, trade: AggTrade) -> AggTrade:
        """Return an aggregate trade at the amended price level."""
        if (factor := self.level(trade.time_ms)) == 1:
            return trade
        return trade._replace(price=_times(trade.price, factor))

    def is_listed(self, now_ms: int) -> bool:
        """Tell whether the venue knows the symbol at ``now_ms``; asking else is an error."""
        if now_ms < self.life.start_ms:
            return False
        return now_ms < self.life.end_ms or (self.ended_by == "delisted" and not self.is_gone)

    def is_trading(self, now_ms: int) -> bool:
        """Tell whether the symbol trades at ``now_ms``."""
        if not self.life.start_ms <= now_ms < self.life.end_ms:
            return False
        gaps = self._holes("relisted", now_ms)
        return not any(gap.start_ms <= now_ms < gap.end_ms for gap in gaps)

    def _holes(self, kind: str, now_ms: int) -> list[Span]:
        return [
            rule.span
            for rule in self.rules
            if rule.kind == kind and rule.span and not (kind == "late" and _has_come(rule, now_ms))
        ]


def tell_story(
    symbol: str, venue: str, rules: Iterable[Amendment], listed: Mapping[str, object]
) -> Story:
    """Return the story of ``symbol``; ``listed`` are the symbols that the engine itself knows."""
    mine = [rule for rule in rules if venue in rule.venues]
    source = _find_source(symbol, mine, listed)
    start_ms, end_ms, ended_by, is_gone = 0, _FOREVER_MS, "", False
    kept: list[Amendment] = []
    for rule in mine:
        at_ms = rule.at_ms or 0
        if rule.kind == "renamed" and symbol not in (rule.old, rule.new):
            continue
        if rule.kind != "renamed" and not rule.touches(venue, symbol):
            continue
        kept.append(rule)
        if rule.kind == "listed" or (rule.kind == "renamed" and rule.new == symbol):
            start_ms = max(start_ms, at_ms)
        elif rule.kind in ("delisted", "renamed") and at_ms < end_ms:
            end_ms, ended_by, is_gone = at_ms, rule.kind, rule.gone
    life = Span(start_ms, max(start_ms, end_ms))
    return Story(symbol, source, life, tuple(kept), ended_by, is_gone)


def _find_source(symbol: str, rules: list[Amendment], listed: Mapping[str, object]) -> str:
    """Follow renames back to a symbol that the engine knows."""
    for _ in range(len(rules) + 1):
        if symbol in listed:
            return symbol
        symbol = next((r.old for r in rules if r.kind == "renamed" and r.new == symbol), symbol)
    return symbol


def _reaches(rule: Amendment, span: Span) -> bool:
    if rule.span is None:
        return False
    if rule.kind == "relisted":
        return span.end_ms > rule.span.start_ms
    return span.start_ms < rule.span.end_ms and span.end_ms > rule.span.start_ms


def _has_come(rule: Amendment, now_ms: int) -> bool:
    return rule.at_ms is not None and now_ms >= rule.at_ms


def _apply(rule: Amendment, kline: Kline, now_ms: int) -> Kline:
    span = rule.span
    if span is None:
        return kline
    if rule.kind == "relisted" and kline.open_ms >= span.end_ms:
        return _raise_level(kline, rule.price_factor)
    if not span.start_ms <= kline.open_ms < span.end_ms:
        return kline
    if rule.kind == "revised" and _has_come(rule, now_ms):
        return _revise(kline, rule.volume_factor)
    if rule.kind == "off_grid":
        shift_ms = rule.shift_ms
        return kline._replace(open_ms=kline.open_ms + shift_ms, close_ms=kline.close_ms + shift_ms)
    return kline


def _raise_level(kline: Kline, factor: int) -> Kline:
    prices = (kline.open, kline.high, kline.low, kline.close)
    opened, high, low, close = (_times(text, factor) for text in prices)
    return kline._replace(
        open=opened,
        high=high,
        low=low,
        close=close,
        quote_volume=_times(kline.quote_volume, factor),
        taker_quote_volume=_times(kline.taker_quote_volume, factor),
    )


def _revise(kline: Kline, factor: Decimal) -> Kline:
    """Return the candle with scaled volumes and its close moved to an extreme of its range."""
    return kline._replace(
        close=kline.low if Decimal(kline.close) == Decimal(kline.high) else kline.high,
        volume=_times(kline.volume, factor),
        quote_volume=_times(kline.quote_volume, factor),
        taker_volume=_times(kline.taker_volume, factor),
        taker_quote_volume=_times(kline.taker_quote_volume, factor),
    )


def _times(text: str, factor: Decimal | int) -> str:
    number = Decimal(text)
    return format((number * factor).quantize(number), "f")
