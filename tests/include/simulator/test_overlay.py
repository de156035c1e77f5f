from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.span import Span
from include.simulator.amendments import Amendments
from include.simulator.engine import Kline, Window
from include.simulator.interval import INTERVALS, MINUTE_MS, ONE_MINUTE
from include.simulator.overlay import AmendedEngine
from include.simulator.replay import fold_klines
from include.simulator.synthetic import SyntheticEngine

T0 = 20_298 * 86_400_000 + 600 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS


def amend(engine: SyntheticEngine, *rules: dict[str, Any], venue: str = "spot") -> AmendedEngine:
    return AmendedEngine(engine, Amendments.from_rules(rules), venue)


def opens(texts: list[str]) -> list[int]:
    return [json.loads(text)[0] for text in texts]


def minutes(start: int, stop: int) -> list[int]:
    return [T0 + n * MINUTE_MS for n in range(start, stop)]


def span(start: int, stop: int) -> dict[str, int]:
    return {"start": T0 + start * MINUTE_MS, "end": T0 + stop * MINUTE_MS}


@pytest.mark.parametrize("kind", ["missing", "outage"])
def test_what_is_lost_has_no_rows_and_no_trades(
    engine: SyntheticEngine, now_ms: int, kind: str
) -> None:
    amended = amend(engine, {"kind": kind, "venue": "spot", **span(10, 20)})
    window = Window(20, T0, T0 + 29 * MINUTE_MS)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        texts = amended.klines(symbol, ONE_MINUTE, window, now_ms)
        assert opens(texts) == minutes(0, 10) + minutes(20, 30)
        plain = engine.klines(symbol, ONE_MINUTE, Window(30, T0), now_ms)
        assert texts == plain[:10] + plain[20:]
    dark = Window(10**6, T0 + 9 * MINUTE_MS, T0 + 21 * MINUTE_MS - 1)
    times = [trade.time_ms for trade in amended.agg_trades("BTCUSDT", dark, now_ms)]
    assert times
    assert not [t for t in times if T0 + 10 * MINUTE_MS <= t < T0 + 20 * MINUTE_MS]
    other = amend(engine, {"kind": kind, "venue": "usdm", **span(10, 20)})
    assert len(other.klines("BTCUSDT", ONE_MINUTE, window, now_ms)) == 20


def test_coarse_candles_are_made_of_the_amended_minutes(
    engine: SyntheticEngine, now_ms: int
) -> None:
    amended = amend(engine, {"kind": "missing", "symbol": "BTCUSDT", **span(0, 45)})
    texts = amended.klines("BTCUSDT", INTERVALS["1h"], Window(3, T0 - HOUR_MS), now_ms)
    plain = engine.klines("BTCUSDT", INTERVALS["1h"], Window(3, T0 - HOUR_MS), now_ms)
    assert [a == b for a, b in zip(texts, plain, strict=True)] == [True, False, True]
    left = amended.klines("BTCUSDT", ONE_MINUTE, Window(60, T0, T0 + HOUR_MS - 1), now_ms)
    rows = [json.loads(text) for text in left]
    hour = json.loads(texts[1])
    assert len(rows) == 15
    assert Decimal(hour[5]) == sum(Decimal(row[5]) for row in rows)
    assert (hour[1], hour[4], hour[8]) == (rows[0][1], rows[-1][4], sum(r[8] for r in rows))


def test_revised_rows_change_at_their_instant_and_stay_plausible(
    engine: SyntheticEngine, now_ms: int
) -> None:
    rule = {"kind": "revised", "symbol": "BTCUSDT", **span(10, 12), "at": now_ms}
    amended = amend(engine, rule)
    window = Window(30, T0)
    before, after = (
        [json.loads(text) for text in amended.klines("BTCUSDT", ONE_MINUTE, window, at)]
        for at in (now_ms - 1, now_ms)
    )
    plain = engine.klines("BTCUSDT", ONE_MINUTE, window, now_ms)
    assert before == [json.loads(text) for text in plain]
    assert [n for n in range(30) if before[n] != after[n]] == [10, 11]
    for old, new in zip(before[10:12], after[10:12], strict=True):
        assert old[4] != new[4]
        assert Decimal(new[3]) <= Decimal(new[4]) <= Decimal(new[2])
        assert Decimal(new[5]) == 2 * Decimal(old[5])
        assert new[8] == old[8]
        assert Decimal(new[3]) * Decimal(new[5]) <= Decimal(new[7])
        assert Decimal(new[7]) <= Decimal(new[2]) * Decimal(new[5])
        assert Decimal(new[9]) <= Decimal(new[5])


