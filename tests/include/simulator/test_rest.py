from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any, Protocol

import pytest
from aiohttp import ClientSession

from include.simulator.clock import FrozenClock
from include.simulator.rest import Venue
from include.simulator.synthetic import SyntheticEngine
from include.simulator.weights import WeightMeter

KLINES = "symbol=BTCUSDT&interval=1m"


class Reply(Protocol):
    status: int
    headers: dict[str, str]
    body: Any


class Ask(Protocol):
    def __call__(self, path: str, query: str = "", *, of: Venue = ...) -> Reply: ...


def test_ping_and_time(ask: Ask, now_ms: int) -> None:
    assert ask("/api/v3/ping").body == {}
    assert ask("/api/v3/time").body == {"serverTime": now_ms}


def test_exchange_info_lists_all_or_some(ask: Ask) -> None:
    body = ask("/api/v3/exchangeInfo").body
    assert [s["symbol"] for s in body["symbols"]] == ["BTCUSDT", "ETHUSDT", "ETHBTC", "ZZZUSDT"]
    assert body["timezone"] == "UTC"
    filters = {f["filterType"]: f for f in body["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    one = ask("/api/v3/exchangeInfo", "symbol=ETHBTC").body["symbols"]
    assert [s["symbol"] for s in one] == ["ETHBTC"]
    two = ask("/api/v3/exchangeInfo", 'symbols=["ETHBTC","BTCUSDT"]').body["symbols"]
    assert [s["symbol"] for s in two] == ["ETHBTC", "BTCUSDT"]
    assert ask("/api/v3/exchangeInfo", "symbolStatus=BREAK").body["symbols"] == []


def test_klines_have_twelve_cells_and_binances_types(ask: Ask, now_ms: int) -> None:
    body = ask("/api/v3/klines", KLINES).body
    assert len(body) == 500
    assert body[-1][0] <= now_ms <= body[-1][6]
    for row in body:
        assert [type(cell) for cell in row] == [int, *[str] * 5, int, str, int, str, str, str]
        assert row[11] == "0"
        assert all(len(row[i].partition(".")[2]) == 8 for i in (1, 2, 3, 4, 5, 7, 9, 10))
    assert len(ask("/api/v3/klines", KLINES + "&limit=5000").body) == 1_000


def test_ranges_may_be_given_in_microseconds(ask: Ask, now_ms: int) -> None:
    start_ms, end_ms = now_ms - 3_600_000, now_ms - 1_800_000
    milli = ask("/api/v3/klines", f"{KLINES}&startTime={start_ms}&endTime={end_ms}")
    micro = ask("/api/v3/klines", f"{KLINES}&startTime={start_ms}000&endTime={end_ms}000")
    assert milli.body == micro.body
    assert len(milli.body) == 30


def test_trades_and_prices(ask: Ask, now_ms: int) -> None:
    trades = ask("/api/v3/trades", "symbol=ETHUSDT&limit=7").body
    assert len(trades) == 7
    price = ask("/api/v3/ticker/price", "symbol=ETHUSDT").body
    assert price == {"symbol": "ETHUSDT", "price": trades[-1]["price"]}
    assert len(ask("/api/v3/ticker/price").body) == 4
    newest = ask("/api/v3/aggTrades", "symbol=ETHUSDT&limit=3").body
    assert newest[-1]["l"] == trades[-1]["id"]
    again = ask("/api/v3/aggTrades", f"symbol=ETHUSDT&fromId={newest[1]['a']}&limit=9").body
    assert again == newest[1:]
    start_ms = newest[0]["T"]
    later = ask("/api/v3/aggTrades", f"symbol=ETHUSDT&startTime={start_ms}&endTime={now_ms}").body
    assert later[-3:] == newest


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/api/v3/klines", "symbol=BTCUSDT", 400, -1102),
        ("/api/v3/klines", "symbol=BTCUSDT&interval=9m", 400, -1120),
        ("/api/v3/klines", "symbol=NOPEUSDT&interval=1m", 400, -1121),
        ("/api/v3/klines", "symbol=btcusdt&interval=1m", 400, -1100),
        ("/api/v3/klines", KLINES + "&interval=5m", 400, -1101),
        ("/api/v3/klines", KLINES + "&page=2", 400, -1104),
        ("/api/v3/aggTrades", "symbol=BTCUSDT&fromId=1&startTime=5", 400, -1128),
        ("/api/v3/ping", "x=1", 400, -1104),
        ("/sim/truth", "symbol=BTCUSDT&startTime=0", 400, -1127),
        ("/sim/truth", "symbol=BTCUSDT&startTime=9&endTime=8", 400, -1130),
        ("/fapi/v9/klines", "", 404, -1000),
    ],
)
def test_errors_are_json_with_binances_codes(
    ask: Ask, path: str, query: str, status: int, code: int
) -> None:
    reply = ask(path, query)
    assert (reply.status, reply.body["code"]) == (status, code)
    assert reply.body["msg"]
    assert reply.headers["content-type"].startswith("application/json")


