"""Forecasts know the past only, and the better model wins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.validation import (
    candles_to_judge,
    forecast_channel,
    forecast_origins,
    forecast_random_walk,
    score_channel,
)

TAUS = (0.25, 0.75)


def draw_walk(seed: int, count: int) -> np.ndarray:
    return 11 + 0.01 * np.cumsum(np.random.default_rng(seed).normal(size=count))


@given(
    seed=st.integers(0, 2**32 - 1),
    known=st.integers(48, 71),
    factor=st.floats(-3, 3),
    late=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_changing_the_future_changes_no_forecast(
    seed: int, known: int, factor: float, late: bool
) -> None:
    values, slots = draw_walk(seed, 72), np.arange(72.0)
    future, later = values.copy(), slots.copy()
    future[known:] = factor * future[known:] + 5
    later[known:] += 7 * late
    before = forecast_origins(values, slots, min_length=6, taus=TAUS)
    after = forecast_origins(future, later, min_length=6, taus=TAUS)
    compared = 0
    for one, other in zip(before, after, strict=True):
        if one.origin <= known:
            assert np.array_equal(one.channel, other.channel)
            assert np.array_equal(one.random_walk, other.random_walk)
            compared += 1
    assert compared >= 1
    assert len(before) == 8


def test_the_newest_origin_knows_the_value_before_it_and_not_its_own() -> None:
    values, slots = draw_walk(1, 60), np.arange(60.0)
    newest = forecast_origins(values, slots, min_length=6, taus=TAUS)[-1]
    assert newest.origin == 57
    for place, same in ((56, False), (57, True)):
        bumped = values.copy()
        bumped[place] += 1
        other = forecast_origins(bumped, slots, min_length=6, taus=TAUS)[-1]
        assert np.array_equal(newest.random_walk, other.random_walk) == same
        assert np.array_equal(newest.channel, other.channel) == same


def test_the_random_walk_starts_from_the_last_value() -> None:
    values = draw_walk(1, 60)
    ahead = forecast_random_walk(values, np.arange(60.0), taus=(0.5,), horizon=1)
    assert ahead[0, 0] == pytest.approx(values[-1] + np.median(np.diff(values)))


def test_a_steady_trend_with_noise_beats_the_random_walk() -> None:
    rng = np.random.default_rng(2)
    values = 11 + 0.002 * np.arange(200) + 0.01 * rng.normal(size=200)
    score = score_channel(values, np.arange(200.0), min_length=12, taus=TAUS)
    assert score is not None
    assert score.model_loss < 0.8 * score.baseline_loss
    assert score.forecasts == 48
    assert np.mean(score.losses_by_tau) == pytest.approx(score.model_loss)
    assert 0.25 <= score.coverage <= 0.75


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_is_not_beaten_on_itself(seed: int) -> None:
    score = score_channel(draw_walk(seed, 300), np.arange(300.0), min_length=12, taus=TAUS)
    assert score is not None
    assert score.model_loss > score.baseline_loss


def test_the_channel_forecast_extends_the_newest_trend() -> None:
    slots = np.arange(80.0)
    values = np.where(slots < 40, 0.01 * slots, 0.4 - 0.02 * (slots - 40))
    ahead = forecast_channel(values, slots, min_length=12, taus=TAUS, horizon=3)
    expected = 0.4 - 0.02 * (np.array([80.0, 81.0, 82.0]) - 40)
    assert ahead == pytest.approx(np.repeat(expected[:, None], 2, axis=1))


def test_the_random_walk_counts_only_pairs_exactly_that_far_apart() -> None:
    slots = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    values = np.array([0.0, 1.0, 2.0, 100.0, 101.0])
    ahead = forecast_random_walk(values, slots, taus=(0.1, 0.9), horizon=3)
    assert ahead[0] == pytest.approx([102, 102])
    assert ahead[1] == pytest.approx([103, 103])
    assert ahead[2] == pytest.approx([101, 101])


def test_outcomes_behind_a_gap_are_not_scored() -> None:
    slots = np.arange(100.0)
    slots[97:] += 50
    full = score_channel(draw_walk(3, 100), np.arange(100.0), min_length=12, taus=TAUS)
    holed = score_channel(draw_walk(3, 100), slots, min_length=12, taus=TAUS)
    assert full is not None
    assert holed is not None
    assert full.forecasts - holed.forecasts == 3


def test_too_little_past_gives_no_judgement() -> None:
    enough = candles_to_judge(12)
    values, slots = draw_walk(4, enough), np.arange(float(enough))
    assert score_channel(values, slots, min_length=12, taus=TAUS) is not None
    assert score_channel(values[1:], slots[1:], min_length=12, taus=TAUS) is None