def test_late_rows_appear_at_their_instant(engine: SyntheticEngine, now_ms: int) -> None:
    rule = {"kind": "late", "symbol": "BTCUSDT", **span(10, 12), "at": now_ms}
    amended = amend(engine, rule)
    window = Window(5, T0 + 8 * MINUTE_MS)
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, window, now_ms - 1))[1:3] == [
        T0 + 9 * MINUTE_MS,
        T0 + 12 * MINUTE_MS,
    ]
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, window, now_ms)) == minutes(8, 13)


def test_off_grid_rows_keep_their_shift(engine: SyntheticEngine, now_ms: int) -> None:
    rule = {"kind": "off_grid", "symbol": "BTCUSDT", **span(2, 4), "shift_ms": 14_789}
    amended = amend(engine, rule)
    rows = [
        json.loads(text) for text in amended.klines("BTCUSDT", ONE_MINUTE, Window(6, T0), now_ms)
    ]
    assert [row[0] - T0 - n * MINUTE_MS for n, row in enumerate(rows)] == [
        0,
        0,
        14_789,
        14_789,
        0,
        0,
    ]
    assert all(row[6] == row[0] + 59_999 for row in rows)
    at = T0 + 2 * MINUTE_MS + 1
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, Window(1, at), now_ms)) == [rows[2][0]]


def test_lives_begin_and_end(engine: SyntheticEngine, now_ms: int) -> None:
    at = T0 + 10 * MINUTE_MS
    amended = amend(
        engine,
        {"kind": "listed", "symbol": "ETHUSDT", "at": at},
        {"kind": "delisted", "symbol": "BTCUSDT", "at": at},
        {"kind": "delisted", "symbol": "ZZZUSDT", "at": at, "gone": True},
    )
    window = Window(20, T0, T0 + 20 * MINUTE_MS - 1)
    assert opens(amended.klines("ETHUSDT", ONE_MINUTE, window, now_ms)) == minutes(10, 20)
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, window, now_ms)) == minutes(0, 10)
    assert opens(amended.klines("ETHUSDT", ONE_MINUTE, Window(1, 0), now_ms)) == [at]
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, Window(1), now_ms)) == [at - MINUTE_MS]
    assert amended.agg_trades("BTCUSDT", Window(1), now_ms)[0].time_ms < at
    assert amended.agg_trades("ETHUSDT", Window(1, 0), now_ms)[0].time_ms >= at
    assert list(amended.listed(at - 1)) == ["BTCUSDT", "ETHBTC", "ZZZUSDT"]
    assert list(amended.listed(at)) == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    trading = [s for s in amended.listed(at) if amended.story(s).is_trading(at)]
    assert trading == ["ETHUSDT", "ETHBTC"]
    assert amended.kline_at("BTCUSDT", ONE_MINUTE, at, now_ms) is None


def test_a_renamed_symbol_goes_on_under_its_new_name(engine: SyntheticEngine, now_ms: int) -> None:
    at = T0 + 10 * MINUTE_MS
    amended = amend(engine, {"kind": "renamed", "old": "BTCUSDT", "new": "XBTUSDT", "at": at})
    window = Window(20, T0, T0 + 20 * MINUTE_MS - 1)
    old, new = (amended.klines(s, ONE_MINUTE, window, now_ms) for s in ("BTCUSDT", "XBTUSDT"))
    assert [*old, *new] == engine.klines("BTCUSDT", ONE_MINUTE, window, now_ms)
    assert len(old) == len(new) == 10
    assert "XBTUSDT" not in amended.listed(at - 1)
    assert "BTCUSDT" not in amended.listed(at)
    listing = amended.listed(at)["XBTUSDT"]
    assert (listing.symbol, listing.base, listing.quote) == ("XBTUSDT", "XBT", "USDT")


def test_a_relisted_symbol_comes_back_at_another_level(
    engine: SyntheticEngine, now_ms: int
) -> None:
    rule = {"kind": "relisted", "symbol": "BTCUSDT", **span(5, 15), "price_factor": 25}
    amended = amend(engine, rule)
    window = Window(30, T0, T0 + 20 * MINUTE_MS - 1)
    rows = [json.loads(t) for t in amended.klines("BTCUSDT", ONE_MINUTE, window, now_ms)]
    plain = [json.loads(t) for t in engine.klines("BTCUSDT", ONE_MINUTE, window, now_ms)]
    assert [row[0] for row in rows] == minutes(0, 5) + minutes(15, 20)
    assert rows[:5] == plain[:5]
    for old, new in zip(plain[15:], rows[5:], strict=True):
        assert [Decimal(new[i]) for i in (1, 2, 3, 4, 7, 10)] == [
            25 * Decimal(old[i]) for i in (1, 2, 3, 4, 7, 10)
        ]
        assert new[5] == old[5]
    trade = amended.agg_trades("BTCUSDT", Window(1, T0 + 15 * MINUTE_MS), now_ms)[0]
    assert trade.price == rows[5][1]
    story = amended.story("BTCUSDT")
    inside, behind = T0 + 6 * MINUTE_MS, T0 + 15 * MINUTE_MS
    assert [story.is_trading(at) for at in (T0, inside, behind)] == [True, False, True]
    assert "BTCUSDT" in amended.listed(inside)


