"""Binance USD-M futures aggregate trades over REST: the first page by time, the others by id.

Source: USD-M futures API documentation, "Compressed/Aggregate Trades List": weight 20, at most 1000
rows, the last 48 hours only, a range of times shorter than one hour, ``fromId`` never together with
times. Trades of the insurance fund and of auto-deleveraging are left out, so ids may have holes.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.exchanges.base import TradePage
from include.exchanges.binance_klines import NoteField
from include.exchanges.binance_rest import AskAggTrades
from include.exchanges.binance_usdm.client import BinanceUsdm
from include.exchanges.funding_pages import HOUR_MS
from include.exchanges.http import HttpClient
from include.exchanges.trade_pages import TradeRules, walk_trades
from include.market.errors import DepthExhaustedError
from include.market.span import Span, from_ms

WEIGHT_AGG_TRADES = 20
KEPT_MS = 48 * HOUR_MS
# The venue wants less than an hour between both ends, which are inclusive.
RULES = TradeRules(page_limit=1000, longest_ms=HOUR_MS - 1, ids_without_holes=False)


class BinanceUsdmTrades:
    """A :class:`include.exchanges.base.TradeSource` for Binance USD-M futures."""

    def __init__(self, client: HttpClient, note_field: NoteField | None = None) -> None:
        """Ask through ``client``; tell ``note_field`` of fields nobody knows."""
        self._client = client
        self._note_field = note_field

    def agg_trades(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[TradePage]:
        """Yield pages of trades in ``span``; see :func:`walk_trades`.

        Raises:
            DepthExhaustedError: ``span`` begins more than 48 hours ago.
        """
        now_ms = BinanceUsdm(self._client).server_time_ms()
        if span.start_ms < now_ms - KEPT_MS:
            oldest_ms = now_ms - KEPT_MS
            raise DepthExhaustedError(
                f"binance_usdm keeps aggregate trades of 48 hours, since "
                f"{from_ms(oldest_ms):%Y-%m-%d %H:%M}, asked for {span}: take older ones from the "
                "archive",
                oldest_ms=oldest_ms,
            )
        ask = AskAggTrades(
            self._client,
            "/fapi/v1/aggTrades",
            symbol,
            weight=WEIGHT_AGG_TRADES,
            note_field=self._note_field,
        )
        yield from walk_trades(ask, span, rules=RULES, page_limit=page_limit, now_ms=now_ms)
