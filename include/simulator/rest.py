"""The REST endpoints: what each weighs, which parameters it reads and what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.clock import Clock
from include.simulator.engine import Engine, Window
from include.simulator.interval import ONE_MINUTE
from include.simulator.params import Params
from include.simulator.protocol import (
    VenueError,
    agg_trade_json,
    list_json,
    rate_limits,
    symbol_object,
    trade_json,
)
from include.simulator.weights import WeightMeter

_TRUTH_DAYS = 30
_MAX_TRUTH_DAYS = 400
_RANGE = ("startTime", "endTime", "limit")
_REFERENCE = ("symbol", "symbols", "symbolStatus", "permissions", "showPermissionSets")


@dataclass(frozen=True, slots=True)
class Venue:
    """What every request is answered from."""

    engine: Engine
    clock: Clock
    meter: WeightMeter


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: ``answer`` returns JSON text and may take long, so it runs in a thread."""

    weight: int
    known: tuple[str, ...]
    answer: Callable[[Venue, Params], str]


def answer_ping(venue: Venue, params: Params) -> str:
    """Answer that the venue is there."""
    return "{}"


def answer_time(venue: Venue, params: Params) -> str:
    """Answer the exchange's time."""
    return f'{{"serverTime":{venue.clock.now_ms()}}}'


def answer_exchange_info(venue: Venue, params: Params) -> str:
    """Answer reference data of all listed symbols or of those asked for."""
    symbols = params.read_symbols(venue.engine.listings)
    status = params.read_choice("symbolStatus", ("TRADING", "HALT", "BREAK"), code=-1122)
    if symbols is not None and status is not None:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    chosen = list(venue.engine.listings) if symbols is None else symbols
    if status in ("HALT", "BREAK"):
        chosen = []
    return json.dumps(
        {
            "timezone": "UTC",
            "serverTime": venue.clock.now_ms(),
            "rateLimits": rate_limits(venue.meter.limit),
            "exchangeFilters": [],
            "symbols": [symbol_object(venue.engine.listings[symbol]) for symbol in chosen],
        },
        separators=(",", ":"),
    )


def answer_klines(venue: Venue, params: Params) -> str:
    """Answer candles whose open time lies in [startTime, endTime], the first ``limit`` of them."""
    symbol, interval = params.read_symbol(venue.engine.listings), params.read_interval()
    params.check_time_zone()
    window = params.read_window()
    return list_json(venue.engine.klines(symbol, interval, window, venue.clock.now_ms()))


def answer_agg_trades(venue: Venue, params: Params) -> str:
    """Answer aggregate trades from an id, in a time range, or the newest."""
    symbol = params.read_symbol(venue.engine.listings)
    from_id, window, now_ms = params.read_number("fromId"), params.read_window(), _now(venue)
    if from_id is None:
        found = venue.engine.agg_trades(symbol, window, now_ms)
    elif window.start_ms is not None or window.end_ms is not None:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    else:
        found = venue.engine.agg_trades_from(symbol, from_id, window.limit, now_ms)
    return list_json(map(agg_trade_json, found))


def answer_trades(venue: Venue, params: Params) -> str:
    """Answer the newest trades."""
    symbol = params.read_symbol(venue.engine.listings)
    window = Window(params.read_limit())
    return list_json(map(trade_json, venue.engine.trades(symbol, window, _now(venue))))


def answer_price(venue: Venue, params: Params) -> str:
    """Answer the last price of one symbol (an object) or of several (a list)."""
    symbols = params.read_symbols(venue.engine.listings)
    rows = [
        {"symbol": symbol, "price": price}
        for symbol in symbols or venue.engine.listings
        if (price := _last_price(venue, symbol)) is not None
    ]
    return json.dumps(rows[0] if "symbol" in params and rows else rows, separators=(",", ":"))


def answer_info(venue: Venue, params: Params) -> str:
    """Answer what is simulated; ``data_to_ms`` is the end of the closed candles, exclusive."""
    now_ms = _now(venue)
    span = venue.engine.data_span(now_ms)
    return json.dumps(
        {
            "engine": venue.engine.name,
            "seed": venue.engine.seed,
            "symbols": list(venue.engine.listings),
            "data_from_ms": span.start_ms,
            "data_to_ms": span.end_ms,
            "server_time_ms": now_ms,
            "clock": str(venue.clock),
        }
    )


def answer_truth(venue: Venue, params: Params) -> str:
    """Answer the ground truth of [startTime, endTime), by default of the last 30 days."""
    symbol = params.read_symbol(venue.engine.listings)
    end_ms = params.read_time_ms("endTime")
    end_ms = _now(venue) if end_ms is None else end_ms
    start_ms = params.read_time_ms("startTime")
    start_ms = end_ms - _TRUTH_DAYS * DAY_MS if start_ms is None else start_ms
    if end_ms - start_ms > _MAX_TRUTH_DAYS * DAY_MS:
        hours = _MAX_TRUTH_DAYS * 24
        raise VenueError(-1127, f"More than {hours} hours between startTime and endTime.")
    try:
        span = Span(start_ms, end_ms)
    except InvalidInputError as error:
        raise VenueError(-1130, str(error)) from None
    truth = venue.engine.truth(symbol, span)
    if truth is None:
        raise VenueError(
            -1000,
            f"The {venue.engine.name} engine knows no ground truth: start the simulator with "
            "--engine synthetic.",
            status=404,
        )
    return json.dumps(truth)


def _now(venue: Venue) -> int:
    return venue.clock.now_ms()


def _last_price(venue: Venue, symbol: str) -> str | None:
    rows = venue.engine.klines(symbol, ONE_MINUTE, Window(1), _now(venue))
    return str(json.loads(rows[-1])[4]) if rows else None


ENDPOINTS = {
    "/api/v3/ping": Endpoint(1, (), answer_ping),
    "/api/v3/time": Endpoint(1, (), answer_time),
    "/api/v3/exchangeInfo": Endpoint(20, _REFERENCE, answer_exchange_info),
    "/api/v3/klines": Endpoint(2, ("symbol", "interval", "timeZone", *_RANGE), answer_klines),
    "/api/v3/aggTrades": Endpoint(4, ("symbol", "fromId", *_RANGE), answer_agg_trades),
    "/api/v3/trades": Endpoint(25, ("symbol", "limit"), answer_trades),
    "/api/v3/ticker/price": Endpoint(2, ("symbol", "symbols"), answer_price),
    "/sim/info": Endpoint(0, (), answer_info),
    "/sim/truth": Endpoint(0, ("symbol", "startTime", "endTime"), answer_truth),
}


def weigh(path: str, sent: set[str]) -> int:
    """Return what a request weighs; a list of prices weighs 4 instead of 2."""
    if path == "/api/v3/ticker/price" and "symbol" not in sent:
        return 4
    return ENDPOINTS[path].weight
