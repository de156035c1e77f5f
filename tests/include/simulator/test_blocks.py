from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.simulator.blocks import (
    MINUTES,
    allot,
    build_block,
    build_cells,
    count_before,
    daily_rhythm,
)
from include.simulator.catalogue import list_symbol, list_symbols
from include.simulator.market import Market
from include.simulator.schedule import HISTORY_START_MS, VenueSchedule

weights = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-6)


@given(st.integers(0, 10**9), weights, st.floats(0.0, 0.999999))
def test_parts_sum_to_the_total_and_nothing_goes_to_weight_zero(
    total: int, shares: list[float], offset: float
) -> None:
    parts = allot(total, np.array(shares), offset)
    assert parts.sum() == total
    assert (parts >= 0).all()
    assert not parts[np.array(shares) == 0.0].any()


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ZZZUSDT", "ETHBTC"])
@pytest.mark.parametrize("kind", ["order", "fill"])
def test_ids_rise_from_day_to_day(symbol: str, kind: str) -> None:
    listing = list_symbol(symbol)
    first = HISTORY_START_MS // DAY_MS
    counts = [count_before(1, listing, kind, day) for day in range(first - 2, first + 400)]
    assert counts[:3] == [0, 0, 0]
    gained = np.diff(counts[2:])
    assert gained.min() > 0
    per_day = listing.trades_per_day / (1.4 if kind == "order" else 1.0)
    assert gained.mean() == pytest.approx(per_day * 6.35 / 7, rel=0.02)


def test_ids_go_on_without_a_hole_over_midnight() -> None:
    listing = list_symbol("ETHUSDT")
    market = Market(VenueSchedule(1), [listing])
    today, tomorrow = (build_cells(market, listing, day) for day in (20_000, 20_001))
    assert today.first_fill[-1] == tomorrow.first_fill[0]
    assert today.first_order[-1] == tomorrow.first_order[0]
    assert today.fills.sum() == today.first_fill[-1] - today.first_fill[0]


def test_the_day_is_busier_than_the_night() -> None:
    rhythm = daily_rhythm(np.arange(float(MINUTES)))
    assert rhythm.min() > 0.2
    assert 12 * 60 < rhythm.argmax() < 17 * 60
    listing = list_symbol("BTCUSDT")
    market = Market(VenueSchedule(1), [listing])
    counts = np.zeros(MINUTES)
    for day in range(20_000, 20_006):
        cells = build_cells(market, listing, day)
        counts += build_block(cells, day, []).candles.count
    assert counts[13 * 60 : 16 * 60].sum() > 1.3 * counts[1 * 60 : 4 * 60].sum()


def test_outages_leave_no_row_and_flat_minutes_repeat_the_close_before() -> None:
    schedule = VenueSchedule(4, 60.0)
    listing = list_symbols(["ZZZUSDT"])["ZZZUSDT"]
    market = Market(schedule, [listing])
    flat, missing = 0, 0
    for day in range(20_000, 20_020):
        outages = schedule.outages(Span(day * DAY_MS, (day + 1) * DAY_MS))
        candles = build_block(build_cells(market, listing, day), day, outages).candles
        expected = [
            open_ms
            for open_ms in range(day * DAY_MS, (day + 1) * DAY_MS, 60_000)
            if not any(outage.start_ms <= open_ms < outage.end_ms for outage in outages)
        ]
        assert candles.open_ms.tolist() == expected
        missing += MINUTES - len(expected)
        for row in np.flatnonzero(candles.count == 0).tolist():
            flat += 1
            price = candles.close[row - 1]
            four = (candles.open, candles.high, candles.low, candles.close)
            assert {int(column[row]) for column in four} == {int(price)}
            assert candles.volume[row] == candles.quote[row] == candles.taker[row] == 0
            before = candles.open_ms[row] - candles.open_ms[row - 1]
            assert before == 60_000, "a flat minute never opens a day nor follows an outage"
        assert (candles.count[candles.volume > 0] > 0).all()
    assert flat > 20
    assert missing > 100


def test_every_opening_is_priced_however_little_is_traded() -> None:
    schedule = VenueSchedule(4, 200.0)
    listing = replace(list_symbol("ZZZUSDT"), trades_per_day=40)
    market = Market(schedule, [listing])
    openings = 0
    for day in range(20_000, 20_020):
        outages = schedule.outages(Span(day * DAY_MS, (day + 1) * DAY_MS))
        cells = build_cells(market, listing, day)
        candles = build_block(cells, day, outages).candles
        before = np.concatenate([[0], candles.open_ms[:-1]])
        starts = np.flatnonzero(candles.open_ms - before > 60_000)
        assert (candles.count[starts] > 0).all()
        assert (candles.count[1:] == 0).any()
        openings += len(starts)
        assert candles.count.sum() == cells.first_fill[-1] - cells.first_fill[0]
    assert openings > 25


def test_candles_are_whole_and_consistent() -> None:
    listing = list_symbol("BTCUSDT")
    market = Market(VenueSchedule(1), [listing])
    candles = build_block(build_cells(market, listing, 20_000), 20_000, []).candles
    assert (candles.low <= np.minimum(candles.open, candles.close)).all()
    assert (candles.high >= np.maximum(candles.open, candles.close)).all()
    assert (candles.taker <= candles.volume).all()
    assert (candles.taker_quote <= candles.quote).all()
    assert (candles.quote <= candles.high * candles.volume).all()
    assert (candles.quote >= candles.low * candles.volume).all()
    differs = (candles.open[1:] != candles.close[:-1]).mean()
    assert 0.3 < differs < 0.7, "on Binance the open is often not the close before"
