"""Aggregate trades in Binance's wire format, and a venue that keeps some in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from include.exchanges.binance_trades import parse_agg_trades
from include.exchanges.rows import TradeRows
from include.market.span import Span

BASE_MS = 1_700_000_000_000
Wire = dict[str, Any]


def trade(agg_id: int, offset_ms: int, **changes: Any) -> Wire:
    """Return one sound trade of the documented layout, with ``changes`` made to it."""
    row: Wire = {
        "a": agg_id, "p": "0.01633102", "q": "4.70443515", "f": agg_id, "l": agg_id,
        "T": BASE_MS + offset_ms, "m": True, "M": True,
    }  # fmt: skip
    assert changes.keys() <= row.keys(), f"a trade has no {changes.keys() - row.keys()}"
    return row | changes


def void(agg_id: int, offset_ms: int) -> Wire:
    """Return a trade the venue has taken back."""
    return trade(agg_id, offset_ms, p="0.00000000", q="0.00000000", f=-1, l=-1)


def body(rows: Iterable[Wire]) -> bytes:
    """Return rows as the venue sends them."""
    return json.dumps(list(rows), separators=(",", ":")).encode()


def trade_rows(rows: Iterable[Wire]) -> TradeRows:
    """Return rows as the client reads them."""
    return parse_agg_trades(body(rows))


class MemoryVenue:
    """Answers like Binance from ``rows``; ``spoil`` may change the n-th answer before it goes."""

    def __init__(
        self, rows: list[Wire], spoil: Callable[[int, list[Wire]], list[Wire]] | None = None
    ) -> None:
        self.rows = rows
        self.asked: list[tuple[str, int]] = []
        self._spoil = spoil or (lambda number, found: found)

    def by_time(self, span: Span, limit: int) -> TradeRows:
        found = [row for row in self.rows if span.start_ms <= row["T"] < span.end_ms]
        return self._answer(("time", span.start_ms - BASE_MS), found[:limit])

    def by_id(self, agg_id: int, limit: int) -> TradeRows:
        found = [row for row in self.rows if row["a"] >= agg_id]
        return self._answer(("id", agg_id), found[:limit])

    def _answer(self, asked: tuple[str, int], found: list[Wire]) -> TradeRows:
        self.asked.append(asked)
        return trade_rows(self._spoil(len(self.asked), found))
