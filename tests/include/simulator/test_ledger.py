from __future__ import annotations

from typing import Any, Protocol

import pytest
from aiohttp import ClientSession

from include.market.timeframe import DAY_MS
from include.simulator.amendments import Amendments
from include.simulator.catalogue import list_symbols
from include.simulator.clock import FrozenClock
from include.simulator.schedule import HISTORY_START_MS
from include.simulator.synthetic import SyntheticEngine
from include.simulator.venue import Venue
from include.simulator.weights import WeightMeter

MINUTE_MS = 60_000
T0 = 20_298 * DAY_MS + 600 * MINUTE_MS


class Reply(Protocol):
    status: int
    body: Any


class Ask(Protocol):
    def __call__(self, path: str, query: str = "", *, of: Venue = ...) -> Reply: ...


def amended(engine: SyntheticEngine, now_ms: int, *rules: dict[str, Any]) -> Venue:
    amendments = Amendments.from_rules(rules)
    return Venue(engine, FrozenClock(now_ms), WeightMeter(10**6), amendments=amendments)


def span(start: int, stop: int) -> dict[str, int]:
    return {"start": T0 + start * MINUTE_MS, "end": T0 + stop * MINUTE_MS}


def query(symbol: str, start: int, stop: int, **more: object) -> str:
    words = {
        "symbol": symbol,
        "startTime": T0 + start * MINUTE_MS,
        "endTime": T0 + stop * MINUTE_MS,
    }
    return "&".join(f"{name}={value}" for name, value in (words | more).items())


def pages(ask: Ask, venue: Venue, path: str, symbol: str, start: int, stop: int) -> list[Any]:
    rows: list[Any] = []
    cursor, end_ms = T0 + start * MINUTE_MS, T0 + stop * MINUTE_MS
    while True:
        words = f"symbol={symbol}&interval=1m&limit=1000&startTime={cursor}&endTime={end_ms - 1}"
        page = ask(path, words, of=venue).body
        if not page:
            return rows
        rows += page
        cursor = page[-1][0] + 1


