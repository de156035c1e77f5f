"""The truth ledger: what a perfect client must hold as of now, and why the rest is absent."""

from __future__ import annotations

from collections.abc import Iterator

from include.market.span import Span, merge_spans
from include.simulator.engine import AggTrade, Window
from include.simulator.funding import FundingBook, FundingRate
from include.simulator.interval import Interval
from include.simulator.overlay import AmendedEngine
from include.simulator.pages import read_rows

MAX_ROWS = 50_000


def closed_rows(
    engine: AmendedEngine, symbol: str, interval: Interval, span: Span, now_ms: int
) -> list[str]:
    """Return the JSON arrays of the candles that open in ``span`` and are closed by ``now_ms``."""
    end_ms = min(span.end_ms, interval.floor_ms(now_ms))
    if end_ms <= span.start_ms:
        return []
    window = Window(MAX_ROWS, span.start_ms, end_ms - 1)
    return engine.klines(symbol, interval, window, now_ms)


def absences(
    engine: AmendedEngine, symbol: str, interval: Interval, span: Span, now_ms: int
) -> list[dict[str, object]]:
    """Return the spans of closed but absent candles in ``span``, each with its kind.

    Kinds: missing, outage, late, not_listed, delisted.
    """
    texts = closed_rows(engine, symbol, interval, span, now_ms)
    held = {interval.floor_ms(open_ms) for open_ms in read_rows(texts).open_ms.tolist()}
    found: list[dict[str, object]] = []
    whole = merge_spans(engine.outages(span))
    for open_ms in _grid(interval, span, now_ms):
        if open_ms in held:
            continue
        end_ms = interval.next_ms(open_ms)
        kind = _why(engine, symbol, Span(open_ms, end_ms), whole, now_ms)
        if found and found[-1]["to_ms"] == open_ms and found[-1]["kind"] == kind:
            found[-1]["to_ms"] = end_ms
        else:
            found.append({"from_ms": open_ms, "to_ms": end_ms, "kind": kind})
    return found


def all_trades(engine: AmendedEngine, symbol: str, span: Span, now_ms: int) -> list[AggTrade]:
    """Return the aggregate trades of ``span`` told by ``now_ms``."""
    return engine.agg_trades(symbol, Window(MAX_ROWS, span.start_ms, span.end_ms - 1), now_ms)


def all_funding(book: FundingBook, symbol: str, span: Span, now_ms: int) -> list[FundingRate]:
    """Return the funding payments of ``span`` told by ``now_ms``."""
    return book.rows(symbol, Window(MAX_ROWS, span.start_ms, span.end_ms - 1), now_ms)


def _grid(interval: Interval, span: Span, now_ms: int) -> Iterator[int]:
    """Yield the open times of the closed candles in ``span``, whether they are there or not."""
    open_ms = interval.floor_ms(span.start_ms)
    if open_ms < span.start_ms:
        open_ms = interval.next_ms(open_ms)
    while open_ms < span.end_ms and interval.next_ms(open_ms) <= now_ms:
        yield open_ms
        open_ms = interval.next_ms(open_ms)


def _why(engine: AmendedEngine, symbol: str, candle: Span, outages: list[Span], now_ms: int) -> str:
    if candle.end_ms <= engine.data_span(now_ms).start_ms:
        return "not_listed"
    kind = engine.story(symbol).hides(candle.start_ms, now_ms)
    if kind in ("not_listed", "delisted"):
        return kind
    for outage in outages:
        if outage.start_ms <= candle.start_ms < outage.end_ms:
            return "outage"
    return kind or "missing"
