"""Published clients of Binance, unmodified, against the simulator in a process of its own."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from include.market.timeframe import DAY_MS
from tests.support.simulator import run_simulator

ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed")

MINUTE_MS = 60_000
NOW_MS = 20_300 * DAY_MS + 5 * 3_600_000
SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,ETHBTC"
HOLE = {
    "kind": "missing",
    "symbol": "BTCUSDT",
    "start": NOW_MS - 200 * MINUTE_MS,
    "end": NOW_MS - 190 * MINUTE_MS,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A simulator whose minute takes half a second, with ten minutes of BTCUSDT missing."""
    arguments = ("--instruments", SYMBOLS, "--clock", f"rate:120@{NOW_MS}", "--push-ms", "100")
    with run_simulator(*arguments) as base:
        request = urllib.request.Request(  # noqa: S310
            f"{base}/sim/amendments", json.dumps(HOLE).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            assert response.status == 200
        yield base


def truth(base: str, kind: str, **query: object) -> Any:
    address = f"{base}/sim/truth/{kind}?{urlencode(query)}"
    with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310
        return json.loads(response.read())


def point_at(exchange: Any, base: str) -> Any:
    """Replace the host of every address of a ccxt exchange, at any depth."""
    host = urlsplit(base).netloc

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: move(inner) for key, inner in value.items()}
        parts = urlsplit(value)
        return f"{'ws' if parts.scheme.startswith('ws') else 'http'}://{host}{parts.path}"

    exchange.urls["api"] = move(exchange.urls["api"])
    return exchange


def open_ccxt(module: Any, base: str, market: str) -> Any:
    settings = {
        "enableRateLimit": False,
        "options": {
            "fetchMarkets": {"types": [market]},
            "fetchCurrencies": False,
            "defaultType": "spot" if market == "spot" else "future",
        },
    }
    return point_at(module.binance(settings), base)


CASES = [("spot", "spot", "BTC/USDT"), ("linear", "usdm", "BTC/USDT:USDT")]


@pytest.mark.parametrize(("market", "venue", "pair"), CASES)
def test_ccxt_reads_markets_and_pages_equal_to_the_truth(
    url: str, market: str, venue: str, pair: str
) -> None:
    exchange = open_ccxt(ccxt, url, market)
    markets = exchange.load_markets()
    assert pair in markets
    assert markets[pair]["active"]
    assert ("ETH/BTC" in markets) == (market == "spot")
    start_ms, end_ms = NOW_MS - 1_500 * MINUTE_MS, NOW_MS
    rows: list[list[float]] = []
    cursor_ms = start_ms
    while cursor_ms < end_ms:
        page = exchange.fetch_ohlcv(pair, "1m", since=cursor_ms, limit=1_000)
        rows += [row for row in page if row[0] < end_ms]
        cursor_ms = page[-1][0] + MINUTE_MS
    told = truth(
        url,
        "candles",
        venue=venue,
        symbol="BTCUSDT",
        interval="1m",
        startTime=start_ms,
        endTime=end_ms,
    )
    assert [[row[0], *map(float, row[1:6])] for row in told["rows"]] == rows
    assert len(rows) == 1_490
    assert [absent["kind"] for absent in told["absent"]] == ["missing"]
    hours = exchange.fetch_ohlcv(pair, "4h", since=NOW_MS - 30 * DAY_MS, limit=500)
    assert len(hours) >= 180


@pytest.mark.parametrize(("market", "venue", "pair"), CASES)
def test_ccxt_reads_trades(url: str, market: str, venue: str, pair: str) -> None:
    exchange = open_ccxt(ccxt, url, market)
    start_ms = NOW_MS - 60 * MINUTE_MS
    trades = exchange.fetch_trades(pair, since=start_ms, limit=1_000)
    told = truth(
        url,
        "trades",
        venue=venue,
        symbol="BTCUSDT",
        startTime=start_ms,
        endTime=trades[-1]["timestamp"],
    )["rows"]
    assert len(trades) > 500
    for trade, row in zip(trades, told, strict=False):
        assert (int(trade["id"]), trade["timestamp"]) == (row["a"], row["T"])
        assert (trade["price"], trade["amount"]) == (float(row["p"]), float(row["q"]))


def test_ccxt_reads_funding_history(url: str) -> None:
    exchange = open_ccxt(ccxt, url, "linear")
    start_ms = NOW_MS - 20 * DAY_MS
    rows = exchange.fetch_funding_rate_history("BTC/USDT:USDT", since=start_ms, limit=1_000)
    told = truth(url, "funding", symbol="BTCUSDT", startTime=start_ms, endTime=NOW_MS)["rows"]
    assert len(told) == 60
    found = [(row["timestamp"], row["fundingRate"]) for row in rows[: len(told)]]
    assert found == [(row["fundingTime"], float(row["fundingRate"])) for row in told]
    now = exchange.fetch_funding_rate("BTC/USDT:USDT")
    assert now["fundingRate"] is not None
    assert exchange.fetch_funding_intervals()