def test_only_get_is_answered(venue: Venue, run_server: Any) -> None:
    async def work(session: ClientSession, base: str) -> int:
        async with session.post(f"{base}/api/v3/ping") as response:
            return response.status

    assert run_server(venue, work) == 405


def test_weights_are_counted_and_enforced(
    engine: SyntheticEngine, now_ms: int, run_server: Any
) -> None:
    meter = WeightMeter(60, now_s=lambda: 605.0)
    queries = (
        ("/sim/info", 200, 0),
        ("/api/v3/ping", 200, 1),
        ("/api/v3/klines?" + KLINES + "&limit=1", 200, 3),
        ("/api/v3/klines?symbol=NOPE&interval=1m", 400, 5),
        ("/api/v3/ticker/price?symbol=BTCUSDT", 200, 7),
        ("/api/v3/ticker/price", 200, 11),
        ("/api/v3/aggTrades?symbol=BTCUSDT&limit=1", 200, 15),
        ("/api/v3/exchangeInfo?symbol=BTCUSDT", 200, 35),
        ("/api/v3/trades?symbol=BTCUSDT&limit=1", 200, 60),
        ("/api/v3/ping", 429, 61),
        ("/sim/info", 200, 61),
    )

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen: list[Any] = []
        for path, _, _ in queries:
            async with session.get(base + path) as response:
                used = [response.headers[f"x-mbx-used-weight{end}"] for end in ("", "-1m")]
                wait = response.headers.get("Retry-After")
                seen.append((response.status, *used, wait, await response.text()))
        return seen

    seen = run_server(Venue(engine, FrozenClock(now_ms), meter), work)
    for (path, status, used), reply in zip(queries, seen, strict=True):
        assert reply[:3] == (status, str(used), str(used)), path
        assert reply[3] == ("55" if status == 429 else None)
    assert '"code": -1003' in seen[-2][4]


def test_info_tells_what_can_be_asked(ask: Ask, now_ms: int) -> None:
    info = ask("/sim/info").body
    assert info == {
        "engine": "synthetic",
        "seed": 7,
        "symbols": ["BTCUSDT", "ETHUSDT", "ETHBTC", "ZZZUSDT"],
        "futures": ["BTCUSDT", "ETHUSDT", "ZZZUSDT"],
        "data_from_ms": 1_502_928_000_000,
        "data_to_ms": now_ms - now_ms % 60_000,
        "server_time_ms": now_ms,
        "clock": f"frozen:{now_ms}",
    }


def test_truth_covers_the_last_thirty_days_or_the_span_asked_for(ask: Ask, now_ms: int) -> None:
    truth = ask("/sim/truth", "symbol=BTCUSDT").body
    assert (truth["from_ms"], truth["to_ms"]) == (now_ms - 30 * 86_400_000, now_ms)
    times = [point["open_time_ms"] for point in truth["breakpoints"]]
    assert len(times) > 60
    assert times == sorted(times)
    assert set(truth["breakpoints"][0]) == {
        "open_time_ms",
        "log_price",
        "slope_before_per_hour",
        "slope_after_per_hour",
    }
    assert truth["regimes"]
    assert truth["outages"] == []
    query = f"symbol=BTCUSDT&startTime={times[3]}&endTime={times[5]}"
    part = ask("/sim/truth", query).body["breakpoints"]
    assert [point["open_time_ms"] for point in part] == times[3:5]


