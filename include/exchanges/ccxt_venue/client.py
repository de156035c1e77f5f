"""Candles, trades and funding of any exchange through ccxt, under our own checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from include.exchanges.base import CandlePage, FundingPage, TradePage
from include.exchanges.binance_klines import parse_klines
from include.exchanges.ccxt_venue.exchange import CcxtExchange
from include.exchanges.ccxt_venue.parse import parse_candles, parse_funding, parse_instrument
from include.exchanges.ccxt_venue.trades import TRADE_RULES, AskCcxtTrades
from include.exchanges.funding_pages import HOUR_MS, walk_funding
from include.exchanges.governor import RateGovernor
from include.exchanges.http import HttpSettings
from include.exchanges.pages import walk_candles
from include.exchanges.rows import CandleRows, FundingRows
from include.exchanges.trade_pages import walk_trades
from include.exchanges.traits import VenueTraits
from include.market.errors import DepthExhaustedError, FinalError, UnknownInstrumentError
from include.market.instrument import InstrumentRecord, VenueRecord
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, Timeframe

FIRST_DAY_MS = 14_610 * DAY_MS
"""2010-01-01: no exchange is older."""
D1 = Timeframe(DAY_MS, "1d")
LOOK_BACK = 1440
"""Candles before a silent window that prove the exchange keeps older ones."""


class CcxtSource:
    """A candle, trade and funding source (see :mod:`include.exchanges.base`) behind ccxt.

    Symbols are ccxt's: ``BTC/USDT``, ``BTC/USDT:USDT`` for a swap.
    """

    def __init__(
        self,
        exchange: str,
        *,
        governor: RateGovernor,
        settings: HttpSettings | None = None,
        base_url: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare ``exchange`` (ccxt's id); nothing is asked yet.

        ``base_url`` replaces the host of every address, e.g. by the bundled simulator's.

        Raises:
            InvalidInputError: ccxt knows no such exchange.
        """
        self._exchange = CcxtExchange(
            exchange,
            governor=governor,
            settings=settings or HttpSettings(),
            base_url=base_url,
            sleep=sleep,
        )
        self._habits = self._exchange.habits
        title = f"{self._exchange.api.name or exchange} (ccxt)"
        self.venue = VenueRecord(name=self._exchange.name, title=title, kind="mixed")

    @property
    def traits(self) -> VenueTraits:
        """How this exchange answers for candles."""
        return self._habits.candles

    def close(self) -> None:
        """Give the sockets back."""
        self._exchange.session.close()

    def server_time_ms(self) -> int:
        """Return the exchange's clock: its own endpoint, else the Date of its last answer."""
        return self._exchange.server_time_ms()

    def instruments(self, symbols: Sequence[str]) -> list[InstrumentRecord]:
        """Return the reference record of each symbol, in the order asked."""
        markets = self._exchange.markets()
        missing = [symbol for symbol in symbols if symbol not in markets]
        if missing:
            raise UnknownInstrumentError(
                f"{self.venue.name} does not list {', '.join(missing)}; correct Variable universe "
                "(ccxt writes BTC/USDT, and BTC/USDT:USDT for a swap)"
            )
        mode = self._exchange.api.precisionMode
        return [parse_instrument(markets[symbol], mode) for symbol in symbols]

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Return when the oldest candle opens, or None when there is none.

        Where an exchange cannot be asked for its oldest, days are walked until one has candles.
        """
        now_ms = self._exchange.now_ms()
        if self.traits.range_rule == "oldest":
            return _first(self._candles(symbol, timeframe, Span(1, now_ms), 2))
        oldest_ms = self._oldest_ms(timeframe, now_ms)
        if oldest_ms is None:
            day_ms = self._search(symbol, D1, Span(FIRST_DAY_MS, now_ms))
            if day_ms is None or timeframe == D1:
                return day_ms
            oldest_ms = max(FIRST_DAY_MS, day_ms - DAY_MS)
        return self._search(symbol, timeframe, Span(oldest_ms, now_ms))

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        """Yield pages of candles opening in ``span``; see :class:`CandleSource`.

        Raises:
            DepthExhaustedError: ``span`` begins before what the exchange keeps.
        """
        if timeframe.label not in self._exchange.api.timeframes:
            raise FinalError(
                f"{self.venue.name} has no candles of {timeframe.label}: roll them up from 1m"
            )
        traits = replace(self.traits, page_limit=self._page_rows(symbol))
        self._require_depth(timeframe, span)
        ask = partial(self._candles, symbol, timeframe)
        yield from walk_candles(ask, timeframe, span, traits=traits, page_limit=page_limit)

    def agg_trades(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[TradePage]:
        """Yield pages of trades in ``span``, each an aggregate of one where there is no other.

        Raises:
            FinalError: through ccxt this exchange tells only its newest trades.
        """
        limit = self._habits.trades_page
        if limit is None:
            raise FinalError(f"{self.venue.name} gives no history of trades, only the newest ones")
        self._exchange.market(symbol)
        yield from walk_trades(
            AskCcxtTrades(self._exchange, symbol),
            span,
            rules=replace(TRADE_RULES, page_limit=limit),
            page_limit=page_limit,
            now_ms=self.server_time_ms(),
        )

    def funding_rates(self, symbol: str, span: Span, *, page_limit: int) -> Iterator[FundingPage]:
        """Yield pages of payments in ``span``.

        Raises:
            FinalError: the exchange has no history of funding that can be walked.
        """
        limit = self._habits.funding_page
        if limit is None:
            raise FinalError(f"{self.venue.name} gives no history of funding from a time on")
        self._exchange.market(symbol)
        ask = partial(self._funding, symbol)
        # Payments come hourly at most, so a window of this length never overflows a page.
        for window in _windows(span, limit * HOUR_MS):
            yield from walk_funding(ask, window, page_limit=max(2, min(page_limit, limit)))

    def funding_intervals_ms(self) -> dict[str, int]:
        """Return nothing: through ccxt the interval is read off the payments themselves."""
        return {}

    def _page_rows(self, symbol: str) -> int:
        contract = self._exchange.market(symbol).get("contract")
        return (contract and self._habits.contract_page) or self.traits.page_limit

    def _candles(self, symbol: str, timeframe: Timeframe, asked: Span, limit: int) -> CandleRows:
        """Return the closed candles of one answer, or say that its start was ignored."""
        rows = self._fetch(symbol, timeframe, asked, limit)
        oldest_ms = _first(rows)
        if oldest_ms is not None and oldest_ms >= asked.end_ms:
            self._require_older(symbol, timeframe, asked, limit, oldest_ms=oldest_ms)
        if not self._habits.bounds_end:
            # Where no end can be asked for, a quiet window is answered with what comes after it.
            rows = rows.take(rows.open_ms < asked.end_ms)
        # The candle still forming is not marked, so the exchange's clock says which one it is.
        return rows.take(rows.open_ms + timeframe.length_ms <= self._exchange.now_ms())

    def _fetch(self, symbol: str, timeframe: Timeframe, asked: Span, limit: int) -> CandleRows:
        contract = self._exchange.market(symbol).get("contract")
        wanted = min(limit, -(-(asked.end_ms - asked.start_ms) // timeframe.length_ms))
        call = partial(
            self._exchange.api.fetch_ohlcv,
            symbol,
            timeframe.label,
            asked.start_ms - int(self._habits.since_exclusive),
            None if contract and not self._habits.limit_on_contracts else wanted,
            {"until": asked.end_ms - 1} if self._habits.bounds_end else {},
        )
        got = self._exchange.ask("fetch_ohlcv", symbol, call)
        if self._habits.wire == "binance":
            return parse_klines(self._exchange.session.body)
        return parse_candles(got, f"{self.venue.name} fetch_ohlcv {symbol}")

    def _require_older(
        self, symbol: str, timeframe: Timeframe, asked: Span, limit: int, *, oldest_ms: int
    ) -> None:
        """Tell an exchange that ignores old starts from one that had nothing to say there."""
        earlier_ms = max(0, asked.start_ms - LOOK_BACK * timeframe.length_ms)
        older = _first(self._fetch(symbol, timeframe, Span(earlier_ms, asked.end_ms), limit))
        if older is None or older >= asked.end_ms:
            raise DepthExhaustedError(
                f"{self.venue.name} {symbol}: asked for candles of {asked} the exchange answers "
                f"from {from_ms(oldest_ms):%Y-%m-%d %H:%M} on, as if it kept nothing older "
                "(depth_exhausted): take older ones from another source",
                oldest_ms=oldest_ms,
            )

    def _funding(self, symbol: str, asked: Span, limit: int) -> FundingRows:
        name = "fetch_funding_rate_history"
        call = partial(
            getattr(self._exchange.api, name),
            symbol,
            asked.start_ms,
            limit,
            {"until": asked.end_ms - 1},
        )
        got = self._exchange.ask(name, symbol, call)
        return parse_funding(got, symbol, f"{self.venue.name} {name} {symbol}")

    def _search(self, symbol: str, timeframe: Timeframe, span: Span) -> int | None:
        """Return when the first candle in ``span`` opens; empty answers are asked for twice."""
        rows_a_page = self._page_rows(symbol)
        for window in _windows(span, rows_a_page * timeframe.length_ms):
            for _ in range(2):
                try:
                    found = _first(self._candles(symbol, timeframe, window, rows_a_page))
                except DepthExhaustedError as error:
                    found = error.oldest_ms
                if found is not None:
                    return found
        return None

    def _require_depth(self, timeframe: Timeframe, span: Span) -> None:
        oldest_ms = self._oldest_ms(timeframe, self._exchange.now_ms())
        if oldest_ms is not None and span and span.start_ms < oldest_ms:
            raise DepthExhaustedError(
                f"{self.venue.name} keeps the newest {self.traits.depth_candles} candles of "
                f"{timeframe.label}, since {from_ms(oldest_ms):%Y-%m-%d %H:%M}, asked for {span} "
                "(depth_exhausted): take older ones from another source",
                oldest_ms=oldest_ms,
            )

    def _oldest_ms(self, timeframe: Timeframe, now_ms: int) -> int | None:
        depth = self.traits.depth_candles
        if depth is None:
            return None
        # One of those kept is still forming.
        return timeframe.floor_ms(now_ms) - (depth - 1) * timeframe.length_ms


def _first(rows: CandleRows) -> int | None:
    return int(rows.open_ms.min()) if len(rows) else None


def _windows(span: Span, step_ms: int) -> Iterator[Span]:
    for start_ms in range(span.start_ms, span.end_ms, step_ms):
        yield Span(start_ms, min(span.end_ms, start_ms + step_ms))
