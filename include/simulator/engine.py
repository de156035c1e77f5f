"""The contract between the protocol and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from include.market.span import Span
from include.simulator.catalogue import Listing
from include.simulator.interval import Interval


class Kline(NamedTuple):
    """One candle; numbers are the venue's decimal text, ``close_ms`` is its last millisecond.

    ``first_id`` is the id of its first trade, -1 where it is not known.
    """

    open_ms: int
    close_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    quote_volume: str
    taker_volume: str
    taker_quote_volume: str
    trade_count: int
    first_id: int


class Trade(NamedTuple):
    """One fill; ``buyer_maker`` is true where the seller took the order."""

    id: int
    price: str
    quantity: str
    quote_quantity: str
    time_ms: int
    buyer_maker: bool


class AggTrade(NamedTuple):
    """One order's fills at one price; ``first_id`` and ``last_id`` are trade ids, inclusive."""

    id: int
    price: str
    quantity: str
    first_id: int
    last_id: int
    time_ms: int
    buyer_maker: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a question wants: times in ms, both ends inclusive.

    With ``start_ms`` the first ``limit`` rows are wanted, without it the last ``limit``.
    """

    limit: int
    start_ms: int | None = None
    end_ms: int | None = None


class Engine(Protocol):
    """A market to ask. Every answer is a function of the question and ``now_ms`` alone.

    Nothing later than ``now_ms`` is ever told, except by ``minutes``. Methods may be called from
    several threads.
    """

    name: str
    seed: int | None

    @property
    def listings(self) -> Mapping[str, Listing]:
        """All symbols that can be asked for."""

    def data_span(self, now_ms: int) -> Span:
        """Return the span of closed 1m candles that can be asked at ``now_ms``."""

    def klines(self, symbol: str, interval: Interval, window: Window, now_ms: int) -> list[str]:
        """Return candles by open time as JSON arrays of 12; the last may be unfinished."""

    def kline_at(self, symbol: str, interval: Interval, open_ms: int, now_ms: int) -> Kline | None:
        """Return one candle, as far as it has come by ``now_ms``; None where there is none."""

    def minutes(self, symbol: str, span: Span) -> list[Kline]:
        """Return the final 1m candles that open in ``span``, those still to come included."""

    def mark_price(self, symbol: str, at_ms: int) -> str | None:
        """Return the price at an instant as decimal text; None where there is none."""

    def outages(self, span: Span) -> list[Span]:
        """Return the spans, known to touch ``span``, in which the venue tells no candle."""

    def futures(self) -> Engine:
        """Return the market of perpetual futures that stands beside this one."""

    def trades(self, symbol: str, window: Window, now_ms: int) -> list[Trade]:
        """Return trades by time."""

    def agg_trades(self, symbol: str, window: Window, now_ms: int) -> list[AggTrade]:
        """Return aggregate trades by time."""

    def agg_trades_from(
        self, symbol: str, first_id: int, limit: int, now_ms: int
    ) -> list[AggTrade]:
        """Return the first ``limit`` aggregate trades whose id is ``first_id`` or more."""

    def truth(self, symbol: str, span: Span) -> dict[str, object] | None:
        """Return the ground truth of ``span``, or None where the engine knows none."""
