"""Paging candles by Binance's range rules, from rows built and kept by whole days."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span
from include.simulator.engine import Kline, Window
from include.simulator.interval import Interval
from include.simulator.protocol import kline_json


@dataclass(frozen=True, slots=True)
class Rows:
    """Candles of some whole days as JSON texts, by open time."""

    open_ms: NDArray[np.int64]
    texts: list[str]

    def __len__(self) -> int:
        """Count the candles."""
        return len(self.texts)

    def within(self, span: Span) -> list[str]:
        """Return the texts whose open time lies in ``span``."""
        start, stop = np.searchsorted(self.open_ms, (span.start_ms, span.end_ms))
        return self.texts[start:stop]


UnitRows: TypeAlias = Callable[[Span], Rows]


def join_rows(klines: list[Kline]) -> Rows:
    """Return rising candles as rows."""
    opens = np.array([kline.open_ms for kline in klines], dtype=np.int64)
    return Rows(opens, [kline_json(kline) for kline in klines])


def read_kline(text: str) -> Kline:
    """Return a JSON array of 12 as a candle; it does not tell its first trade's id."""
    opened, first, high, low, close, volume, closed, quote, count, taker, taker_quote, _ = (
        json.loads(text)
    )
    prices = (first, high, low, close)
    return Kline(opened, closed, *prices, volume, quote, taker, taker_quote, count, -1)


def read_rows(texts: list[str]) -> Rows:
    """Return rising JSON arrays as rows."""
    opens = np.array([int(text[1 : text.index(",")]) for text in texts], dtype=np.int64)
    return Rows(opens, texts)


@dataclass(frozen=True, slots=True)
class Pager:
    """Candles of one instrument and interval as far as ``now_ms``.

    ``unit_rows`` returns the rows of one unit of days, the future included; ``current`` the candle
    that is open now, or None.
    """

    interval: Interval
    data: Span
    now_ms: int
    unit_rows: UnitRows
    current: Callable[[int], Kline | None]

    def page(self, window: Window) -> list[str]:
        """Return the rows with ``start <= open time <= end``: the first ``limit`` of them.

        Without a start, the last ``limit``. The open candle is one of the rows.
        """
        current_ms = self.interval.floor_ms(self.now_ms)
        last_ms = self.now_ms if window.end_ms is None else min(window.end_ms, self.now_ms)
        first_ms = max(window.start_ms or 0, self.interval.floor_ms(self.data.start_ms))
        tail: list[str] = []
        if first_ms <= current_ms <= last_ms:
            kline = self.current(current_ms)
            tail = [kline_json(kline)] if kline else []
        end_ms = min(last_ms + 1, current_ms, self.data.end_ms)
        closed = Span(first_ms, max(first_ms, end_ms))
        if window.start_ms is not None:
            return [*self._first(closed, window.limit), *tail][: window.limit]
        return [*self._last(closed, window.limit - len(tail)), *tail]

    def _first(self, span: Span, limit: int) -> list[str]:
        texts: list[str] = []
        cursor_ms = span.start_ms
        while cursor_ms < span.end_ms and len(texts) < limit:
            unit = self.interval.unit(cursor_ms)
            texts += self.unit_rows(unit).within(span)
            cursor_ms = unit.end_ms
        return texts[:limit]

    def _last(self, span: Span, limit: int) -> list[str]:
        pages: list[list[str]] = []
        cursor_ms, found = span.end_ms, 0
        while cursor_ms > span.start_ms and found < limit:
            unit = self.interval.unit(cursor_ms - 1)
            pages.append(self.unit_rows(unit).within(span))
            found += len(pages[-1])
            cursor_ms = unit.start_ms
        texts = [text for page in reversed(pages) for text in page]
        return texts[max(len(texts) - limit, 0) :]