def test_times_are_told_in_microseconds_when_asked(venue: Venue, run_server: Any) -> None:
    paths = [f"klines?{KLINES}&limit=3", "time"]
    paths[1:1] = [f"{kind}?symbol=BTCUSDT&limit=3" for kind in ("aggTrades", "trades")]

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen = []
        for path in paths:
            for headers in ({}, {"X-MBX-TIME-UNIT": "MICROSECOND"}):
                async with session.get(f"{base}/api/v3/{path}", headers=headers) as reply:
                    seen.append(await reply.json())
        return seen

    milli, micro, agg_milli, agg_micro, one_milli, one_micro, time_milli, time_micro = run_server(
        venue, work
    )
    assert [[row[0] * 1_000, row[6] * 1_000 + 999] for row in milli] == [
        [row[0], row[6]] for row in micro
    ]
    assert [[*row[1:6], *row[7:]] for row in milli] == [[*row[1:6], *row[7:]] for row in micro]
    assert [row | {"T": row["T"] * 1_000} for row in agg_milli] == agg_micro
    assert [row | {"time": row["time"] * 1_000} for row in one_milli] == one_micro
    assert time_micro["serverTime"] == time_milli["serverTime"] * 1_000


@pytest.mark.parametrize(("zone", "hours"), [("8", 8), ("-05:00", -5), ("5:30", 5.5), ("0", 0)])
def test_days_and_months_begin_at_the_midnight_of_their_zone(
    ask: Ask, now_ms: int, zone: str, hours: float
) -> None:
    ahead_ms = int(hours * 3_600_000)
    words = f"symbol=ZZZUSDT&limit=3&timeZone={zone}&interval="
    days = ask("/api/v3/klines", words + "1d").body
    assert all((row[0] + ahead_ms) % 86_400_000 == 0 for row in days)
    assert [row[6] - row[0] for row in days] == [86_399_999] * 3
    assert days[-1][0] <= now_ms <= days[-1][6]
    window = f"startTime={days[0][0]}&endTime={days[0][6]}"
    hourly = ask("/api/v3/klines", f"symbol=ZZZUSDT&interval=30m&{window}").body
    assert len(hourly) == 48
    assert days[0][8] == sum(row[8] for row in hourly)
    assert (days[0][1], days[0][4]) == (hourly[0][1], hourly[-1][4])
    month = ask("/api/v3/klines", words + "1M").body[-1]
    assert (month[6] + 1 - month[0]) % 86_400_000 == 0
    assert (
        ask("/api/v3/klines", words + "1m").body
        == ask("/api/v3/klines", "symbol=ZZZUSDT&limit=3&interval=1m").body
    )


def test_candles_of_a_second_add_up_to_the_minute(ask: Ask, now_ms: int) -> None:
    minute_ms = now_ms - now_ms % 60_000 - 3 * 60_000
    window = f"startTime={minute_ms}&endTime={minute_ms + 179_999}"
    seconds = ask("/api/v3/klines", f"symbol=ZZZUSDT&interval=1s&{window}").body
    minutes = ask("/api/v3/klines", f"symbol=ZZZUSDT&interval=1m&{window}").body
    assert [row[0] for row in seconds] == list(range(minute_ms, minute_ms + 180_000, 1_000))
    assert any(row[8] == 0 for row in seconds)
    for minute in minutes:
        part = [row for row in seconds if minute[0] <= row[0] < minute[0] + 60_000]
        busy = [row for row in part if row[8]]
        assert sum(row[8] for row in part) == minute[8]
        for column in (5, 7, 9, 10):
            total = sum(Decimal(row[column]) for row in part)
            assert total == Decimal(minute[column])
        if busy:
            assert (busy[0][1], busy[-1][4]) == (minute[1], minute[4])
            assert max(Decimal(row[2]) for row in busy) == Decimal(minute[2])
        for before, row in itertools.pairwise(part):
            assert row[8] or {*row[1:5]} == {before[4]}
    newest = ask("/api/v3/klines", "symbol=BTCUSDT&interval=1s&limit=40").body
    assert newest[-1][0] <= now_ms <= newest[-1][6]
    assert len(newest) == 40
