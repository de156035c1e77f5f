"""Binance spot aggregate trades over REST: the first page by time, the others by id.

Source: Binance spot API documentation, "Compressed/Aggregate trades list": ``fromId`` is inclusive,
``startTime`` and ``endTime`` inclusive, the oldest of a range first, weight 4, at most 1000 rows.
Ids leave no hole there.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.exchanges.base import TradePage
from include.exchanges.binance_klines import NoteField
from include.exchanges.binance_rest import AskAggTrades
from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.http import HttpClient
from include.exchanges.trade_pages import TradeRules, walk_trades
from include.market.span import Span

WEIGHT_AGG_TRADES = 4
RULES = TradeRules(page_limit=1000, ids_without_holes=True)


class BinanceSpotTrades:
    """A :class:`include.exchanges.base.TradeSource` for Binance spot."""

    def __init__(self, client: HttpClient, note_field: NoteField | None = None) -> None:
        """Ask through ``client``; tell ``note_field`` of fields nobody knows."""
        self._client = client
        self._note_field = note_field

    def agg_trades(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[TradePage]:
        """Yield pages of trades in ``span``; see :func:`walk_trades`."""
        now_ms = BinanceSpot(self._client).server_time_ms()
        ask = AskAggTrades(
            self._client,
            "/api/v3/aggTrades",
            symbol,
            weight=WEIGHT_AGG_TRADES,
            note_field=self._note_field,
        )
        yield from walk_trades(ask, span, rules=RULES, page_limit=page_limit, now_ms=now_ms)
