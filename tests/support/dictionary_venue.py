"""A venue and its archive made of Python values, for tests of the jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.exchanges.base import CandlePage
from include.exchanges.binance_archive.layout import ArchiveFile, Market
from include.exchanges.binance_archive.parse import ArchiveCandles, ArchiveRows
from include.exchanges.binance_spot.client import TRAITS
from include.exchanges.rows import CandleRows
from include.market.errors import UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span
from include.market.timeframe import M1, Timeframe
from tests.support.klines import candle_rows, kline
from tests.support.warehouse import VENUE, instrument

MINUTE = M1.length_ms


def rows_at(opens_ms: Iterable[int], **changes: Any) -> CandleRows:
    """Return one sound 1m candle per open time."""
    return candle_rows(kline(open_ms, **changes) for open_ms in opens_ms)


@dataclass
class DictionaryVenue:
    """Has candles at ``has``; forgets ``forgets`` the first time it is asked for anything."""

    now_ms: int
    has: Sequence[int]
    forgets: frozenset[int] = frozenset()
    listed: Sequence[str] = ("BTCUSDT",)
    changes: dict[str, Any] = field(default_factory=dict)
    asked: list[Span] = field(default_factory=list)
    questions: int = 0
    venue: VenueRecord = VENUE
    traits = TRAITS

    def server_time_ms(self) -> int:
        return self.now_ms

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        self.questions += 1
        if unlisted := [symbol for symbol in symbols if symbol not in self.listed]:
            raise UnknownInstrumentError(f"no {unlisted}")
        return [instrument(symbol) for symbol in symbols]

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        return min(self.has, default=None)

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        if symbol not in self.listed:
            raise UnknownInstrumentError(f"no {symbol}")
        self.asked.append(span)
        hidden = self.forgets if len(self.asked) == 1 else frozenset[int]()
        opens = [at for at in self.has if span.start_ms <= at < span.end_ms and at not in hidden]
        yield CandlePage(span, rows_at(opens, **self.changes))


@dataclass
class DictionaryArchive:
    """Holds files by path; ``read`` keeps which were asked for."""

    files: dict[str, CandleRows]
    unplaced: tuple[bytes, ...] = ()
    edition: str = "a"
    market: Market = "spot"
    read: list[str] = field(default_factory=list)

    def read_candles(self, file: ArchiveFile) -> ArchiveCandles | None:
        self.read.append(file.path)
        rows = self.files.get(file.path)
        if rows is None:
            return None
        return ArchiveRows(file, rows, self.edition * 64, 1000, 0, 0, self.unplaced)

    def published_sha256(self, file: ArchiveFile) -> str | None:
        return self.edition * 64 if file.path in self.files else None