@pytest.mark.parametrize(("name", "path"), [("spot", "/api/v3"), ("usdm", "/fapi/v1")])
def test_the_ledger_is_what_all_pages_together_hold(
    engine: SyntheticEngine, now_ms: int, ask: Ask, name: str, path: str
) -> None:
    venue = amended(
        engine,
        now_ms,
        {"kind": "missing", "symbol": "BTCUSDT", **span(100, 110)},
        {"kind": "outage", **span(700, 760)},
        {"kind": "late", "symbol": "BTCUSDT", **span(800, 810), "at": now_ms + 1},
        {"kind": "revised", "symbol": "BTCUSDT", **span(0, 50), "at": now_ms},
    )
    words = query("BTCUSDT", 0, 2_500, interval="1m", venue=name)
    truth = ask("/sim/truth/candles", words, of=venue).body
    assert truth["rows"] == pages(ask, venue, f"{path}/klines", "BTCUSDT", 0, 2_500)
    assert len(truth["rows"]) == 2_500 - 80
    assert [(a["kind"], (a["from_ms"] - T0) // MINUTE_MS) for a in truth["absent"]] == [
        ("missing", 100),
        ("outage", 700),
        ("late", 800),
    ]
    hours = ask("/sim/truth/candles", words.replace("=1m", "=1h"), of=venue).body
    assert [(a["kind"], a["to_ms"] - a["from_ms"]) for a in hours["absent"]] == []
    assert len(hours["rows"]) == 42


def test_an_unfinished_candle_is_no_truth(venue: Venue, ask: Ask, now_ms: int) -> None:
    words = f"symbol=BTCUSDT&startTime={now_ms - 5 * MINUTE_MS}&interval="
    last_ms = now_ms - now_ms % MINUTE_MS
    minutes = ask("/sim/truth/candles", words + "1m").body
    assert minutes["rows"][-1][0] == last_ms - MINUTE_MS
    assert minutes["absent"] == []
    assert ask("/sim/truth/candles", words + "1h").body["rows"] == []


def test_lives_are_told_as_kinds_of_absence(engine: SyntheticEngine, now_ms: int, ask: Ask) -> None:
    at = T0 + 10 * MINUTE_MS
    venue = amended(
        engine,
        now_ms,
        {"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": at},
        {"kind": "relisted", "symbol": "ETHUSDT", **span(5, 15)},
    )
    expected = {
        "BTCUSDT": [("delisted", 10, 20)],
        "XBTUSDT": [("not_listed", 0, 10)],
        "ETHUSDT": [("delisted", 5, 15)],
    }
    for symbol, absences in expected.items():
        words = query(symbol, 0, 20, interval="1m")
        told = ask("/sim/truth/candles", words, of=venue).body["absent"]
        found = [
            (a["kind"], (a["from_ms"] - T0) // MINUTE_MS, (a["to_ms"] - T0) // MINUTE_MS)
            for a in told
        ]
        assert found == absences, symbol
    refused = ask("/api/v3/klines", "symbol=BTCUSDT&interval=1m", of=venue)
    assert (refused.status, refused.body["code"]) == (400, -1121)
    assert len(ask("/api/v3/klines", "symbol=XBTUSDT&interval=1m", of=venue).body) == 500
    info = ask("/api/v3/exchangeInfo", of=venue).body["symbols"]
    assert [s["symbol"] for s in info] == ["ETHUSDT", "ETHBTC", "ZZZUSDT", "XBTUSDT"]


def test_what_the_seed_left_out_is_an_outage(now_ms: int, ask: Ask) -> None:
    engine = SyntheticEngine(7, list_symbols(["ZZZUSDT"]), outages_per_year=50.0)
    venue = amended(engine, now_ms)
    day_ms = 20_260 * DAY_MS
    words = f"symbol=ZZZUSDT&interval=1m&startTime={day_ms}&endTime={day_ms + 30 * DAY_MS}"
    absent = ask("/sim/truth/candles", words, of=venue).body["absent"]
    assert absent
    assert {a["kind"] for a in absent} == {"outage"}
    words = f"symbol=ZZZUSDT&startTime={HISTORY_START_MS - 2 * DAY_MS}&endTime={HISTORY_START_MS}"
    before = ask("/sim/truth/candles", words + "&interval=1d", of=venue).body
    assert [a["kind"] for a in before["absent"]] == ["not_listed"]
    assert before["rows"] == []


def test_trades_and_funding_have_no_limit_of_a_page(venue: Venue, ask: Ask, now_ms: int) -> None:
    words = query("BTCUSDT", 0, 30)
    trades = ask("/sim/truth/trades", words).body["rows"]
    assert len(trades) > 1_000
    page = ask("/api/v3/aggTrades", words + "&limit=1000").body
    assert trades[:1_000] == page
    futures = ask("/sim/truth/trades", words + "&venue=usdm").body["rows"]
    assert futures
    assert "M" not in futures[0]
    words = f"symbol=BTCUSDT&startTime={now_ms - 60 * DAY_MS}"
    funding = ask("/sim/truth/funding", words).body["rows"]
    assert len(funding) == 180
    assert ask("/fapi/v1/fundingRate", words + "&limit=1000").body == funding[:1_000]


@pytest.mark.parametrize(
    ("path", "words", "code"),
    [
        ("candles", "symbol=BTCUSDT&interval=1m", -1102),
        ("candles", "symbol=BTCUSDT&interval=1m&startTime=0", -1127),
        ("candles", "symbol=NOPEUSDT&interval=1m&startTime=0", -1121),
        ("candles", "symbol=ETHBTC&interval=1m&startTime=0&venue=usdm", -1121),
        ("candles", "symbol=BTCUSDT&interval=1m&startTime=0&venue=moon", -1130),
        ("trades", "symbol=BTCUSDT&startTime=9&endTime=8", -1130),
        ("funding", "symbol=BTCUSDT&startTime=0&venue=spot", -1130),
    ],
)
def test_wrong_questions_are_refused(ask: Ask, path: str, words: str, code: int) -> None:
    reply = ask(f"/sim/truth/{path}", words)
    assert (reply.status, reply.body["code"]) == (400, code)


def test_amendments_and_files_are_served_over_http(
    engine: SyntheticEngine, now_ms: int, run_server: Any
) -> None:
    rule = {"kind": "missing", "symbol": "BTCUSDT", "start": "now-10m", "end": "now-5m"}
    file = "/data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2025-06.zip"

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen: list[Any] = []
        for body in (rule, [rule, rule], {"kind": "lost"}, None, "[1"):
            data = body if isinstance(body, str) else None
            options: Any = {"data": data} if data else {"json": body}
            async with session.post(f"{base}/sim/amendments", **options) as reply:
                seen.append((reply.status, await reply.json()))
        for method in ("get", "delete"):
            async with session.request(method, f"{base}/sim/amendments") as reply:
                seen.append((reply.status, await reply.json()))
        for path in (file, f"{file}.CHECKSUM", "/data/none.zip"):
            async with session.get(base + path) as reply:
                seen.append((reply.status, len(await reply.read())))
        return seen

    seen = run_server(amended(engine, now_ms), work)
    assert [status for status, _ in seen] == [200, 200, 400, 400, 400, 200, 200, 200, 200, 404]
    assert [len(seen[n][1]) for n in (0, 1, 5, 6)] == [1, 3, 3, 0]
    assert "kind 'lost' is unknown" in seen[2][1]["msg"]
    assert seen[8][1] == 64 + 2 + len("BTCUSDT-1d-2025-06.zip\n")
