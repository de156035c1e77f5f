"""Binance spot public market data over REST.

Source: Binance spot API documentation, "Market Data endpoints".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from include.exchanges.base import TradePage
from include.exchanges.binance_rest import BinanceRest
from include.exchanges.binance_spot.parse import parse_instruments
from include.exchanges.traits import VenueTraits
from include.market.errors import UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.rate_limit import RateLimit
from include.market.span import Span

# Minutes without trades come as flat candles, so what is absent was an outage.
TRAITS = VenueTraits(page_limit=1000, range_rule="oldest", absent_means="outage")
RATE_LIMITS = (RateLimit("binance_spot", weight=6000),)
WEIGHT_KLINES = 2
WEIGHT_EXCHANGE_INFO = 20


class BinanceSpot(BinanceRest):
    """A candle and trade source (see :mod:`include.exchanges.base`) for Binance spot."""

    venue = VenueRecord(name="binance_spot", title="Binance Spot", symbol_case="upper")
    traits = TRAITS
    prefix = "/api/v3"

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol, in the order asked."""
        listed = '["' + '","'.join(symbols) + '"]'
        try:
            document: Any = self._client.get(
                "/api/v3/exchangeInfo", {"symbols": listed}, weight=WEIGHT_EXCHANGE_INFO
            )
        except UnknownInstrumentError as error:
            raise UnknownInstrumentError(
                f"{self.venue.name} does not list one of {', '.join(symbols)}; "
                "correct Variable universe"
            ) from error
        return self._chosen(parse_instruments(document), symbols)

    def weigh_klines(self, limit: int) -> int:
        """Return what a request for candles weighs, however many."""
        return WEIGHT_KLINES

    def agg_trades(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[TradePage]:
        """Yield pages of aggregate trades in ``span``; see ``TradeSource`` in base."""
        # Imported here, for that module imports this one.
        from include.exchanges.binance_spot.trades import BinanceSpotTrades

        trades = BinanceSpotTrades(self._client, self._note_field)
        yield from trades.agg_trades(symbol, span, page_limit=page_limit)
