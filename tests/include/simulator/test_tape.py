from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.timeframe import DAY_MS
from include.simulator.engine import Window
from include.simulator.interval import INTERVALS, MINUTE_MS, ONE_MINUTE
from include.simulator.synthetic import SyntheticEngine
from include.simulator.tape import allot_groups

members = st.lists(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), min_size=1, max_size=8)


@given(members, st.data())
def test_each_group_is_split_exactly(groups: list[list[float]], data: st.DataObject) -> None:
    totals = data.draw(st.lists(st.integers(0, 10**10), min_size=len(groups), max_size=len(groups)))
    sizes = [len(group) for group in groups]
    starts = np.cumsum(sizes, dtype=np.int64) - np.array(sizes, dtype=np.int64)
    weights = np.array([weight for group in groups for weight in group])
    parts = allot_groups(np.array(totals, dtype=np.int64), weights, starts)
    assert (parts >= 0).all()
    assert np.add.reduceat(parts, starts).tolist() == totals


minutes = st.integers(20_290 * 1440, 20_293 * 1440 - 1)


@settings(max_examples=60, deadline=None)
@given(symbol=st.sampled_from(["BTCUSDT", "ETHBTC", "ZZZUSDT"]), minute=minutes)
def test_trades_add_up_to_the_candle_exactly(
    symbol: str, minute: int, engine: SyntheticEngine, now_ms: int
) -> None:
    open_ms = minute * MINUTE_MS
    window = Window(10**6, open_ms, open_ms + MINUTE_MS - 1)
    kline = engine.kline_at(symbol, ONE_MINUTE, open_ms, now_ms)
    assert kline is not None
    trades = engine.trades(symbol, window, now_ms)
    assert len(trades) == kline.trade_count
    if not trades:
        return
    prices = [Decimal(trade.price) for trade in trades]
    assert trades[0].price == kline.open
    assert trades[-1].price == kline.close
    assert max(prices) == Decimal(kline.high)
    assert min(prices) == Decimal(kline.low)
    ids = range(kline.first_id, kline.first_id + len(trades))
    assert [trade.id for trade in trades] == list(ids)
    assert [trade.time_ms for trade in trades] == sorted(trade.time_ms for trade in trades)
    bought = [trade for trade in trades if not trade.buyer_maker]
    for chosen, volume, quote in (
        (trades, kline.volume, kline.quote_volume),
        (bought, kline.taker_volume, kline.taker_quote_volume),
    ):
        assert sum((Decimal(t.quantity) for t in chosen), Decimal(0)) == Decimal(volume)
        assert sum((Decimal(t.quote_quantity) for t in chosen), Decimal(0)) == Decimal(quote)
    for trade in trades:
        assert Decimal(trade.quantity) > 0
        assert Decimal(trade.price) * Decimal(trade.quantity) == Decimal(trade.quote_quantity)


@settings(max_examples=30, deadline=None)
@given(symbol=st.sampled_from(["BTCUSDT", "ZZZUSDT"]), minute=minutes)
def test_aggregates_are_runs_of_trades(
    symbol: str, minute: int, engine: SyntheticEngine, now_ms: int
) -> None:
    open_ms = minute * MINUTE_MS
    window = Window(10**6, open_ms, open_ms + MINUTE_MS - 1)
    trades = {trade.id: trade for trade in engine.trades(symbol, window, now_ms)}
    told: list[int] = []
    for aggregate in engine.agg_trades(symbol, window, now_ms):
        fills = [trades[number] for number in range(aggregate.first_id, aggregate.last_id + 1)]
        told += [fill.id for fill in fills]
        assert {(f.price, f.time_ms, f.buyer_maker) for f in fills} == {
            (aggregate.price, aggregate.time_ms, aggregate.buyer_maker)
        }
        assert sum(Decimal(f.quantity) for f in fills) == Decimal(aggregate.quantity)
    assert told == list(trades)


def test_ids_are_contiguous_over_minutes_and_midnight(engine: SyntheticEngine, now_ms: int) -> None:
    midnight_ms = 20_292 * DAY_MS
    window = Window(10**6, midnight_ms - 5 * MINUTE_MS, midnight_ms + 5 * MINUTE_MS)
    for rows in (
        engine.trades("ETHUSDT", window, now_ms),
        engine.agg_trades("ETHUSDT", window, now_ms),
    ):
        ids = [row.id for row in rows]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert rows[0].time_ms < midnight_ms < rows[-1].time_ms


@pytest.mark.parametrize("elapsed_ms", [0, 1, 7_000, 33_333, 59_999])
def test_the_open_candle_is_what_has_traded_so_far(
    engine: SyntheticEngine, elapsed_ms: int
) -> None:
    open_ms = 20_290 * DAY_MS + 600 * MINUTE_MS
    now_ms = open_ms + elapsed_ms
    kline = engine.kline_at("BTCUSDT", ONE_MINUTE, open_ms, now_ms)
    before = engine.kline_at("BTCUSDT", ONE_MINUTE, open_ms - MINUTE_MS, now_ms)
    assert kline is not None
    assert before is not None
    known = engine.trades("BTCUSDT", Window(10**6, open_ms), now_ms)
    assert all(trade.time_ms <= now_ms for trade in known)
    assert kline.trade_count == len(known)
    if known:
        assert (kline.open, kline.close) == (known[0].price, known[-1].price)
    else:
        assert {kline.open, kline.high, kline.low, kline.close} == {before.close}
    total = sum((Decimal(trade.quantity) for trade in known), Decimal(0))
    assert Decimal(kline.volume) == total
    for trade in known[-1:]:
        same = engine.kline_at("BTCUSDT", ONE_MINUTE, open_ms, trade.time_ms)
        assert same is not None
        assert same.trade_count == kline.trade_count, "a trade is told in its own millisecond"
    hour = engine.kline_at("BTCUSDT", INTERVALS["1h"], open_ms, now_ms)
    assert hour is not None
    assert hour.trade_count == kline.trade_count
