"""What one subscription has been told so far and what it must be told now."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Protocol

from include.simulator.catalogue import SPOT
from include.simulator.control import Stream
from include.simulator.engine import AggTrade, Engine, Kline, Window
from include.simulator.futures_protocol import continuous_event, futures_trade_event
from include.simulator.interval import ONE_MINUTE, Interval
from include.simulator.protocol import agg_trade_event, kline_event, trade_event


class Feed(Protocol):
    """The events of one subscription; calls must come with a rising ``now_ms``."""

    def collect(self, engine: Engine, now_ms: int, *, is_push: bool) -> list[str]:
        """Return the events due by ``now_ms``, in order, and remember them as told."""

    def due_ms(self) -> float:
        """Return the exchange time of the next event that must not wait for a push."""


class WriteKline(Protocol):
    """Writes one event of a candle."""

    def __call__(
        self, symbol: str, interval: Interval, kline: Kline, now_ms: int, *, is_closed: bool
    ) -> str:
        """Return the event's JSON text."""


class KlineFeed:
    """Tells every candle's close exactly once, and at each push how the open candle looks."""

    def __init__(
        self, stream: Stream, interval: Interval, now_ms: int, write: WriteKline = kline_event
    ) -> None:
        """Begin with the candle that is open at ``now_ms``."""
        self._write = write
        self._symbol = stream.symbol
        self._interval = interval
        self._open_ms = interval.floor_ms(now_ms)
        self._is_new = True

    def due_ms(self) -> float:
        """Return when the open candle closes."""
        return self._interval.next_ms(self._open_ms)

    def collect(self, engine: Engine, now_ms: int, *, is_push: bool) -> list[str]:
        """Return the closes since the last call, then the open candle if it is time to push."""
        current_ms = self._interval.floor_ms(now_ms)
        opens: list[int] = []
        while self._open_ms < current_ms:
            opens.append(self._open_ms)
            self._open_ms = self._interval.next_ms(self._open_ms)
        if is_push or self._is_new:
            opens.append(current_ms)
        self._is_new = False
        told: list[str] = []
        for at in opens:
            kline = engine.kline_at(self._symbol, self._interval, at, now_ms)
            if kline is not None:
                is_closed = at < current_ms
                told.append(
                    self._write(self._symbol, self._interval, kline, now_ms, is_closed=is_closed)
                )
        return told


class TradeFeed:
    """Tells every trade, or every aggregate trade, once and in order of id."""

    def __init__(
        self,
        stream: Stream,
        now_ms: int,
        write_aggregate: Callable[[str, AggTrade, int], str] = agg_trade_event,
    ) -> None:
        """Begin with what trades after ``now_ms``."""
        self._write_aggregate = write_aggregate
        self._stream = stream
        self._told_ms = now_ms

    def due_ms(self) -> float:
        """Return infinity: trades wait for the next look."""
        return math.inf

    def collect(self, engine: Engine, now_ms: int, *, is_push: bool) -> list[str]:
        """Return the trades since the last call."""
        if now_ms <= self._told_ms:
            return []
        window = Window(sys.maxsize, self._told_ms + 1, now_ms)
        self._told_ms = now_ms
        symbol = self._stream.symbol
        if self._stream.kind == "trade":
            trades = engine.trades(symbol, window, now_ms)
            return [trade_event(symbol, trade, now_ms) for trade in trades]
        found = engine.agg_trades(symbol, window, now_ms)
        return [self._write_aggregate(symbol, trade, now_ms) for trade in found]


def open_feed(stream: Stream, now_ms: int, venue: str = SPOT) -> Feed | None:
    """Return a feed of ``stream`` that begins at ``now_ms``; None for one the venue never feeds."""
    if venue == SPOT:
        if stream.kind == "continuousKline":
            return None
        if stream.kind == "kline":
            return KlineFeed(stream, stream.interval or ONE_MINUTE, now_ms)
        return TradeFeed(stream, now_ms)
    if stream.interval is None:
        return TradeFeed(stream, now_ms, futures_trade_event)
    write = kline_event if stream.kind == "kline" else continuous_event
    return KlineFeed(stream, stream.interval, now_ms, write)
