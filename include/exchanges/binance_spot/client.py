"""Binance spot public market data over REST.

Range rules (proven by recordings): ``startTime <= openTime <= endTime``, oldest first, cut at
``limit``; a range that reaches now ends with the candle still forming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from include.exchanges.base import CandlePage
from include.exchanges.binance_spot.parse import parse_instruments, parse_klines
from include.exchanges.http import JsonClient
from include.market.errors import ContractError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import Timeframe

WEIGHT_LIMIT_PER_MINUTE = 6000
WEIGHT_KLINES = 2
WEIGHT_EXCHANGE_INFO = 20
WEIGHT_TIME = 1


class BinanceSpot:
    """A :class:`include.exchanges.base.CandleSource` for Binance spot."""

    venue = VenueRecord(name="binance_spot", title="Binance Spot")

    def __init__(self, client: JsonClient) -> None:
        """Ask through ``client``, whose base URL is the API's host."""
        self._client = client

    def server_time_ms(self) -> int:
        """Return the venue's clock, epoch milliseconds."""
        document = self._client.get("/api/v3/time", {}, weight=WEIGHT_TIME)
        instant_ms = document.get("serverTime") if isinstance(document, dict) else None
        if type(instant_ms) is not int:
            raise ContractError(f"/api/v3/time: expected serverTime, was {str(document)[:120]}")
        return instant_ms

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol, in the order asked."""
        listed = '["' + '","'.join(symbols) + '"]'
        try:
            document = self._client.get(
                "/api/v3/exchangeInfo", {"symbols": listed}, weight=WEIGHT_EXCHANGE_INFO
            )
        except UnknownInstrumentError as error:
            raise UnknownInstrumentError(
                f"{self.venue.name} does not list one of {', '.join(symbols)}; "
                "correct Variable universe"
            ) from error
        found = {record.symbol: record for record in parse_instruments(document)}
        missing = [symbol for symbol in symbols if symbol not in found]
        if missing:
            raise UnknownInstrumentError(
                f"{self.venue.name} does not list {', '.join(missing)}; correct Variable universe"
            )
        return [found[symbol] for symbol in symbols]

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the oldest candle opens, or None when there is none."""
        rows = self._klines(symbol, timeframe, start_ms=0, limit=1)
        return None if rows.empty else _open_ms(rows)[0]

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        """Yield pages of candles opening in ``span``; see :class:`CandleSource`."""
        cursor_ms = span.start_ms
        page: CandlePage | None = None
        while cursor_ms < span.end_ms:
            page = self._page(symbol, timeframe, Span(cursor_ms, span.end_ms), page_limit)
            if page.frame.empty:
                # Nothing is proven by silence: ask again for more than what seemed empty.
                wider = Span(max(0, cursor_ms - timeframe.length_ms), span.end_ms)
                page = _inside(self._page(symbol, timeframe, wider, page_limit), cursor_ms)
                if page.frame.empty:
                    break
            yield page
            cursor_ms = _open_ms(page.frame)[-1] + timeframe.length_ms
        if cursor_ms == span.start_ms and page is not None:
            yield page

    def _page(self, symbol: str, timeframe: Timeframe, span: Span, limit: int) -> CandlePage:
        rows = self._klines(
            symbol, timeframe, start_ms=span.start_ms, end_ms=span.end_ms - 1, limit=limit
        )
        rows = rows.sort_values("open_time", kind="stable", ignore_index=True)
        kept = rows[(rows["open_time"] >= span.start_time) & (rows["open_time"] < span.end_time)]
        return CandlePage(span, kept.reset_index(drop=True), outside=len(rows) - len(kept))

    def _klines(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start_ms: int,
        end_ms: int | None = None,
        limit: int,
    ) -> pd.DataFrame:
        params: dict[str, Any] = {
            "symbol": symbol,
            "interval": timeframe.label,
            "startTime": start_ms,
            "limit": limit,
        }
        if end_ms is not None:
            params["endTime"] = end_ms
        return parse_klines(self._client.get("/api/v3/klines", params, weight=WEIGHT_KLINES))


def _inside(page: CandlePage, from_ms: int) -> CandlePage:
    span = Span(from_ms, page.span.end_ms)
    kept = page.frame[page.frame["open_time"] >= span.start_time]
    return CandlePage(span, kept.reset_index(drop=True), page.outside)


def _open_ms(frame: pd.DataFrame) -> list[int]:
    return [int(value) for value in frame["open_time"].astype("int64") // 1000]
