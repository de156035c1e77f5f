"""Changes of unit are told from what markets do by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.timeframe import M1
from include.quality.unit_drift import find_unit_drift, is_open_close_swapped
from tests.include.quality.recorded import read_binance_csv, read_bybit_csv
from tests.support.warehouse import START

DAY = 1440


def market(seed: int = 1, days: int = 4, step: float = 1e-3) -> pd.DataFrame:
    """Return 1m candles of a market whose steps have the deviation ``step``."""
    draw = np.random.default_rng(seed)
    count = days * DAY
    close = 100 * np.exp(np.cumsum(draw.normal(0, step, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    counts = draw.poisson(20, count)
    volume = counts * draw.lognormal(0, 0.5, count)
    columns: dict[str, Any] = {
        "open_time": pd.date_range(START, periods=count, freq="1min", unit="us"),
        "open": opened,
        "high": np.maximum(opened, close) * 1.0001,
        "low": np.minimum(opened, close) * 0.9999,
        "close": close,
        "volume": volume,
        "quote_volume": volume * (opened + close) / 2,
        "trade_count": counts,
    }
    return pd.DataFrame(columns)


def faults(frame: pd.DataFrame, days: int = 3) -> dict[str, float | None]:
    """Return the faults of the last day against the days before, with their factors."""
    found = find_unit_drift(frame[: days * DAY], frame[days * DAY :], M1)
    return {drift.fault: drift.factor for drift in found}


def late(frame: pd.DataFrame, place: int = 3 * DAY, **factors: float) -> pd.DataFrame:
    copy = frame.copy()
    for name, factor in factors.items():
        copy.loc[place:, name] *= factor
    return copy


def prices(factor: float) -> dict[str, float]:
    return dict.fromkeys(("open", "high", "low", "close"), factor)


@pytest.mark.parametrize("seed", range(10))
def test_a_market_that_moves_has_no_fault(seed: int) -> None:
    assert faults(market(seed)) == {}
    assert faults(market(seed, step=5e-3)) == {}


@pytest.mark.parametrize("power", [-8, -3, -1, 1, 2, 6])
@pytest.mark.parametrize("place", [3 * DAY, 3 * DAY + 700, 4 * DAY - 40])
def test_prices_a_power_of_ten_away_are_found_whenever_in_the_day(power: int, place: int) -> None:
    frame = late(market(2), place, **prices(10.0**power), quote_volume=10.0**power)
    assert faults(frame) == {"price_scale": pytest.approx(10.0**power)}


def test_a_redenomination_nobody_declared_is_found_though_no_power_of_ten() -> None:
    frame = late(market(3), **prices(40.0), volume=1 / 40)
    assert faults(frame) == {
        "price_scale": pytest.approx(40.0, rel=0.05),
        "volume_scale": pytest.approx(1 / 40, rel=0.1),
    }


@pytest.mark.parametrize("place", [3 * DAY, 3 * DAY + 100, 4 * DAY - 30, 4 * DAY - 1])
def test_a_single_wrong_candle_is_no_unit(place: int) -> None:
    frame = market(4)
    frame.loc[place, ["open", "high", "low", "close"]] *= 100
    assert faults(frame) == {}


def test_a_step_just_before_midnight_is_found_a_day_later() -> None:
    frame = late(market(4, days=5), 4 * DAY - 20, **prices(100.0), quote_volume=100.0)
    assert faults(frame[: 4 * DAY]) == {}
    assert faults(frame[DAY:]) == {"price_scale": pytest.approx(100.0)}


def test_a_crash_that_trades_its_way_down_is_no_unit() -> None:
    frame = market(5)
    fall = np.ones(len(frame))
    fall[3 * DAY + 200 :] = np.exp(-np.minimum(np.arange(len(frame) - 3 * DAY - 200) / 30, 3.0))
    names = ["open", "high", "low", "close", "quote_volume"]
    assert faults(frame.assign(**{name: frame[name] * fall for name in names})) == {}


@pytest.mark.parametrize("factor", [1000.0, 0.01, 10.0])
def test_a_volume_in_another_unit_is_found_by_the_size_of_trades(factor: float) -> None:
    frame = late(market(6), volume=factor, quote_volume=factor)
    assert faults(frame) == {"volume_scale": pytest.approx(factor, rel=0.1)}


def test_ten_times_the_trades_are_no_unit() -> None:
    frame = late(market(6), volume=10.0, quote_volume=10.0, trade_count=10)
    assert faults(frame) == {}


def test_contracts_in_place_of_coins_are_found_without_counting_trades() -> None:
    frame = late(market(7), quote_volume=100.0).assign(trade_count=-1)
    assert faults(frame) == {"quote_scale": pytest.approx(100.0, rel=0.01)}


def test_base_and_quote_in_each_others_column_are_found() -> None:
    frame = market(8).assign(trade_count=-1)
    swapped = frame.copy()
    rows = swapped.index >= 3 * DAY
    swapped.loc[rows, ["volume", "quote_volume"]] = frame.loc[
        rows, ["quote_volume", "volume"]
    ].to_numpy()
    assert faults(swapped) == {"base_quote_swapped": None}
    # Where it was always so, it is the venue's habit.
    always = frame.assign(volume=frame["quote_volume"], quote_volume=frame["volume"])
    assert faults(always) == {}


def test_open_and_close_in_each_others_column_are_found() -> None:
    frame = market(9)
    swapped = frame.copy()
    rows = swapped.index >= 3 * DAY
    swapped.loc[rows, ["open", "close"]] = frame.loc[rows, ["close", "open"]].to_numpy()
    assert faults(swapped) == {"open_close_swapped": None}
    assert is_open_close_swapped(swapped[3 * DAY :], M1)
    assert not is_open_close_swapped(frame, M1)


def test_candles_far_apart_say_nothing_about_their_columns() -> None:
    frame = market(9)
    swapped = frame.assign(open=frame["close"], close=frame["open"])
    assert is_open_close_swapped(swapped, M1)
    assert not is_open_close_swapped(swapped[::2], M1)
    assert not is_open_close_swapped(swapped[:200], M1)


def test_too_few_candles_say_nothing() -> None:
    frame = late(market(2), **prices(1000.0))
    assert find_unit_drift(frame[:20], frame[3 * DAY :], M1) == []
    assert find_unit_drift(frame[: 3 * DAY], frame[3 * DAY : 3 * DAY + 20], M1) == []


@given(st.integers(0, 10**6), st.floats(1e-4, 4e-3))
def test_no_stationary_market_is_accused(seed: int, step: float) -> None:
    assert faults(market(seed, days=2, step=step), days=1) == {}


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_a_real_quarter_has_no_fault_on_any_day_until_columns_are_swapped(symbol: str) -> None:
    frames = [
        read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
        for month in ("08", "09", "10")
    ]
    whole = pd.concat(frames, ignore_index=True)
    for day in range(3, 92):
        before, now = whole[(day - 3) * DAY : day * DAY], whole[day * DAY : (day + 1) * DAY]
        assert find_unit_drift(before, now, M1) == [], day
        swapped = now.assign(open=now["close"], close=now["open"])
        assert [each.fault for each in find_unit_drift(before, swapped, M1)] == [
            "open_close_swapped"
        ], day


def test_real_candles_in_another_columns_order_are_found() -> None:
    """As a reader of Bitfinex' order (open, close, high, low) would store them."""
    frame = read_bybit_csv("bybit_linear/ADAUSDT_1m.csv.gz", M1)
    swapped = frame.assign(open=frame["close"], close=frame["open"])
    days = range(0, 20 * DAY, DAY)
    assert all(is_open_close_swapped(swapped[place : place + DAY], M1) for place in days)
    assert not any(is_open_close_swapped(frame[place : place + DAY], M1) for place in days)
