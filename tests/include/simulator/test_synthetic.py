from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.catalogue import list_symbols
from include.simulator.engine import Window
from include.simulator.interval import INTERVALS, MINUTE_MS, ONE_MINUTE
from include.simulator.schedule import HISTORY_START_MS
from include.simulator.synthetic import SyntheticEngine

DAY_START_MS = 20_295 * DAY_MS


def fresh(*symbols: str, seed: int = 7, outages: float = 0.0) -> SyntheticEngine:
    return SyntheticEngine(seed, list_symbols(symbols), outages_per_year=outages)


def parse(texts: list[str]) -> list[list[Any]]:
    return [json.loads(text) for text in texts]


def test_the_same_seed_gives_the_same_bytes_in_any_order(
    engine: SyntheticEngine, now_ms: int
) -> None:
    other = fresh("ETHUSDT", "BTCUSDT")
    start_ms = DAY_START_MS + 700 * MINUTE_MS
    window = Window(1_000, start_ms)
    expected = engine.klines("ETHUSDT", ONE_MINUTE, window, now_ms)
    cuts = list(range(0, 1_000, 125))
    random.Random(3).shuffle(cuts)
    pieces = {
        cut: other.klines(
            "ETHUSDT", ONE_MINUTE, Window(125, start_ms + cut * MINUTE_MS), now_ms + cut
        )
        for cut in cuts
    }
    assert [text for cut in sorted(pieces) for text in pieces[cut]] == expected
    late = fresh("ETHUSDT").agg_trades("ETHUSDT", Window(50, start_ms), now_ms)
    assert late == engine.agg_trades("ETHUSDT", Window(50, start_ms), now_ms)
    assert expected != fresh("ETHUSDT", seed=8).klines("ETHUSDT", ONE_MINUTE, window, now_ms)


@pytest.mark.parametrize("label", ["3m", "5m", "15m", "30m", "1h", "2h", "4h", "12h", "1d"])
def test_coarse_candles_are_exact_sums_of_minutes(
    engine: SyntheticEngine, now_ms: int, label: str
) -> None:
    interval = INTERVALS[label]
    end_ms = DAY_START_MS + 2 * DAY_MS
    window = Window(1_000, DAY_START_MS, end_ms - 1)
    coarse = parse(engine.klines("ETHUSDT", interval, window, now_ms))
    children: dict[int, list[list[Any]]] = {}
    for cursor_ms in range(DAY_START_MS, end_ms, 1_000 * MINUTE_MS):
        last_ms = min(cursor_ms + 1_000 * MINUTE_MS, end_ms) - 1
        page = engine.klines("ETHUSDT", ONE_MINUTE, Window(1_000, cursor_ms, last_ms), now_ms)
        for row in parse(page):
            children.setdefault(interval.floor_ms(row[0]), []).append(row)
    expected = list(children)[: len(coarse)]
    assert [row[0] for row in coarse] == expected
    assert len(coarse) == min(1_000, len(children))
    for row in coarse:
        group = children[row[0]]
        assert row[6] == interval.next_ms(row[0]) - 1
        assert row[1] == group[0][1]
        assert Decimal(row[2]) == max(Decimal(child[2]) for child in group)
        assert Decimal(row[3]) == min(Decimal(child[3]) for child in group)
        assert row[4] == group[-1][4]
        assert row[8] == sum(child[8] for child in group)
        for column in (5, 7, 9, 10):
            assert Decimal(row[column]) == sum(Decimal(child[column]) for child in group)


@pytest.mark.parametrize("label", ["3d", "1w", "1M"])
def test_candles_longer_than_a_day_are_sums_of_days(
    engine: SyntheticEngine, now_ms: int, label: str
) -> None:
    newest = parse(engine.klines("ZZZUSDT", INTERVALS[label], Window(2), now_ms))
    for row in newest:
        days = engine.klines(
            "ZZZUSDT", INTERVALS["1d"], Window(31, row[0], min(row[6], now_ms)), now_ms
        )
        assert row[8] == sum(day[8] for day in parse(days))
        assert Decimal(row[5]) == sum(Decimal(day[5]) for day in parse(days))
        assert row[1] == parse(days)[0][1]
        assert row[4] == parse(days)[-1][4]


