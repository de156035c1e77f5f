from __future__ import annotations

import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import ClientSession

from include.market.timeframe import DAY_MS
from include.simulator.clock import FrozenClock
from include.simulator.futures_rest import weigh_klines
from include.simulator.recordings import read_recordings
from include.simulator.replay import ReplayEngine
from include.simulator.synthetic import SyntheticEngine
from include.simulator.venue import Venue
from include.simulator.weights import WeightMeter

KLINES = "symbol=BTCUSDT&interval=1m"
HOUR_MS = 3_600_000


class Reply(Protocol):
    status: int
    headers: dict[str, str]
    body: Any


class Ask(Protocol):
    def __call__(self, path: str, query: str = "", *, of: Venue = ...) -> Reply: ...


def test_reference_data_lists_perpetuals_only(ask: Ask, now_ms: int) -> None:
    assert ask("/fapi/v1/ping").body == {}
    assert ask("/fapi/v1/time").body == {"serverTime": now_ms}
    body = ask("/fapi/v1/exchangeInfo").body
    assert [s["symbol"] for s in body["symbols"]] == ["BTCUSDT", "ETHUSDT", "ZZZUSDT"]
    first = body["symbols"][0]
    assert (first["contractType"], first["status"]) == ("PERPETUAL", "TRADING")
    filters = {f["filterType"]: f for f in first["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001"
    assert body["rateLimits"][0]["limit"] == 2_400
    assert ask("/dapi/v1/exchangeInfo").body["symbols"] == []


def test_futures_stand_beside_spot_with_a_small_basis(ask: Ask) -> None:
    spot = ask("/api/v3/klines", KLINES + "&limit=300").body
    futures = ask("/fapi/v1/klines", KLINES + "&limit=300").body
    assert [row[0] for row in spot] == [row[0] for row in futures]
    ratios = [float(b[4]) / float(a[4]) - 1.0 for a, b in zip(spot, futures, strict=True)]
    assert all(abs(ratio) < 0.01 for ratio in ratios)
    assert sum(a[1:6] != b[1:6] for a, b in zip(spot, futures, strict=True)) > 295


def test_pages_hold_up_to_1500_candles(ask: Ask) -> None:
    assert len(ask("/fapi/v1/klines", KLINES).body) == 500
    assert len(ask("/fapi/v1/klines", KLINES + "&limit=1500").body) == 1_500


def test_candles_of_the_mark_price_have_no_volume(ask: Ask) -> None:
    rows = ask("/fapi/v1/markPriceKlines", KLINES + "&limit=3").body
    trades = ask("/fapi/v1/klines", KLINES + "&limit=3").body
    assert [row[:5] for row in rows] == [row[:5] for row in trades]
    assert {(row[5], row[8], len(row)) for row in rows} == {("0", 60, 12)}


@pytest.mark.parametrize(
    ("limit", "weight"),
    [
        ("1", 1),
        ("99", 1),
        ("100", 2),
        ("499", 2),
        ("500", 5),
        ("1000", 5),
        ("1001", 10),
        ("1500", 10),
        (None, 5),
    ],
)
def test_candles_weigh_by_their_limit(limit: str | None, weight: int) -> None:
    assert weigh_klines({} if limit is None else {"limit": limit}) == weight


def test_weights_of_futures_are_counted_apart(
    engine: SyntheticEngine, now_ms: int, run_server: Any
) -> None:
    spot, futures = WeightMeter(1_000), WeightMeter(40, now_s=lambda: 605.0)
    queries = (
        ("/fapi/v1/ping", 200, "1"),
        (f"/fapi/v1/klines?{KLINES}&limit=100", 200, "3"),
        ("/api/v3/ping", 200, "1"),
        ("/fapi/v1/fundingRate?symbol=BTCUSDT&limit=1", 200, None),
        ("/fapi/v1/fundingInfo", 200, None),
        ("/fapi/v1/premiumIndex?symbol=BTCUSDT", 200, "4"),
        ("/fapi/v1/premiumIndex", 200, "14"),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1", 200, "34"),
        (f"/fapi/v1/klines?{KLINES}&limit=1500", 429, "44"),
        ("/api/v3/ping", 200, "2"),
    )

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen = []
        for path, _, _ in queries:
            async with session.get(base + path) as response:
                seen.append((response.status, response.headers.get("x-mbx-used-weight-1m")))
        return seen

    venue = Venue(engine, FrozenClock(now_ms), spot, futures_meter=futures)
    expected = [(status, used) for _, status, used in queries]
    assert run_server(venue, work) == expected


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/fapi/v1/klines", "symbol=ETHBTC&interval=1m", -1121),
        ("/fapi/v1/klines", "symbol=BTCUSDT&interval=1s", -1120),
        ("/fapi/v1/klines", KLINES + "&limit=1501", -1130),
        ("/fapi/v1/klines", KLINES + "&timeZone=1", -1104),
        ("/fapi/v1/exchangeInfo", "symbol=BTCUSDT", -1104),
        ("/fapi/v1/aggTrades", "symbol=BTCUSDT&fromId=1&startTime=5", -1128),
        ("/fapi/v1/aggTrades", f"symbol=BTCUSDT&startTime=0&endTime={HOUR_MS + 1}", -1127),
        ("/fapi/v1/aggTrades", "symbol=BTCUSDT&limit=1001", -1130),
        ("/fapi/v1/fundingRate", "symbol=NOPEUSDT", -1121),
    ],
)
def test_wrong_questions_get_binances_codes(ask: Ask, path: str, query: str, code: int) -> None:
    reply = ask(path, query)
    assert (reply.status, reply.body["code"]) == (400, code)


