"""Candles of one second: made of single trades, flat where nothing traded."""

from __future__ import annotations

from decimal import Decimal

from include.market.span import Span
from include.simulator.engine import Kline, Trade

SECOND_MS = 1_000
_ZERO = "0.00000000"


def fold_seconds(trades: list[Trade], span: Span, last_close: str) -> list[Kline]:
    """Return a candle for each second of ``span``; one without trades repeats the close before."""
    by_second: dict[int, list[Trade]] = {}
    for trade in trades:
        by_second.setdefault(trade.time_ms - trade.time_ms % SECOND_MS, []).append(trade)
    klines: list[Kline] = []
    for open_ms in range(span.start_ms, span.end_ms, SECOND_MS):
        members = by_second.get(open_ms)
        klines.append(_fold(open_ms, members) if members else _flat(open_ms, last_close))
        last_close = klines[-1].close
    return klines


def _flat(open_ms: int, price: str) -> Kline:
    prices, nothing = (price,) * 4, (_ZERO,) * 4
    return Kline(open_ms, open_ms + SECOND_MS - 1, *prices, *nothing, 0, -1)


def _fold(open_ms: int, trades: list[Trade]) -> Kline:
    prices = [Decimal(trade.price) for trade in trades]
    bought = [trade for trade in trades if not trade.buyer_maker]
    return Kline(
        open_ms=open_ms,
        close_ms=open_ms + SECOND_MS - 1,
        open=trades[0].price,
        high=f"{max(prices):.8f}",
        low=f"{min(prices):.8f}",
        close=trades[-1].price,
        volume=_sum([trade.quantity for trade in trades]),
        quote_volume=_sum([trade.quote_quantity for trade in trades]),
        taker_volume=_sum([trade.quantity for trade in bought]),
        taker_quote_volume=_sum([trade.quote_quantity for trade in bought]),
        trade_count=len(trades),
        first_id=trades[0].id,
    )


def _sum(texts: list[str]) -> str:
    return f"{sum(map(Decimal, texts), Decimal(0)):.8f}"
