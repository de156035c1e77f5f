"""What only the simulator answers, under /sim: what it is, and the truth behind its answers."""

from __future__ import annotations

import json

from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.catalogue import SPOT, USDM, VENUES
from include.simulator.futures_protocol import futures_trade_json
from include.simulator.interval import Interval
from include.simulator.ledger import MAX_ROWS, absences, all_funding, all_trades, closed_rows
from include.simulator.params import Params
from include.simulator.protocol import VenueError, agg_trade_json, list_json
from include.simulator.venue import Endpoint, Venue, always

_TRUTH_DAYS = 30
_MAX_TRUTH_DAYS = 400
_LEDGER = ("venue", "symbol", "startTime", "endTime")


def answer_info(venue: Venue, params: Params) -> str:
    """Answer what is simulated; ``data_to_ms`` is the end of the closed candles, exclusive."""
    now_ms = venue.clock.now_ms()
    span = venue.engine.data_span(now_ms)
    return json.dumps(
        {
            "engine": venue.engine.name,
            "seed": venue.engine.seed,
            "symbols": list(venue.engine.listed(now_ms)),
            "futures": list(venue.futures.listed(now_ms)),
            "data_from_ms": span.start_ms,
            "data_to_ms": span.end_ms,
            "server_time_ms": now_ms,
            "clock": str(venue.clock),
        }
    )


def answer_truth(venue: Venue, params: Params) -> str:
    """Answer how prices were drawn in [startTime, endTime), by default of the last 30 days."""
    engine = venue.engine
    symbol, now_ms = params.read_symbol(engine.listings), venue.clock.now_ms()
    end_ms = params.read_time_ms("endTime")
    end_ms = now_ms if end_ms is None else end_ms
    start_ms = params.read_time_ms("startTime")
    start_ms = end_ms - _TRUTH_DAYS * DAY_MS if start_ms is None else start_ms
    if end_ms - start_ms > _MAX_TRUTH_DAYS * DAY_MS:
        hours = _MAX_TRUTH_DAYS * 24
        raise VenueError(-1127, f"More than {hours} hours between startTime and endTime.")
    truth = engine.truth(symbol, _span(start_ms, end_ms))
    if truth is None:
        raise VenueError(
            -1000,
            f"The {engine.name} engine knows no ground truth: start the simulator with "
            "--engine synthetic.",
            status=404,
        )
    return json.dumps(truth)


def answer_candles(venue: Venue, params: Params) -> str:
    """Answer the closed candles that open in [startTime, endTime), and the spans without one."""
    name, symbol, span = _read_ledger(venue, params)
    engine, now_ms = venue.market(name), venue.clock.now_ms()
    interval = params.read_interval(engine.intervals)
    _check_size(span, interval)
    rows = list_json(closed_rows(engine, symbol, interval, span, now_ms))
    absent = json.dumps(absences(engine, symbol, interval, span, now_ms))
    return f'{{{_head(name, symbol, span, now_ms)},"rows":{rows},"absent":{absent}}}'


def answer_trades(venue: Venue, params: Params) -> str:
    """Answer the aggregate trades of [startTime, endTime), the first 50,000 of them."""
    name, symbol, span = _read_ledger(venue, params)
    now_ms = venue.clock.now_ms()
    trades = all_trades(venue.market(name), symbol, span, now_ms)
    rows = list_json(map(agg_trade_json if name == SPOT else futures_trade_json, trades))
    return f'{{{_head(name, symbol, span, now_ms)},"rows":{rows}}}'


def answer_funding(venue: Venue, params: Params) -> str:
    """Answer the funding payments told in [startTime, endTime)."""
    name, symbol, span = _read_ledger(venue, params, default=USDM)
    if name != USDM:
        raise VenueError(-1130, "Data sent for parameter 'venue' is not valid: only usdm pays.")
    now_ms = venue.clock.now_ms()
    rows = list_json(row.text() for row in all_funding(venue.funding, symbol, span, now_ms))
    return f'{{{_head(name, symbol, span, now_ms)},"rows":{rows}}}'


def _read_ledger(venue: Venue, params: Params, *, default: str = SPOT) -> tuple[str, str, Span]:
    name = params.read_choice("venue", VENUES, code=-1130) or default
    symbol = params.read_symbol(venue.market(name).listings)
    start_ms, end_ms = params.read_time_ms("startTime"), params.read_time_ms("endTime")
    if start_ms is None:
        raise VenueError(-1102, "Mandatory parameter 'startTime' was not sent.")
    end_ms = venue.clock.now_ms() if end_ms is None else end_ms
    return name, symbol, _span(start_ms, end_ms)


def _span(start_ms: int, end_ms: int) -> Span:
    try:
        return Span(start_ms, end_ms)
    except InvalidInputError as error:
        raise VenueError(-1130, str(error)) from None


def _check_size(span: Span, interval: Interval) -> None:
    """Refuse more than 50,000 candles: an answer cut short would not be the truth."""
    if interval.length_ms and (span.end_ms - span.start_ms) // interval.length_ms > MAX_ROWS:
        raise VenueError(
            -1127, f"More than {MAX_ROWS} candles between startTime and endTime: ask in parts."
        )


def _head(name: str, symbol: str, span: Span, now_ms: int) -> str:
    return (
        f'"venue":"{name}","symbol":"{symbol}","from_ms":{span.start_ms},"to_ms":{span.end_ms},'
        f'"server_time_ms":{now_ms}'
    )


SIM_ENDPOINTS = {
    "/sim/info": Endpoint(always(0), (), answer_info),
    "/sim/truth": Endpoint(always(0), ("symbol", "startTime", "endTime"), answer_truth),
    "/sim/truth/candles": Endpoint(always(0), ("interval", *_LEDGER), answer_candles),
    "/sim/truth/trades": Endpoint(always(0), _LEDGER, answer_trades),
    "/sim/truth/funding": Endpoint(always(0), _LEDGER, answer_funding),
}