def test_the_last_row_of_a_range_that_reaches_now_is_unfinished(
    engine: SyntheticEngine, now_ms: int
) -> None:
    for label in ("1m", "5m", "4h", "1d", "1w"):
        interval = INTERVALS[label]
        for window in (Window(3), Window(1_000, interval.floor_ms(now_ms) - 1, now_ms + DAY_MS)):
            last = parse(engine.klines("BTCUSDT", interval, window, now_ms))[-1]
            assert last[0] == interval.floor_ms(now_ms)
            assert last[6] >= now_ms
            later = now_ms + interval.next_ms(last[0]) - last[0]
            final = parse(engine.klines("BTCUSDT", interval, Window(1, last[0]), later))[0]
            assert final[:2] == last[:2]
            assert final[8] > last[8]
            assert Decimal(final[2]) >= Decimal(last[2])
            assert Decimal(final[3]) <= Decimal(last[3])
        before = Window(3, None, interval.floor_ms(now_ms) - 1)
        closed = parse(engine.klines("BTCUSDT", interval, before, now_ms))
        assert closed[-1][6] == interval.floor_ms(now_ms) - 1


def test_nothing_is_told_before_history_nor_after_now(engine: SyntheticEngine, now_ms: int) -> None:
    first = parse(engine.klines("BTCUSDT", ONE_MINUTE, Window(2, 0), now_ms))
    assert first[0][0] == HISTORY_START_MS
    assert engine.klines("BTCUSDT", ONE_MINUTE, Window(5, None, HISTORY_START_MS - 1), now_ms) == []
    assert engine.klines("BTCUSDT", ONE_MINUTE, Window(5, now_ms + 1), now_ms) == []
    assert engine.klines("BTCUSDT", ONE_MINUTE, Window(5, now_ms, now_ms - 90_000), now_ms) == []
    assert engine.klines("BTCUSDT", ONE_MINUTE, Window(5), HISTORY_START_MS - 1) == []
    trades = engine.trades("BTCUSDT", Window(1_000), now_ms)
    assert trades[-1].time_ms <= now_ms
    assert engine.data_span(now_ms) == Span(HISTORY_START_MS, now_ms - now_ms % MINUTE_MS)


def test_outages_of_the_truth_are_holes_for_every_instrument(now_ms: int) -> None:
    market = fresh("BTCUSDT", "ZZZUSDT", outages=50.0)
    span = Span(20_260 * DAY_MS, 20_290 * DAY_MS)
    truth: Any = market.truth("BTCUSDT", span)
    assert truth["outages"]
    outage = truth["outages"][0]
    window = Window(1_000, outage["from_ms"] - 10 * MINUTE_MS, outage["to_ms"] + 9 * MINUTE_MS)
    around = [
        *range(outage["from_ms"] - 10 * MINUTE_MS, outage["from_ms"], MINUTE_MS),
        *range(outage["to_ms"], outage["to_ms"] + 10 * MINUTE_MS, MINUTE_MS),
    ]
    for symbol in ("BTCUSDT", "ZZZUSDT"):
        rows = parse(market.klines(symbol, ONE_MINUTE, window, now_ms))
        assert [row[0] for row in rows] == around
        dark = Window(1_000, outage["from_ms"], outage["to_ms"] - 1)
        assert market.trades(symbol, dark, now_ms) == []
        inside_ms = outage["from_ms"] + 2 * MINUTE_MS + 5
        newest = parse(market.klines(symbol, ONE_MINUTE, Window(1), inside_ms))
        assert newest[0][0] == outage["from_ms"] - MINUTE_MS


def test_aggregate_trades_page_on_by_id(engine: SyntheticEngine, now_ms: int) -> None:
    window = Window(900, DAY_START_MS + 100 * MINUTE_MS)
    expected = engine.agg_trades("BTCUSDT", window, now_ms)
    found = expected[:1]
    for _ in range(10):
        found += engine.agg_trades_from("BTCUSDT", found[-1].id, 98, now_ms)[1:]
    assert found[: len(expected)] == expected
    newest = engine.agg_trades("BTCUSDT", Window(3), now_ms)
    assert engine.agg_trades_from("BTCUSDT", newest[0].id, 10, now_ms) == newest
    assert engine.agg_trades_from("BTCUSDT", newest[-1].id + 1, 10, now_ms) == []
    assert engine.agg_trades_from("BTCUSDT", 10**18, 10, now_ms) == []
    assert engine.agg_trades_from("BTCUSDT", 0, 1, now_ms)[0].id == 1


def test_trade_windows_are_inclusive(engine: SyntheticEngine, now_ms: int) -> None:
    some = engine.agg_trades("BTCUSDT", Window(400, DAY_START_MS), now_ms)
    first, last = some[20], some[300]
    cut = engine.agg_trades("BTCUSDT", Window(1_000, first.time_ms, last.time_ms), now_ms)
    assert cut == [t for t in some if first.time_ms <= t.time_ms <= last.time_ms]
    ending = engine.agg_trades("BTCUSDT", Window(5, None, last.time_ms), now_ms)
    assert ending == [t for t in some if t.time_ms <= last.time_ms][-5:]
