"""What Binance's spot and futures APIs answer alike, below different paths and weights.

Range rules (proven by recordings of both): ``startTime <= openTime <= endTime``, oldest first, cut
at ``limit``; a range that reaches now ends with the candle still forming.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

from include.exchanges.base import CandlePage
from include.exchanges.binance_klines import NoteField, parse_klines
from include.exchanges.binance_trades import parse_agg_trades
from include.exchanges.http import HttpClient
from include.exchanges.pages import walk_candles
from include.exchanges.rows import CandleRows, TradeRows
from include.exchanges.server_clock import require_epoch_ms
from include.exchanges.traits import VenueTraits
from include.market.errors import UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import Timeframe


class BinanceRest(ABC):
    """A venue's clock and candles; what it lists is the subclass's to know."""

    venue: ClassVar[VenueRecord]
    traits: ClassVar[VenueTraits]
    prefix: ClassVar[str]

    def __init__(self, client: HttpClient, note_field: NoteField | None = None) -> None:
        """Ask through ``client``, whose base URL is the API's host; tell of unknown fields."""
        self._client = client
        self._note_field = note_field
        self._parse = partial(parse_klines, note_field=note_field)

    def server_time_ms(self) -> int:
        """Return the venue's clock, epoch milliseconds."""
        document: Any = self._client.get(f"{self.prefix}/time", {}, weight=1)
        instant_ms = document.get("serverTime") if isinstance(document, dict) else None
        return require_epoch_ms(instant_ms, f"{self.prefix}/time, serverTime")

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the oldest candle opens, or None when there is none."""
        rows = self._klines(symbol, timeframe, {"startTime": 0, "limit": 1})
        return int(rows.open_ms[0]) if len(rows) else None

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        """Yield pages of candles opening in ``span``; see ``CandleSource`` in base."""

        def ask(window: Span, limit: int) -> CandleRows:
            bounds = {"startTime": window.start_ms, "endTime": window.end_ms - 1, "limit": limit}
            return self._klines(symbol, timeframe, bounds)

        return walk_candles(ask, timeframe, span, traits=self.traits, page_limit=page_limit)

    @abstractmethod
    def weigh_klines(self, limit: int) -> int:
        """Return what a request for ``limit`` candles weighs."""

    def _klines(self, symbol: str, timeframe: Timeframe, bounds: dict[str, int]) -> CandleRows:
        return self._client.get(
            f"{self.prefix}/klines",
            {"symbol": symbol, "interval": timeframe.label, **bounds},
            weight=self.weigh_klines(bounds["limit"]),
            parse=self._parse,
        )

    def _chosen(
        self, records: Sequence[InstrumentRecord], symbols: Sequence[str]
    ) -> list[InstrumentRecord]:
        found = {record.symbol: record for record in records}
        if missing := [symbol for symbol in symbols if symbol not in found]:
            raise UnknownInstrumentError(
                f"{self.venue.name} does not list {', '.join(missing)}; correct Variable universe"
            )
        return [found[symbol] for symbol in symbols]


class AskAggTrades:
    """Asks for one symbol's aggregate trades, by time or by id; see ``walk_trades``."""

    def __init__(
        self,
        client: HttpClient,
        path: str,
        symbol: str,
        *,
        weight: int,
        note_field: NoteField | None,
    ) -> None:
        """Ask ``path`` through ``client``."""
        self._client, self._path, self._symbol, self._weight = client, path, symbol, weight
        self._parse = partial(parse_agg_trades, note_field=note_field)

    def by_time(self, span: Span, limit: int) -> TradeRows:
        """Return the oldest trades of ``span``."""
        return self._get(startTime=span.start_ms, endTime=span.end_ms - 1, limit=limit)

    def by_id(self, agg_id: int, limit: int) -> TradeRows:
        """Return trades from ``agg_id`` on, which is among them."""
        return self._get(fromId=agg_id, limit=limit)

    def _get(self, **params: int) -> TradeRows:
        return self._client.get(
            self._path,
            {"symbol": self._symbol, **params},
            weight=self._weight,
            parse=self._parse,
        )
