"""The REST endpoints of USD-M futures, and of what little of COIN-M clients ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.market.timeframe import DAY_MS
from include.simulator.engine import Window
from include.simulator.funding import HOUR_MS
from include.simulator.futures_protocol import futures_info, futures_trade_json
from include.simulator.params import Limits, Params
from include.simulator.protocol import VenueError, list_json
from include.simulator.venue import Endpoint, Venue, always

_KLINES = Limits(500, 1_500, is_strict=True)
_TRADES = Limits(500, 1_000, is_strict=True)
_FUNDING = Limits(100, 1_000, is_strict=True)
_TRADES_KEPT_MS = 2 * DAY_MS
_RANGE = ("startTime", "endTime", "limit")


def answer_ping(venue: Venue, params: Params) -> str:
    """Answer that the venue is there."""
    return "{}"


def answer_time(venue: Venue, params: Params) -> str:
    """Answer the exchange's time."""
    return f'{{"serverTime":{venue.clock.now_ms()}}}'


def answer_exchange_info(venue: Venue, params: Params) -> str:
    """Answer reference data of all listed perpetuals; the endpoint takes no parameter."""
    now_ms = venue.clock.now_ms()
    listed = venue.futures.listed(now_ms)
    trading = {symbol for symbol in listed if venue.futures.story(symbol).is_trading(now_ms)}
    return futures_info(listed, trading, now_ms, venue.futures_meter.limit)


def answer_coin_info(venue: Venue, params: Params) -> str:
    """Answer that no coin-margined future is listed."""
    return futures_info({}, set(), venue.clock.now_ms(), venue.futures_meter.limit)


def answer_klines(venue: Venue, params: Params) -> str:
    """Answer candles whose open time lies in [startTime, endTime], the first ``limit`` of them."""
    now_ms = venue.clock.now_ms()
    symbol = params.read_symbol(venue.futures.listed(now_ms))
    interval = params.read_interval()
    window = params.read_window(_KLINES)
    return list_json(venue.futures.klines(symbol, interval, window, now_ms))


def answer_mark_klines(venue: Venue, params: Params) -> str:
    """Answer candles of the mark price: as those of trades here, but without volumes."""
    rows = json.loads(answer_klines(venue, params))
    marks = [[*row[:5], "0", row[6], "0", 60, "0", "0", "0"] for row in rows]
    return json.dumps(marks, separators=(",", ":"))


def answer_agg_trades(venue: Venue, params: Params) -> str:
    """Answer aggregate trades of the last 48 hours from an id, of an hour, or the newest.

    Older trades are left out, however they are asked for.
    """
    now_ms = venue.clock.now_ms()
    symbol = params.read_symbol(venue.futures.listed(now_ms))
    from_id, window = params.read_number("fromId"), params.read_window(_TRADES)
    kept_ms = now_ms - _TRADES_KEPT_MS
    start_ms, end_ms = window.start_ms, window.end_ms
    if from_id is not None:
        if start_ms is not None or end_ms is not None:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        oldest = venue.futures.agg_trades(symbol, Window(1, kept_ms), now_ms)
        from_id = max(from_id, oldest[0].id) if oldest else 2**62
        found = venue.futures.agg_trades_from(symbol, from_id, window.limit, now_ms)
        return list_json(map(futures_trade_json, found))
    if start_ms is not None and end_ms is not None and end_ms - start_ms > HOUR_MS:
        raise VenueError(-1127, "More than 1 hours between startTime and endTime.")
    if start_ms is not None:
        window = Window(window.limit, max(start_ms, kept_ms), end_ms)
    found = venue.futures.agg_trades(symbol, window, now_ms)
    return list_json(futures_trade_json(trade) for trade in found if trade.time_ms >= kept_ms)


def answer_funding_rate(venue: Venue, params: Params) -> str:
    """Answer funding payments of one symbol, or of all, by time."""
    now_ms = venue.clock.now_ms()
    symbols = _read_symbols(venue, params, now_ms)
    rows = venue.funding.all_rows(symbols, params.read_window(_FUNDING), now_ms)
    return list_json(row.text() for row in rows)


def answer_funding_info(venue: Venue, params: Params) -> str:
    """Answer the symbols whose funding was adjusted; all others pay every 8 hours."""
    infos = (venue.funding.info(symbol) for symbol in venue.futures.listed(venue.clock.now_ms()))
    return json.dumps([info for info in infos if info is not None], separators=(",", ":"))


def answer_premium_index(venue: Venue, params: Params) -> str:
    """Answer mark and index price and the last funding of one symbol (an object) or of all."""
    now_ms = venue.clock.now_ms()
    spot = venue.engine.listings
    texts = [
        venue.funding.premium(
            symbol, venue.engine.mark_price(symbol, now_ms) if symbol in spot else None, now_ms
        )
        for symbol in _read_symbols(venue, params, now_ms)
    ]
    return texts[0] if "symbol" in params else list_json(texts)


def _read_symbols(venue: Venue, params: Params, now_ms: int) -> list[str]:
    listed = venue.futures.listed(now_ms)
    return [params.read_symbol(listed)] if "symbol" in params else list(listed)


def weigh_klines(query: Mapping[str, str]) -> int:
    """Return what a page of candles weighs by its ``limit``."""
    limit = query.get("limit", "")
    rows = int(limit) if limit.isdigit() else _KLINES.default
    return 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1_000 else 10


def _weigh_premium(query: Mapping[str, str]) -> int:
    return 1 if "symbol" in query else 10


FUTURES_ENDPOINTS = {
    "/fapi/v1/ping": Endpoint(always(1), (), answer_ping, meter="usdm"),
    "/fapi/v1/time": Endpoint(always(1), (), answer_time, meter="usdm"),
    "/fapi/v1/exchangeInfo": Endpoint(always(1), (), answer_exchange_info, meter="usdm"),
    "/fapi/v1/klines": Endpoint(
        weigh_klines, ("symbol", "interval", *_RANGE), answer_klines, meter="usdm"
    ),
    "/fapi/v1/markPriceKlines": Endpoint(
        weigh_klines, ("symbol", "interval", *_RANGE), answer_mark_klines, meter="usdm"
    ),
    "/fapi/v1/aggTrades": Endpoint(
        always(20), ("symbol", "fromId", *_RANGE), answer_agg_trades, meter="usdm"
    ),
    "/fapi/v1/fundingRate": Endpoint(
        always(1), ("symbol", *_RANGE), answer_funding_rate, meter="funding", tells_weight=False
    ),
    "/fapi/v1/fundingInfo": Endpoint(
        always(1), (), answer_funding_info, meter="funding", tells_weight=False
    ),
    "/fapi/v1/premiumIndex": Endpoint(
        _weigh_premium, ("symbol",), answer_premium_index, meter="usdm"
    ),
    "/dapi/v1/exchangeInfo": Endpoint(always(1), (), answer_coin_info, meter="usdm"),
}
