"""What Binance's spot feed looks like on the wire: rows, events, errors and reference data."""

from __future__ import annotations

import json
from collections.abc import Iterable

from include.simulator.catalogue import Listing
from include.simulator.engine import AggTrade, Kline, Trade
from include.simulator.interval import Interval

ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]


class VenueError(Exception):
    """Raised to answer ``{"code", "msg"}``, as Binance does for a request it refuses."""

    def __init__(
        self, code: int, message: str, *, status: int = 400, retry_after_s: int | None = None
    ) -> None:
        """Keep the venue's code, its message and the HTTP status."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s

    def body(self) -> str:
        """Return the JSON body."""
        return json.dumps({"code": self.code, "msg": str(self)})


def kline_json(kline: Kline) -> str:
    """Return a candle as the REST array of 12."""
    k = kline
    return (
        f'[{k.open_ms},"{k.open}","{k.high}","{k.low}","{k.close}","{k.volume}",{k.close_ms},'
        f'"{k.quote_volume}",{k.trade_count},"{k.taker_volume}","{k.taker_quote_volume}","0"]'
    )


def agg_trade_json(trade: AggTrade) -> str:
    """Return an aggregate trade as REST writes it."""
    side = "true" if trade.buyer_maker else "false"
    return (
        f'{{"a":{trade.id},"p":"{trade.price}","q":"{trade.quantity}","f":{trade.first_id},'
        f'"l":{trade.last_id},"T":{trade.time_ms},"m":{side},"M":true}}'
    )


def trade_json(trade: Trade) -> str:
    """Return a trade as REST writes it."""
    side = "true" if trade.buyer_maker else "false"
    return (
        f'{{"id":{trade.id},"price":"{trade.price}","qty":"{trade.quantity}",'
        f'"quoteQty":"{trade.quote_quantity}","time":{trade.time_ms},"isBuyerMaker":{side},'
        f'"isBestMatch":true}}'
    )


def list_json(rows: Iterable[str]) -> str:
    """Return JSON texts as one JSON array."""
    return f"[{','.join(rows)}]"


def kline_fields(interval: Interval, kline: Kline, symbol: str, *, is_closed: bool) -> str:
    """Return a streamed candle's object; ``x`` tells whether it is closed, ``s`` may be left out.

    A candle without trades, or without known ids, has first and last trade id -1.
    """
    k = kline
    known = k.trade_count > 0 and k.first_id >= 0
    first_id, last_id = (k.first_id, k.first_id + k.trade_count - 1) if known else (-1, -1)
    closed = "true" if is_closed else "false"
    name = f'"s":"{symbol}",' if symbol else ""
    return (
        f'{{"t":{k.open_ms},"T":{k.close_ms},{name}'
        f'"i":"{interval.label}","f":{first_id},"L":{last_id},'
        f'"o":"{k.open}","c":"{k.close}","h":"{k.high}","l":"{k.low}","v":"{k.volume}",'
        f'"n":{k.trade_count},"x":{closed},"q":"{k.quote_volume}","V":"{k.taker_volume}",'
        f'"Q":"{k.taker_quote_volume}","B":"0"}}'
    )


def kline_event(
    symbol: str, interval: Interval, kline: Kline, now_ms: int, *, is_closed: bool | None = None
) -> str:
    """Return the stream's ``kline`` event; unless told, ``now_ms`` decides whether it is closed."""
    closed = now_ms > kline.close_ms if is_closed is None else is_closed
    fields = kline_fields(interval, kline, symbol, is_closed=closed)
    return f'{{"e":"kline","E":{now_ms},"s":"{symbol}","k":{fields}}}'


def agg_trade_event(symbol: str, trade: AggTrade, now_ms: int) -> str:
    """Return the stream's ``aggTrade`` event."""
    return f'{{"e":"aggTrade","E":{now_ms},"s":"{symbol}",{agg_trade_json(trade)[1:]}'


def trade_event(symbol: str, trade: Trade, now_ms: int) -> str:
    """Return the stream's ``trade`` event."""
    side = "true" if trade.buyer_maker else "false"
    return (
        f'{{"e":"trade","E":{now_ms},"s":"{symbol}","t":{trade.id},"p":"{trade.price}",'
        f'"q":"{trade.quantity}","T":{trade.time_ms},"m":{side},"M":true}}'
    )


def rate_limits(weight_per_minute: int) -> list[dict[str, object]]:
    """Return the ``rateLimits`` of exchangeInfo."""
    rows = (
        ("REQUEST_WEIGHT", "MINUTE", 1, weight_per_minute),
        ("ORDERS", "SECOND", 10, 100),
        ("ORDERS", "DAY", 1, 200_000),
        ("RAW_REQUESTS", "MINUTE", 5, 300_000),
    )
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return [dict(zip(names, row, strict=True)) for row in rows]


def symbol_object(listing: Listing, status: str = "TRADING") -> dict[str, object]:
    """Return one entry of exchangeInfo's ``symbols``."""
    return {
        "symbol": listing.symbol,
        "status": status,
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        **dict.fromkeys(("icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed"), True),
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(listing),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _filters(listing: Listing) -> list[dict[str, object]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": listing.tick_size,
            "maxPrice": "1000000.00000000",
            "tickSize": listing.tick_size,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": listing.lot_size,
            "maxQty": "9000000.00000000",
            "stepSize": listing.lot_size,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "100000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]