def test_ids_go_on_behind_a_hole(engine: SyntheticEngine, now_ms: int) -> None:
    amended = amend(engine, {"kind": "missing", "symbol": "BTCUSDT", **span(1, 400)})
    head = engine.agg_trades("BTCUSDT", Window(3, T0 + MINUTE_MS - 20_000), now_ms)
    page = amended.agg_trades_from("BTCUSDT", head[0].id, 1_000, now_ms)
    assert page[0] == head[0]
    assert len(page) == 1_000
    steps = sorted(b.id - a.id for a, b in itertools.pairwise(page))
    assert steps[-2] == 1
    assert steps[-1] > 1_000
    inside = amended.agg_trades_from("BTCUSDT", head[-1].id + 5_000, 10, now_ms)
    assert inside[0].time_ms >= T0 + 400 * MINUTE_MS
    falling = amended.agg_trades("BTCUSDT", Window(500, None, T0 + 401 * MINUTE_MS), now_ms)
    assert len(falling) == 500
    assert falling[0].time_ms < T0 + MINUTE_MS


def test_the_open_candle_is_amended_as_well(engine: SyntheticEngine) -> None:
    now_ms = T0 + 10 * MINUTE_MS + 30_000
    amended = amend(engine, {"kind": "missing", "symbol": "BTCUSDT", **span(5, 11)})
    newest = amended.klines("BTCUSDT", ONE_MINUTE, Window(2), now_ms)
    assert opens(newest) == minutes(3, 5)
    hour = amended.kline_at("BTCUSDT", INTERVALS["1h"], T0, now_ms)
    parts = [amended.kline_at("BTCUSDT", ONE_MINUTE, at, now_ms) for at in minutes(0, 5)]
    assert hour is not None
    assert hour.trade_count == sum(part.trade_count for part in parts if part)
    later = T0 + 12 * MINUTE_MS + 5_000
    assert opens(amended.klines("BTCUSDT", ONE_MINUTE, Window(2), later)) == minutes(11, 13)


kinds = st.sampled_from(["missing", "outage", "late", "revised", "off_grid", "relisted"])
drawn_rules = st.lists(
    st.tuples(kinds, st.integers(-90, 170), st.integers(1, 60), st.booleans()), max_size=5
)


def write(kind: str, start: int, length: int, has_come: bool, now_ms: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"kind": kind, **span(start, start + length)}
    if kind != "outage":
        rule["symbol"] = "ZZZUSDT"
    if kind in ("late", "revised"):
        rule["at"] = now_ms - 1 if has_come else now_ms + 1
    return rule


@settings(max_examples=25, deadline=None)
@given(
    rules=drawn_rules,
    label=st.sampled_from(["1m", "5m", "1h"]),
    first=st.integers(-60, 120),
    limit=st.integers(1, 40),
    rising=st.booleans(),
)
def test_any_page_is_a_slice_of_the_whole_amended_truth(
    engine: SyntheticEngine,
    now_ms: int,
    rules: list[tuple[str, int, int, bool]],
    label: str,
    first: int,
    limit: int,
    rising: bool,
) -> None:
    amended = amend(engine, *(write(*rule, now_ms) for rule in rules))
    interval = INTERVALS[label]
    story = amended.story("ZZZUSDT")
    from_ms, to_ms = T0 - 40 * HOUR_MS, T0 + 4 * HOUR_MS
    plain: list[Kline] = engine.minutes("ZZZUSDT", Span(from_ms, to_ms))
    whole = fold_klines(story.amend(plain, now_ms), interval)
    end_ms = T0 + 200 * MINUTE_MS
    start_ms = T0 + first * MINUTE_MS
    window = Window(limit, start_ms if rising else None, end_ms)
    found = opens(amended.klines("ZZZUSDT", interval, window, now_ms))
    expected = [k.open_ms for k in whole if k.open_ms <= end_ms]
    if rising:
        assert found == [at for at in expected if at >= start_ms][:limit]
    else:
        assert found == expected[-limit:]
