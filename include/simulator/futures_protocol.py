"""What Binance's USD-M futures feed looks like where it differs from spot."""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.simulator.catalogue import Listing
from include.simulator.engine import AggTrade, Kline
from include.simulator.interval import Interval
from include.simulator.protocol import kline_fields

_ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]
_NEVER_MS = 4_133_404_800_000


def futures_trade_json(trade: AggTrade) -> str:
    """Return an aggregate trade as REST writes it: unlike spot without ``M``."""
    side = "true" if trade.buyer_maker else "false"
    return (
        f'{{"a":{trade.id},"p":"{trade.price}","q":"{trade.quantity}","f":{trade.first_id},'
        f'"l":{trade.last_id},"T":{trade.time_ms},"m":{side}}}'
    )


def futures_trade_event(symbol: str, trade: AggTrade, now_ms: int) -> str:
    """Return the stream's ``aggTrade`` event."""
    return f'{{"e":"aggTrade","E":{now_ms},"s":"{symbol}",{futures_trade_json(trade)[1:]}'


def continuous_event(
    symbol: str, interval: Interval, kline: Kline, now_ms: int, *, is_closed: bool
) -> str:
    """Return the ``continuous_kline`` event: the pair and the contract instead of a symbol."""
    return (
        f'{{"e":"continuous_kline","E":{now_ms},"ps":"{symbol}","ct":"PERPETUAL",'
        f'"k":{kline_fields(interval, kline, "", is_closed=is_closed)}}}'
    )


def futures_info(
    listings: Mapping[str, Listing], trading: set[str], now_ms: int, weight_per_minute: int
) -> str:
    """Return exchangeInfo; symbols not in ``trading`` are being settled."""
    margins = sorted({listing.quote for listing in listings.values()})
    limits = (
        ("REQUEST_WEIGHT", "MINUTE", 1, weight_per_minute),
        ("ORDERS", "MINUTE", 1, 1_200),
        ("ORDERS", "SECOND", 10, 300),
    )
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return json.dumps(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": [dict(zip(names, row, strict=True)) for row in limits],
            "exchangeFilters": [],
            "assets": [
                {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
                for asset in margins
            ],
            "symbols": [
                _symbol_object(listing, "TRADING" if symbol in trading else "SETTLING")
                for symbol, listing in listings.items()
            ],
        },
        separators=(",", ":"),
    )


def _symbol_object(listing: Listing, status: str) -> dict[str, object]:
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _NEVER_MS,
        "onboardDate": 1_567_965_600_000,
        "status": status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": listing.tick_decimals,
        "quantityPrecision": listing.lot_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listing),
        "orderTypes": _ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _filters(listing: Listing) -> list[dict[str, object]]:
    tick, lot = _short(listing.tick_size), _short(listing.lot_size)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "10000", "stepSize": lot},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.1500",
            "multiplierDown": "0.8500",
            "multiplierDecimal": "4",
        },
    ]


def _short(size: str) -> str:
    return size.rstrip("0").rstrip(".")
