"""Binance USD-M futures public market data over REST.

Minutes without trades come as flat candles of volume 0.
Source: USD-M futures API documentation, "Market Data Endpoints".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from include.exchanges.base import FundingPage
from include.exchanges.binance_rest import BinanceRest
from include.exchanges.binance_usdm.parse import (
    parse_funding,
    parse_funding_intervals,
    parse_instruments,
)
from include.exchanges.funding_pages import HOUR_MS, walk_funding
from include.exchanges.rows import FundingRows
from include.exchanges.traits import VenueTraits
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.rate_limit import RateLimit
from include.market.span import Span

FUNDING_SCOPE = "binance_usdm_funding"
RATE_LIMITS = (
    RateLimit("binance_usdm", weight=2400),
    # fundingRate and fundingInfo are counted apart: 500 requests in 5 minutes, both together.
    RateLimit(FUNDING_SCOPE, weight=500, window_s=300),
)
KLINES_PER_PAGE = 499
"""Most rows for their weight: 99 cost 1, 499 cost 2 (250 a weight), 1000 cost 5, 1500 cost 10."""
FUNDING_PER_PAGE = 1000
DEFAULT_FUNDING_INTERVAL_MS = 8 * HOUR_MS
WEIGHT_LIGHT = 1


class BinanceUsdm(BinanceRest):
    """A candle and funding source (see :mod:`include.exchanges.base`) for Binance USD-M futures."""

    venue = VenueRecord(
        name="binance_usdm",
        title="Binance USD-M Futures",
        kind="perpetual",
        symbol_case="upper",
    )
    traits = VenueTraits(
        page_limit=KLINES_PER_PAGE,
        range_rule="oldest",
        absent_means="outage",
        funding_interval_ms=DEFAULT_FUNDING_INTERVAL_MS,
    )
    prefix = "/fapi/v1"
    _stated_ms: dict[str, int] | None = None

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol, in the order asked."""
        return self._chosen(self.listing(), symbols)

    def listing(self) -> list[InstrumentRecord]:
        """Return the reference record of every contract, settled ones included."""
        document: Any = self._client.get("/fapi/v1/exchangeInfo", {}, weight=WEIGHT_LIGHT)
        return parse_instruments(document)

    def weigh_klines(self, limit: int) -> int:
        """Return what a request for ``limit`` candles weighs."""
        return weigh_klines(limit)

    def funding_rates(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[FundingPage]:
        """Yield pages of payments in ``span``, each with the interval its neighbours show."""
        if self._stated_ms is None:
            self._stated_ms = self.funding_intervals_ms()
        yield from walk_funding(
            partial(self._funding, symbol),
            span,
            page_limit=min(page_limit, FUNDING_PER_PAGE),
            stated_ms=self._stated_ms.get(symbol, DEFAULT_FUNDING_INTERVAL_MS),
        )

    def funding_intervals_ms(self) -> dict[str, int]:
        """Return the interval of every symbol that ever left the 8 hours all others have."""
        document: Any = self._client.get("/fapi/v1/fundingInfo", {}, weight=1, scope=FUNDING_SCOPE)
        return parse_funding_intervals(document)

    def _funding(self, symbol: str, asked: Span, limit: int) -> FundingRows:
        return self._client.get(
            "/fapi/v1/fundingRate",
            {
                "symbol": symbol,
                "startTime": asked.start_ms,
                "endTime": asked.end_ms - 1,
                "limit": limit,
            },
            weight=1,
            scope=FUNDING_SCOPE,
            parse=partial(parse_funding, symbol=symbol, note_field=self._note_field),
        )


def weigh_klines(limit: int) -> int:
    """Return what a request for ``limit`` candles weighs."""
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10
