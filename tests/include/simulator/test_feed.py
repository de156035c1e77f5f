from __future__ import annotations

import json
from typing import Any

from include.simulator.control import parse_stream
from include.simulator.engine import Window
from include.simulator.feed import Feed, open_feed
from include.simulator.interval import MINUTE_MS, ONE_MINUTE
from include.simulator.synthetic import SyntheticEngine

START_MS = 20_295 * 86_400_000 + 600 * MINUTE_MS


def make_feed(name: str, now_ms: int) -> Feed:
    stream = parse_stream(name)
    assert stream is not None
    feed = open_feed(stream, now_ms)
    assert feed is not None
    return feed


def collect(feed: Feed, engine: SyntheticEngine, now_ms: int, *, is_push: bool) -> list[Any]:
    return [json.loads(text) for text in feed.collect(engine, now_ms, is_push=is_push)]


def test_every_close_is_told_once_and_as_rest_tells_it(engine: SyntheticEngine) -> None:
    feed = make_feed("btcusdt@kline_1m", START_MS + 30_000)
    told: list[Any] = []
    for step_ms in range(30_000, 4 * MINUTE_MS, 1_700):
        told += collect(feed, engine, START_MS + step_ms, is_push=step_ms % 3_400 < 1_700)
    told += collect(feed, engine, START_MS + 7 * MINUTE_MS + 1, is_push=False)
    closed = [event["k"] for event in told if event["k"]["x"]]
    assert [k["t"] for k in closed] == [START_MS + n * MINUTE_MS for n in range(7)]
    assert sum(not event["k"]["x"] for event in told) > 40
    now_ms = START_MS + 7 * MINUTE_MS + 1
    rows = [
        json.loads(text)
        for text in engine.klines("BTCUSDT", ONE_MINUTE, Window(7, START_MS), now_ms)
    ]
    keys = "tohlcvTqnVQB"
    assert [[k[key] for key in keys] for k in closed] == rows
    assert feed.due_ms() == START_MS + 8 * MINUTE_MS


def test_the_first_look_tells_the_open_candle_at_once(engine: SyntheticEngine) -> None:
    feed = make_feed("ethusdt@kline_5m", START_MS + 1_000)
    first = collect(feed, engine, START_MS + 1_000, is_push=False)
    assert [event["k"]["i"] for event in first] == ["5m"]
    assert collect(feed, engine, START_MS + 2_000, is_push=False) == []
    assert len(collect(feed, engine, START_MS + 2_000, is_push=True)) == 1


def test_trades_are_told_once_and_in_order(engine: SyntheticEngine) -> None:
    end_ms = START_MS + 3 * MINUTE_MS
    window = Window(10**6, START_MS + 1)
    for name, key, expected in (
        ("btcusdt@trade", "t", engine.trades("BTCUSDT", window, end_ms)),
        (
            "btcusdt@aggTrade",
            "a",
            engine.agg_trades("BTCUSDT", window, end_ms),
        ),
    ):
        feed = make_feed(name, START_MS)
        told: list[Any] = []
        times = [trade.time_ms for trade in expected[:: len(expected) // 50]]
        for now_ms in (START_MS, *times, end_ms, end_ms):
            told += collect(feed, engine, now_ms, is_push=True)
        assert [event[key] for event in told] == [trade.id for trade in expected]
        assert all(event["T"] <= event["E"] for event in told)
