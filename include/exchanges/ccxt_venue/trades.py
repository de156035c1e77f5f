"""Trades through ccxt: by time everywhere, by id where the wire below can be asked for one."""

from __future__ import annotations

from functools import partial
from typing import Any

from include.exchanges.binance_trades import parse_agg_trades
from include.exchanges.ccxt_venue.exchange import CcxtExchange
from include.exchanges.ccxt_venue.parse import parse_trades
from include.exchanges.funding_pages import HOUR_MS
from include.exchanges.rows import TradeRows
from include.exchanges.trade_pages import TradeRules
from include.market.span import Span

TRADE_RULES = TradeRules(page_limit=1000, longest_ms=HOUR_MS - 1, ids_without_holes=False)


class AskCcxtTrades:
    """The requests of a walk (see :class:`include.exchanges.trade_pages.AskTrades`)."""

    def __init__(self, exchange: CcxtExchange, symbol: str) -> None:
        """Ask ``exchange`` for the trades of one symbol, ccxt's."""
        self._exchange, self._symbol = exchange, symbol
        self._wire = exchange.habits.wire
        self._time_of: dict[int, int] = {}

    def by_time(self, span: Span, limit: int) -> TradeRows:
        """Ask for the oldest trades of ``span``."""
        rows = self._ask(span.start_ms, limit, {"until": span.end_ms - 1})
        return self._remember(rows.take(rows.time_ms < span.end_ms))

    def by_id(self, agg_id: int, limit: int) -> TradeRows:
        """Ask for the trades from ``agg_id`` on: elsewhere, for those from its time on."""
        if self._wire == "binance":
            return self._ask(None, limit, {"fromId": agg_id})
        return self._remember(self._ask(self._time_of[agg_id], limit, {}))

    def _ask(self, since_ms: int | None, limit: int, params: dict[str, Any]) -> TradeRows:
        if self._wire != "binance":
            params = {}
        call = partial(self._exchange.api.fetch_trades, self._symbol, since_ms, limit, params)
        got = self._exchange.ask("fetch_trades", self._symbol, call)
        if self._wire == "binance":
            return parse_agg_trades(self._exchange.session.body)
        return parse_trades(got, f"{self._exchange.name} fetch_trades {self._symbol}")

    def _remember(self, rows: TradeRows) -> TradeRows:
        if len(rows):
            # Only the last id can be asked for next.
            last = int(rows.agg_id.argmax())
            self._time_of[int(rows.agg_id[last])] = int(rows.time_ms[last])
        return rows
