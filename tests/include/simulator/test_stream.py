from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from include.simulator import stream
from include.simulator.amendments import Amendments
from include.simulator.clock import Clock, FrozenClock, RunningClock
from include.simulator.engine import Window
from include.simulator.interval import MINUTE_MS, ONE_MINUTE
from include.simulator.rest import Venue
from include.simulator.stream import StreamSettings
from include.simulator.synthetic import SyntheticEngine
from include.simulator.weights import WeightMeter

START_MS = 20_295 * 86_400_000 + 600 * MINUTE_MS
QUICK = StreamSettings(push_s=0.02, trade_look_s=0.02, messages_per_second=1_000)


def fast_venue(engine: SyntheticEngine, rate: float = 600.0) -> Venue:
    """A venue where a minute takes a tenth of a second."""
    clock = RunningClock("test", float(START_MS), time.monotonic(), rate)
    return Venue(engine, clock, WeightMeter())


def still_venue(engine: SyntheticEngine, clock: Clock | None = None) -> Venue:
    return Venue(engine, clock or FrozenClock(START_MS + 30_000), WeightMeter())


async def read_events(socket: ClientWebSocketResponse, enough: Any) -> list[Any]:
    events: list[Any] = []
    while not enough(events):
        events.append(json.loads(await socket.receive_str(timeout=60)))
    return events


def closes(events: list[Any]) -> list[Any]:
    return [event["k"] for event in events if event.get("e") == "kline" and event["k"]["x"]]


def test_a_kline_stream_tells_open_candles_and_every_close(
    engine: SyntheticEngine, run_server: Any
) -> None:
    venue = fast_venue(engine)

    async def work(session: ClientSession, base: str) -> list[Any]:
        async with session.ws_connect(f"{base}/ws/btcusdt@kline_1m") as socket:
            return await read_events(socket, lambda events: len(closes(events)) >= 4)

    events = run_server(venue, work, QUICK)
    closed = closes(events)
    first_ms = closed[0]["t"]
    assert [k["t"] for k in closed] == [first_ms + n * MINUTE_MS for n in range(4)]
    assert any(not event["k"]["x"] for event in events)
    for event in events:
        assert event["k"]["x"] == (event["E"] > event["k"]["T"])
    rows = engine.klines("BTCUSDT", ONE_MINUTE, Window(4, first_ms), first_ms + 10 * MINUTE_MS)
    assert [k["c"] for k in closed] == [json.loads(row)[4] for row in rows]
    assert [k["v"] for k in closed] == [json.loads(row)[5] for row in rows]


def test_a_combined_stream_wraps_several_feeds(engine: SyntheticEngine, run_server: Any) -> None:
    names = ["btcusdt@kline_5m", "ethusdt@aggTrade", "btcusdt@trade", "nopeusdt@trade"]

    async def work(session: ClientSession, base: str) -> list[Any]:
        url = f"{base}/stream?streams={'/'.join(names)}"
        async with session.ws_connect(url) as socket:
            return await read_events(
                socket, lambda events: {event["stream"] for event in events} == set(names[:3])
            )

    events = run_server(fast_venue(engine), work, QUICK)
    for event in events:
        assert list(event) == ["stream", "data"]
        symbol, _, feed = event["stream"].partition("@")
        assert event["data"]["s"] == symbol.upper()
        assert event["data"]["e"] == feed.partition("_")[0]