@pytest.mark.parametrize(("market", "venue", "pair"), CASES)
def test_ccxt_pro_watches_candles_that_become_the_truth(
    url: str, market: str, venue: str, pair: str
) -> None:
    pro = pytest.importorskip("ccxt.pro")

    async def watch() -> list[list[float]]:
        exchange = open_ccxt(pro, url, market)
        try:
            seen: dict[int, list[float]] = {}
            while len(seen) < 4:
                for row in await asyncio.wait_for(exchange.watch_ohlcv(pair, "1m"), 300):
                    seen[row[0]] = row
            return [seen[open_ms] for open_ms in sorted(seen)]
        finally:
            await exchange.close()

    closed = asyncio.run(watch())[:-1]
    told = truth(
        url,
        "candles",
        venue=venue,
        symbol="BTCUSDT",
        interval="1m",
        startTime=closed[0][0],
        endTime=closed[-1][0] + 1,
    )["rows"]
    # The first may have been told only while it was open; all that follow were told at the close.
    assert [[row[0], *map(float, row[1:6])] for row in told][1:] == closed[1:]


def open_sdk_spot(base: str) -> Any:
    sdk = pytest.importorskip("binance_sdk_spot.spot")
    from binance_common.configuration import (
        ConfigurationRestAPI,
        ConfigurationWebSocketStreams,
    )

    return sdk.Spot(
        config_rest_api=ConfigurationRestAPI(base_path=base, timeout=10_000),
        config_ws_streams=ConfigurationWebSocketStreams(
            stream_url=base.replace("http://", "ws://")
        ),
    )


def test_binances_own_spot_client_accepts_every_answer(url: str) -> None:
    client = open_sdk_spot(url)
    api = client.rest_api
    assert api.time().data().server_time > NOW_MS
    info = api.exchange_info().data()
    assert [symbol.symbol for symbol in info.symbols] == SYMBOLS.split(",")
    start_ms = NOW_MS - 10 * MINUTE_MS
    reply = api.klines(symbol="ETHUSDT", interval="1m", start_time=start_ms, end_time=NOW_MS - 1)
    told = truth(
        url, "candles", symbol="ETHUSDT", interval="1m", startTime=start_ms, endTime=NOW_MS
    )["rows"]
    assert [list(map(str, row)) for row in reply.data()] == [list(map(str, row)) for row in told]
    assert reply.rate_limits
    trades = api.agg_trades(symbol="ETHUSDT", start_time=start_ms, limit=50).data()
    assert len(trades) == 50
    assert api.get_trades(symbol="ETHUSDT", limit=5).data()[-1].is_best_match
    price = api.ticker_price(symbol="ETHUSDT").data()
    assert Decimal(price.actual_instance.price) > 0


def test_binances_own_futures_client_accepts_every_answer(url: str) -> None:
    sdk = pytest.importorskip(
        "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures"
    )
    from binance_common.configuration import ConfigurationRestAPI

    client = sdk.DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(base_path=url, timeout=10_000)
    )
    api = client.rest_api
    assert api.check_server_time().data().server_time > NOW_MS
    info = api.exchange_information().data()
    assert [symbol.symbol for symbol in info.symbols] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    start_ms = NOW_MS - 10 * MINUTE_MS
    rows = api.kline_candlestick_data(
        symbol="ETHUSDT", interval="1m", start_time=start_ms, end_time=NOW_MS - 1
    ).data()
    told = truth(
        url,
        "candles",
        venue="usdm",
        symbol="ETHUSDT",
        interval="1m",
        startTime=start_ms,
        endTime=NOW_MS,
    )["rows"]
    assert [list(map(str, row)) for row in rows] == [list(map(str, row)) for row in told]
    trades = api.compressed_aggregate_trades_list(symbol="ETHUSDT", start_time=start_ms, limit=50)
    assert len(trades.data()) == 50
    history = api.get_funding_rate_history(symbol="SOLUSDT", limit=10)
    assert len(history.data()) == 10
    assert not history.rate_limits
    assert isinstance(api.get_funding_rate_info().data(), list)
    assert api.mark_price(symbol="ETHUSDT").data().actual_instance.index_price


def watch_sdk(client: Any, subscribe: str, **wanted: Any) -> list[Any]:
    """Return the first events of one stream of one of Binance's own clients."""

    async def watch() -> list[Any]:
        connection = await client.websocket_streams.create_connection()
        events: list[Any] = []
        enough = asyncio.Event()

        def keep(event: Any) -> None:
            events.append(event)
            if len(events) >= 3:
                enough.set()

        try:
            stream = await getattr(connection, subscribe)(**wanted)
            stream.on("message", keep)
            await asyncio.wait_for(enough.wait(), 300)
            await stream.unsubscribe()
        finally:
            await connection.close_connection(close_session=True)
        return events

    return asyncio.run(watch())


def test_binances_own_clients_read_candle_streams(url: str) -> None:
    spot = watch_sdk(open_sdk_spot(url), "kline", symbol="btcusdt", interval="1m")
    assert {event.s for event in spot} == {"BTCUSDT"}
    sdk = pytest.importorskip(
        "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures"
    )
    from binance_common.configuration import ConfigurationWebSocketStreams

    client = sdk.DerivativesTradingUsdsFutures(
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=url.replace("http", "ws", 1))
    )
    futures = watch_sdk(client, "kline_candlestick_streams", symbol="btcusdt", interval="1m")
    assert {event.s for event in futures} == {"BTCUSDT"}
    wanted = {"pair": "btcusdt", "contract_type": "perpetual", "interval": "1m"}
    pairs = watch_sdk(client, "continuous_contract_kline_candlestick_streams", **wanted)
    assert {event.ps for event in pairs} == {"BTCUSDT"}
