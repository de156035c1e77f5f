"""What is measured of a candle, and how the hour of the week is taken out of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.market.timeframe import M1, M30
from include.quality.drift import DISTANCES, _Scale
from include.quality.drift_measures import (
    HOUR_MS,
    HOURS_OF_WEEK,
    add_up,
    measure,
    present,
    without_season,
)
from tests.support.warehouse import START, candles, walk


def test_measures_of_two_candles() -> None:
    frame = candles([0, 1], price=100.0).assign(
        open=[100.0, 101.0], high=[110.0, 101.0], low=[100.0, 101.0], close=[100.0, 101.0],
        volume=[14.0, 0.0], trade_count=[7, 0],
    )  # fmt: skip
    _, found = measure(frame, M1)
    np.testing.assert_allclose(found["return"], [np.nan, np.log(1.01)])
    np.testing.assert_allclose(found["open_gap"], [np.nan, np.log(1.01)])
    np.testing.assert_allclose(found["range"], [np.log(1.1), 0.0])
    np.testing.assert_allclose(found["volume"], [14.0, 0.0])
    np.testing.assert_allclose(found["trade_size"], [2.0, np.nan])
    np.testing.assert_allclose(found["impact"], [np.log(1.1) / 14**0.5, np.nan])
    assert present(found) == (
        "return", "range", "volume", "trade_count", "trade_size", "impact", "open_gap",
    )  # fmt: skip


def test_a_candle_behind_a_hole_has_no_return() -> None:
    frame = walk(10).drop(index=[4])
    _, found = measure(frame, M1)
    assert np.flatnonzero(np.isnan(found["return"])).tolist() == [0, 4]
    assert np.flatnonzero(np.isnan(found["open_gap"])).tolist() == [0, 4]
    assert not np.isnan(found["range"]).any()


def test_what_is_not_stated_is_not_measured() -> None:
    _, found = measure(walk(10).assign(trade_count=-1), M1)
    assert present(found) == ("return", "range", "volume", "impact", "open_gap")


def weekly(weeks: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return open times and sizes that breathe with the week: nights at a tenth, Sundays half."""
    times = pd.date_range(START, periods=weeks * 7 * 48, freq="30min")
    shape = np.where(times.hour < 8, 0.1, 1.0) * np.where(times.day_of_week == 6, 0.5, 1.0)
    noise = np.random.default_rng(seed).lognormal(0, 0.3, len(times))
    return times.as_unit("ms").asi8, np.asarray(shape * noise)


def test_the_hour_of_the_week_is_taken_out() -> None:
    opens, values = weekly(12)
    block = (opens - opens[0]) // (7 * 24 * HOUR_MS)
    sums = add_up(values, opens, block, 12)
    season = sums.season(np.ones(12, dtype=np.bool_))
    assert season.shape == (HOURS_OF_WEEK,)
    relative = without_season(values, opens, sums, season)
    times = pd.to_datetime(opens, unit="ms", utc=True)
    for chosen in (times.hour < 8, times.day_of_week == 6, times.day_of_week == 2):
        assert relative[chosen].mean() == pytest.approx(relative.mean(), rel=0.2)
    raw = np.arcsinh(values / sums.unit)
    assert raw[times.hour < 8].mean() < 0.3 * raw.mean()


def test_an_hour_seldom_seen_leans_on_the_hour_of_the_day() -> None:
    opens, values = weekly(1)
    sums = add_up(values, opens, np.zeros(len(opens), dtype=np.int64), 1)
    season = sums.season(np.ones(1, dtype=np.bool_))
    # Seen once, a Sunday noon counts for little beside all other noons.
    sunday, monday = 3 * 24 + 12, 4 * 24 + 12
    assert 0.75 < season[sunday] / season[monday] < 1.0


def test_a_block_does_not_help_to_make_its_own_season() -> None:
    opens, values = weekly(4)
    block = (opens - opens[0]) // (7 * 24 * HOUR_MS)
    louder = np.where(block == 2, values * 10, values)
    sums = add_up(louder, opens, block, 4)
    others = np.array([True, True, False, True])
    alone = add_up(values, opens, block, 4)
    np.testing.assert_allclose(
        sums.season(others) * sums.unit, alone.season(others) * alone.unit, rtol=0.35
    )
    assert (sums.season(~others) > 3 * sums.season(others)).mean() > 0.9


def test_a_distance_is_to_the_others_as_seen_from_outside() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(0, 1, 4000)
    block = np.repeat(np.arange(4), 1000)
    values[block == 3] += 5
    scale = _Scale(values, block, 4)
    own = scale.distances(values[block == 3], without=3)
    with_itself = scale.distances(values[block == 3], without=None)
    assert own["shift"] == pytest.approx(5, abs=0.1)
    assert with_itself["shift"] == pytest.approx(5 * 3 / 4, abs=0.1)
    assert own["ks"] > 0.97 > with_itself["ks"]


def test_distances_know_equal_and_apart() -> None:
    draw = np.random.default_rng(2)
    values = draw.normal(0, 1, 3000)
    scale = _Scale(values, np.repeat(np.arange(3), 1000), 3)
    same = scale.distances(draw.normal(0, 1, 1000), without=None)
    apart = scale.distances(draw.normal(0, 1, 1000) + 50, without=None)
    assert set(same) == set(DISTANCES)
    assert same["psi"] < 0.05
    assert same["ks"] < 0.05
    assert same["js"] < 0.15
    assert apart["ks"] == pytest.approx(1.0, abs=0.02)
    assert apart["psi"] > 5
    assert 0.7 < apart["js"] <= 1.0


def test_runs_of_zeros_fall_into_one_bin() -> None:
    values = np.concatenate([np.zeros(600), np.arange(1.0, 401.0)])
    scale = _Scale(values, np.zeros(1000, dtype=np.int64), 1)
    same = scale.distances(np.concatenate([np.zeros(60), np.arange(1.0, 401.0, 10)]), without=None)
    assert same["psi"] < 0.05
    quieter = scale.distances(np.zeros(100), without=None)
    assert quieter["ks"] == pytest.approx(0.4, abs=0.01)


def test_thirty_minutes_have_neighbours_too() -> None:
    frame = candles([0, 1, 3], timeframe=M30)
    assert np.isnan(measure(frame, M30)[1]["return"]).tolist() == [True, False, True]