def test_trades_arrive_without_a_gap(engine: SyntheticEngine, run_server: Any) -> None:
    async def work(session: ClientSession, base: str) -> list[Any]:
        async with session.ws_connect(f"{base}/ws/btcusdt@trade") as socket:
            return await read_events(socket, lambda events: len(events) >= 500)

    events = run_server(fast_venue(engine), work, QUICK)
    ids = [event["t"] for event in events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    window = Window(len(ids), events[0]["T"])
    told = engine.trades("BTCUSDT", window, START_MS + 3_600_000)
    assert [event["p"] for event in events] == [t.price for t in told if t.id in set(ids)]


def test_subscriptions_change_while_connected(engine: SyntheticEngine, run_server: Any) -> None:
    async def work(session: ClientSession, base: str) -> list[Any]:
        async with session.ws_connect(f"{base}/ws") as socket:
            replies = []
            for request in (
                {"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": "one"},
                {"method": "LIST_SUBSCRIPTIONS", "id": 2},
                {"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 3},
                {"method": "DANCE", "id": 4},
            ):
                await socket.send_json(request)
                events = await read_events(
                    socket, lambda events, request=request: _answers(events, request["id"])
                )
                replies.append(events[-1])
                if request["id"] == "one":
                    pushed = await read_events(socket, lambda events: len(events) >= 2)
                    assert {event["s"] for event in pushed} == {"BTCUSDT"}
            await socket.send_bytes(b"\xff{")
            replies += (await read_events(socket, lambda events: _answers(events, None)))[-1:]
            with pytest.raises(asyncio.TimeoutError):
                await socket.receive_str(timeout=0.1)
            return replies

    replies = run_server(still_venue(engine), work, QUICK)
    assert replies[0] == {"result": None, "id": "one"}
    assert replies[1] == {"result": ["btcusdt@kline_1m"], "id": 2}
    assert replies[2] == {"result": None, "id": 3}
    assert [reply["code"] for reply in replies[3:]] == [2, 3]


def _answers(events: list[Any], request_id: object) -> bool:
    return bool(events) and "id" in events[-1] and events[-1]["id"] == request_id


@pytest.fixture
def still_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that connections reckon with; they pass only when a test says so."""
    now_s = [1_000.0]
    monkeypatch.setattr(stream, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    return now_s


PONG_TIMEOUT_S = 60.0


def test_the_server_pings_and_closes_who_does_not_pong(
    engine: SyntheticEngine, run_server: Any, still_time: list[float]
) -> None:
    settings = StreamSettings(ping_s=0.01, pong_timeout_s=PONG_TIMEOUT_S)

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen = []
        async with session.ws_connect(f"{base}/ws", autoping=False) as socket:
            while (message := await socket.receive(timeout=60)).type is WSMsgType.PING:
                seen.append(bytes(message.data))
                # The third comes because the time was not yet over.
                still_time[0] += {2: PONG_TIMEOUT_S - 1, 3: 1.0}.get(len(seen), 0.0)
            return [seen, socket.close_code]

    pings, code = run_server(still_venue(engine), work, settings)
    assert len(pings) >= 3
    assert all(ping.isdigit() for ping in pings)
    assert code == 1008


def test_who_pongs_stays(engine: SyntheticEngine, run_server: Any, still_time: list[float]) -> None:
    settings = StreamSettings(
        ping_s=0.01, pong_timeout_s=PONG_TIMEOUT_S, messages_per_second=1_000_000
    )

    async def answer_pings(socket: ClientWebSocketResponse, request_id: int) -> int:
        """Pong until a question is answered; what was ponged before it is known by then."""
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": request_id})
        pings = 0
        while (message := await socket.receive(timeout=60)).type is WSMsgType.PING:
            await socket.pong(message.data)
            pings += 1
        assert json.loads(message.data) == {"result": [], "id": request_id}
        return pings

    async def work(session: ClientSession, base: str) -> int:
        began_s, turns = still_time[0], 0
        async with session.ws_connect(f"{base}/ws", autoping=False) as socket:
            while still_time[0] - began_s < 4 * PONG_TIMEOUT_S:
                turns += 1
                if await answer_pings(socket, turns):
                    # A ping of this moment is ponged in the next turn, known by the one after.
                    still_time[0] += PONG_TIMEOUT_S * 0.4
        return turns

    assert run_server(still_venue(engine), work, settings) >= 10


def test_more_than_five_messages_a_second_close_the_connection(
    engine: SyntheticEngine, run_server: Any, still_time: list[float]
) -> None:
    async def work(session: ClientSession, base: str) -> list[int | None]:
        async with session.ws_connect(f"{base}/ws") as socket:
            for number in range(6):
                await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
            answered = 0
            while (await socket.receive(timeout=60)).type is WSMsgType.TEXT:
                answered += 1
            return [answered, socket.close_code]

    assert run_server(still_venue(engine), work) == [5, 1008]


def test_too_many_streams_in_the_url_are_refused(engine: SyntheticEngine, run_server: Any) -> None:
    path = "/".join(f"s{number}@trade" for number in range(1_025))

    async def work(session: ClientSession, base: str) -> int | None:
        async with session.ws_connect(f"{base}/ws/{path}") as socket:
            await socket.receive(timeout=60)
            return socket.close_code

    assert run_server(still_venue(engine), work) == 1008


def test_a_connection_ends_with_its_lifetime(engine: SyntheticEngine, run_server: Any) -> None:
    async def work(session: ClientSession, base: str) -> WSMsgType:
        async with session.ws_connect(f"{base}/ws") as socket:
            return (await socket.receive(timeout=60)).type

    settings = StreamSettings(lifetime_s=0.05)
    assert run_server(still_venue(engine), work, settings) is WSMsgType.CLOSE


def test_futures_streams_tell_futures(engine: SyntheticEngine, run_server: Any) -> None:
    venue = fast_venue(engine, 120.0)
    lanes = (
        ("/market/ws/btcusdt@kline_1m", "kline"),
        ("/market/ws/btcusdt_perpetual@continuousKline_1m", "continuous_kline"),
        ("/public/ws/btcusdt@aggTrade", "aggTrade"),
        ("/private/stream?streams=btcusdt@kline_1m", "kline"),
    )

    async def work(session: ClientSession, base: str) -> list[Any]:
        seen = []
        for path, _ in lanes:
            async with session.ws_connect(base + path) as socket:
                seen.append(await read_events(socket, lambda events: len(events) >= 12))
        return seen

    settings = StreamSettings(push_s=60.0, futures_push_s=0.05, trade_look_s=0.02)
    candles, pairs, trades, wrapped = run_server(venue, work, settings)
    for events, (_, kind) in zip((candles, pairs, trades), lanes, strict=False):
        assert {event["e"] for event in events} == {kind}
    # At the pace of spot only the first would be told open.
    assert sum(not event["k"]["x"] for event in candles) > 1, "pushed at the pace of futures"
    assert {event["data"]["e"] for event in wrapped} == {"kline"}
    assert set(pairs[0]) == {"e", "E", "ps", "ct", "k"}
    assert "s" not in pairs[0]["k"]
    assert "M" not in trades[0]
    closed = closes(candles) + [event["k"] for event in pairs if event["k"]["x"]]
    assert closed
    for k in closed:
        row = venue.futures.klines("BTCUSDT", ONE_MINUTE, Window(1, k["t"]), k["T"] + 1)[0]
        assert [k[key] for key in "tohlcvTqnVQB"] == json.loads(row)


def test_spot_and_futures_do_not_feed_each_others_streams(
    engine: SyntheticEngine, run_server: Any
) -> None:
    async def work(session: ClientSession, base: str) -> None:
        for path in (
            "/ws/btcusdt_perpetual@continuousKline_1m",
            "/market/ws/ethbtc@kline_1m",
            "/market/ws/btcusdt@kline_1s",
        ):
            async with session.ws_connect(base + path) as socket:
                with pytest.raises(asyncio.TimeoutError):
                    await socket.receive_str(timeout=0.15)

    run_server(fast_venue(engine), work, QUICK)


def test_amendments_reach_open_streams(engine: SyntheticEngine, run_server: Any) -> None:
    venue = fast_venue(engine)
    start_ms = START_MS + 5 * MINUTE_MS
    rule = {"kind": "missing", "start": start_ms, "end": start_ms + 3 * MINUTE_MS}
    venue.amendments.add(Amendments.from_rules([rule]))

    async def work(session: ClientSession, base: str) -> list[Any]:
        async with session.ws_connect(f"{base}/ws/btcusdt@kline_1m") as socket:
            return await read_events(
                socket, lambda events: events and events[-1]["k"]["t"] > start_ms + 4 * MINUTE_MS
            )

    told = {event["k"]["t"] for event in run_server(venue, work, QUICK)}
    assert not {t for t in told if start_ms <= t < start_ms + 3 * MINUTE_MS}
    assert start_ms + 3 * MINUTE_MS in told
