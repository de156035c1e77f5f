"""Exchanges behind ccxt that answer what a test scripts, each in its own wire format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.exchanges.ccxt_venue.client import CcxtSource
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpSettings
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import M1
from tests.support.http_server import Script, answer, serve
from tests.support.klines import body, kline

NOW_MS = 1_750_000_000_000
END_MS = NOW_MS // 60_000 * 60_000
BINANCE_INFO = answer(
    json.dumps(
        {
            "symbols": [
                {
                    "symbol": "BTCUSDT",
                    "status": "TRADING",
                    "baseAsset": "BTC",
                    "quoteAsset": "USDT",
                    "isSpotTradingAllowed": True,
                    "permissions": ["SPOT"],
                    "filters": [
                        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                        {
                            "filterType": "LOT_SIZE",
                            "stepSize": "0.001",
                            "minQty": "0",
                            "maxQty": "9",
                        },
                    ],
                }
            ]
        }
    ).encode()
)
BINANCE_TIME = answer(f'{{"serverTime":{NOW_MS}}}'.encode())
KRAKEN_PAIRS = answer(
    json.dumps(
        {
            "error": [],
            "result": {
                "XXBTZUSD": {
                    "altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD",
                    "pair_decimals": 1, "lot_decimals": 8, "lot": "unit", "tick_size": "0.1",
                    "fees": [], "fees_maker": [], "ordermin": "0.0001", "status": "online",
                }
            },
        }
    ).encode()
)  # fmt: skip
KRAKEN_TIME = answer(json.dumps({"error": [], "result": {"unixtime": NOW_MS // 1000}}).encode())


COINBASE_PRODUCTS = answer(
    b'[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01",'
    b'"base_increment":"0.00000001","status":"online","min_market_funds":"1"}]'
)
COINBASE_TIME = answer(f'{{"iso":"2025-06-15T15:06:40Z","epoch":{NOW_MS / 1000}}}'.encode())


def coinbase_page(*opens_ms: int) -> bytes:
    # Coinbase's own order: time, low, high, open, close, volume; newest first.
    rows = [[ms // 1000, 99, 102, 100, 101, 10] for ms in sorted(opens_ms, reverse=True)]
    return answer(json.dumps(rows).encode())


class Counting(LocalGovernor):
    """Counts what it grants."""

    def __init__(self) -> None:
        super().__init__(RateLimit("ccxt", 6000))
        self.granted = 0

    def acquire(self, weight: int, *, scope: str | None = None) -> None:
        super().acquire(weight, scope=scope)
        self.granted += 1


@contextmanager
def source_at(
    url: str, exchange: str = "binance", *, attempts: int = 1, **settings: Any
) -> Iterator[tuple[CcxtSource, Counting]]:
    governor = Counting()
    source = CcxtSource(
        exchange,
        governor=governor,
        settings=HttpSettings(attempts=attempts, backoff_base_s=0.001, **settings),
        base_url=url,
    )
    yield source, governor
    source.close()


@contextmanager
def scripted(
    *answers: bytes, exchange: str = "binance", attempts: int = 1, **settings: Any
) -> Iterator[tuple[CcxtSource, Script, Counting]]:
    with (
        serve(*answers) as script,
        source_at(script.base_url, exchange, attempts=attempts, **settings) as (source, governor),
    ):
        yield source, script, governor


def page(*minutes_ago: int) -> bytes:
    return answer(body(kline(END_MS - ago * 60_000) for ago in minutes_ago))


def minutes(source: CcxtSource, first: int, last: int, symbol: str = "BTC/USDT") -> list[int]:
    span = Span(END_MS - first * 60_000, END_MS - last * 60_000)
    pages = source.candles(symbol, M1, span, page_limit=3)
    return [int(END_MS - ms) // 60_000 for got in pages for ms in got.rows.open_ms]


def kraken_page(*minutes_ago: int) -> bytes:
    rows = [
        [END_MS // 1000 - ago * 60, "100", "102", "99", "101", "100.5", "10", 7]
        for ago in minutes_ago
    ]
    return answer(json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": 1}}).encode())