def test_trades_older_than_48_hours_are_gone(ask: Ask, now_ms: int) -> None:
    symbol = "symbol=BTCUSDT"
    kept_ms = now_ms - 2 * DAY_MS
    assert ask("/fapi/v1/aggTrades", f"{symbol}&endTime={kept_ms - 1}").body == []
    old_ms = kept_ms - 10 * HOUR_MS
    window = f"{symbol}&startTime={old_ms}&endTime={old_ms + HOUR_MS}"
    assert ask("/fapi/v1/aggTrades", window).body == []
    first = ask("/fapi/v1/aggTrades", f"{symbol}&startTime={old_ms}&limit=3").body
    assert kept_ms <= first[0]["T"] < kept_ms + 60_000
    assert set(first[0]) == {"a", "p", "q", "f", "l", "T", "m"}
    assert ask("/fapi/v1/aggTrades", f"{symbol}&fromId=1&limit=3").body == first
    later = ask("/fapi/v1/aggTrades", f"{symbol}&fromId={first[1]['a']}&limit=2").body
    assert later == first[1:]


def test_funding_is_paid_a_few_ms_after_the_hour(ask: Ask, venue: Venue, now_ms: int) -> None:
    rows = ask("/fapi/v1/fundingRate", "symbol=ZZZUSDT").body
    assert len(rows) == 100
    step_ms = venue.funding.interval_hours("ZZZUSDT") * HOUR_MS
    late = [row["fundingTime"] % step_ms for row in rows]
    assert max(late) <= 19
    assert len(set(late)) > 5
    times = [row["fundingTime"] for row in rows]
    assert {b // step_ms - a // step_ms for a, b in itertools.pairwise(times)} == {1}
    assert times[-1] <= now_ms < times[-1] + step_ms
    window = f"symbol=ZZZUSDT&startTime={times[3]}&endTime={times[7]}"
    assert ask("/fapi/v1/fundingRate", window).body == rows[3:8]
    assert ask("/fapi/v1/fundingRate", window + "&limit=2").body == rows[3:5]
    for row in rows[::20]:
        hour_ms = row["fundingTime"] - row["fundingTime"] % step_ms
        query = f"symbol=ZZZUSDT&interval=1m&startTime={hour_ms}&limit=1"
        candle = ask("/fapi/v1/klines", query).body[0]
        assert float(row["markPrice"]) == pytest.approx(float(candle[1]), rel=0.002)
        assert abs(Decimal(row["fundingRate"])) <= Decimal("0.003")


def test_funding_of_all_symbols_comes_by_time(ask: Ask, now_ms: int) -> None:
    rows = ask("/fapi/v1/fundingRate", f"startTime={now_ms - 2 * DAY_MS}&limit=1000").body
    assert {row["symbol"] for row in rows} == {"BTCUSDT", "ETHUSDT", "ZZZUSDT"}
    keys = [(row["fundingTime"], row["symbol"]) for row in rows]
    assert keys == sorted(keys)
    newest = ask("/fapi/v1/fundingRate", "limit=2").body
    assert newest == rows[-2:]


def test_adjusted_symbols_and_marks_are_told(now_ms: int, ask: Ask, venue: Venue) -> None:
    infos = {info["symbol"]: info for info in ask("/fapi/v1/fundingInfo").body}
    for symbol in venue.futures.listings:
        hours = venue.funding.interval_hours(symbol)
        assert symbol in infos or hours == 8
        assert infos.get(symbol, {"fundingIntervalHours": 8})["fundingIntervalHours"] == hours
    one = ask("/fapi/v1/premiumIndex", "symbol=BTCUSDT").body
    assert one["nextFundingTime"] > now_ms
    last = ask("/fapi/v1/fundingRate", "symbol=BTCUSDT&limit=1").body[0]
    assert one["lastFundingRate"] == last["fundingRate"]
    assert one["markPrice"] != one["indexPrice"]
    assert [row["symbol"] for row in ask("/fapi/v1/premiumIndex").body] == [
        "BTCUSDT",
        "ETHUSDT",
        "ZZZUSDT",
    ]


def test_recordings_are_served_as_spot_and_as_futures(ask: Ask, shared_data: Path) -> None:
    file = shared_data / "binance_usdm_1m" / "FILUSDT-1m-2023-08.csv.gz"
    engine = ReplayEngine(read_recordings([file]))
    end_ms = engine.recorded_span.end_ms
    venue = Venue(engine, FrozenClock(end_ms + 1_000), WeightMeter())
    query = "symbol=FILUSDT&interval=1m&limit=50"
    pages = [ask(path, query, of=venue).body for path in ("/api/v3/klines", "/fapi/v1/klines")]
    assert pages[0] == pages[1]
    assert len(pages[0]) == 50
    funding = ask("/fapi/v1/fundingRate", "symbol=FILUSDT&limit=5", of=venue).body
    assert len(funding) == 5
    hour_ms = funding[-1]["fundingTime"] // HOUR_MS * HOUR_MS
    query = f"symbol=FILUSDT&interval=1m&startTime={hour_ms}&limit=1"
    candle = ask("/fapi/v1/klines", query, of=venue).body[0]
    assert Decimal(funding[-1]["markPrice"]) == Decimal(candle[1])
    assert json.dumps(candle)
