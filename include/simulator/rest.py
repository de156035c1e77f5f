"""The REST endpoints of spot: what each weighs, which parameters it reads and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.simulator.engine import Window
from include.simulator.interval import ONE_MINUTE
from include.simulator.micros import agg_trade_in_us, kline_in_us, trade_in_us
from include.simulator.params import Params
from include.simulator.protocol import (
    VenueError,
    agg_trade_json,
    list_json,
    rate_limits,
    symbol_object,
    trade_json,
)
from include.simulator.venue import Endpoint, Venue, always

__all__ = ["ENDPOINTS", "Venue"]

_RANGE = ("startTime", "endTime", "limit")
_REFERENCE = ("symbol", "symbols", "symbolStatus", "permissions", "showPermissionSets")


def answer_ping(venue: Venue, params: Params) -> str:
    """Answer that the venue is there."""
    return "{}"


def answer_time(venue: Venue, params: Params) -> str:
    """Answer the exchange's time."""
    zeros = "000" if params.in_microseconds else ""
    return f'{{"serverTime":{venue.clock.now_ms()}{zeros}}}'


def answer_exchange_info(venue: Venue, params: Params) -> str:
    """Answer reference data of all listed symbols or of those asked for."""
    now_ms = venue.clock.now_ms()
    listed = venue.engine.listed(now_ms)
    symbols = params.read_symbols(listed)
    status = params.read_choice("symbolStatus", ("TRADING", "HALT", "BREAK"), code=-1122)
    if symbols is not None and status is not None:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    states = {
        symbol: "TRADING" if venue.engine.story(symbol).is_trading(now_ms) else "BREAK"
        for symbol in (listed if symbols is None else symbols)
    }
    return json.dumps(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": rate_limits(venue.meter.limit),
            "exchangeFilters": [],
            "symbols": [
                symbol_object(listed[symbol], state)
                for symbol, state in states.items()
                if status in (None, state)
            ],
        },
        separators=(",", ":"),
    )


def answer_klines(venue: Venue, params: Params) -> str:
    """Answer candles whose open time lies in [startTime, endTime], the first ``limit`` of them."""
    now_ms = venue.clock.now_ms()
    symbol = params.read_symbol(venue.engine.listed(now_ms))
    interval = params.read_interval(venue.engine.intervals).in_zone(params.read_zone_ms())
    texts = venue.engine.klines(symbol, interval, params.read_window(), now_ms)
    return list_json(map(kline_in_us, texts) if params.in_microseconds else texts)


def answer_agg_trades(venue: Venue, params: Params) -> str:
    """Answer aggregate trades from an id, in a time range, or the newest."""
    now_ms = venue.clock.now_ms()
    symbol = params.read_symbol(venue.engine.listed(now_ms))
    from_id, window = params.read_number("fromId"), params.read_window()
    if from_id is None:
        found = venue.engine.agg_trades(symbol, window, now_ms)
    elif window.start_ms is not None or window.end_ms is not None:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    else:
        found = venue.engine.agg_trades_from(symbol, from_id, window.limit, now_ms)
    if params.in_microseconds:
        found = list(map(agg_trade_in_us, found))
    return list_json(map(agg_trade_json, found))


def answer_trades(venue: Venue, params: Params) -> str:
    """Answer the newest trades."""
    now_ms = venue.clock.now_ms()
    symbol = params.read_symbol(venue.engine.listed(now_ms))
    found = venue.engine.trades(symbol, Window(params.read_limit()), now_ms)
    if params.in_microseconds:
        found = list(map(trade_in_us, found))
    return list_json(map(trade_json, found))


def answer_price(venue: Venue, params: Params) -> str:
    """Answer the last price of one symbol (an object) or of several (a list)."""
    listed = venue.engine.listed(venue.clock.now_ms())
    symbols = params.read_symbols(listed)
    rows = [
        {"symbol": symbol, "price": price}
        for symbol in symbols or listed
        if (price := _last_price(venue, symbol)) is not None
    ]
    return json.dumps(rows[0] if "symbol" in params and rows else rows, separators=(",", ":"))


def _last_price(venue: Venue, symbol: str) -> str | None:
    rows = venue.engine.klines(symbol, ONE_MINUTE, Window(1), venue.clock.now_ms())
    return str(json.loads(rows[-1])[4]) if rows else None


def _weigh_price(query: Mapping[str, str]) -> int:
    """Return what prices weigh: a list of them twice as much as one."""
    return 2 if "symbol" in query else 4


ENDPOINTS = {
    "/api/v3/ping": Endpoint(always(1), (), answer_ping),
    "/api/v3/time": Endpoint(always(1), (), answer_time),
    "/api/v3/exchangeInfo": Endpoint(always(20), _REFERENCE, answer_exchange_info),
    "/api/v3/klines": Endpoint(
        always(2), ("symbol", "interval", "timeZone", *_RANGE), answer_klines
    ),
    "/api/v3/aggTrades": Endpoint(always(4), ("symbol", "fromId", *_RANGE), answer_agg_trades),
    "/api/v3/trades": Endpoint(always(25), ("symbol", "limit"), answer_trades),
    "/api/v3/ticker/price": Endpoint(_weigh_price, ("symbol", "symbols"), answer_price),
}
