"""Answers in microseconds, as the header ``X-MBX-TIME-UNIT: MICROSECOND`` asks for."""

from __future__ import annotations

from include.simulator.engine import AggTrade, Trade


def kline_in_us(text: str) -> str:
    """Return a candle's JSON array with open and close time in microseconds."""
    opened, *middle, closed, rest = text.split(",", 7)
    return ",".join((f"{opened}000", *middle, f"{closed}999", rest))


def agg_trade_in_us(trade: AggTrade) -> AggTrade:
    """Return an aggregate trade whose time is in microseconds."""
    return trade._replace(time_ms=trade.time_ms * 1_000)


def trade_in_us(trade: Trade) -> Trade:
    """Return a trade whose time is in microseconds."""
    return trade._replace(time_ms=trade.time_ms * 1_000)
