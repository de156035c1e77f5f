"""The rivals, held against their definitions at every origin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.baselines import (
    forecast_random_walk,
    forecast_volatility,
    moving_volatility,
)

TAUS = (0.05, 0.5, 0.95)


def naive_walk(values: np.ndarray, slots: np.ndarray, steps: int) -> np.ndarray:
    place = {slot: index for index, slot in enumerate(slots)}
    changes = [
        values[place[slot + steps]] - values[index]
        for index, slot in enumerate(slots)
        if slot + steps in place
    ]
    return values[-1] + (np.quantile(changes, TAUS) if changes else np.zeros(len(TAUS)))


@given(
    seed=st.integers(0, 2**31),
    gaps=st.sets(st.integers(1, 59), max_size=20),
    ticks=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_the_random_walk_of_every_origin_is_the_naive_one(
    seed: int, gaps: set[int], ticks: bool
) -> None:
    slots = np.array([slot for slot in range(60) if slot not in gaps], dtype=np.float64)
    values = np.cumsum(np.random.default_rng(seed).normal(size=len(slots)))
    values = np.round(values) if ticks else values
    origins = np.array([1, 5, len(slots) // 2, len(slots)])
    ahead = forecast_random_walk(values, slots, origins, taus=TAUS, horizon=3)
    for row, origin in enumerate(origins):
        for steps in (1, 2, 3):
            expected = naive_walk(values[:origin], slots[:origin], steps)
            assert ahead[row, steps - 1] == pytest.approx(expected, abs=1e-12)


def test_pairs_count_only_exactly_that_far_apart() -> None:
    slots = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    values = np.array([0.0, 1.0, 2.0, 100.0, 101.0])
    (ahead,) = forecast_random_walk(values, slots, np.array([5]), taus=(0.1, 0.9), horizon=3)
    assert ahead == pytest.approx(np.array([[102, 102], [103, 103], [101, 101]]))


def test_volatility_is_the_weighted_mean_of_squares() -> None:
    values = np.cumsum(np.random.default_rng(1).normal(size=30))
    weights = 0.94 ** np.arange(29)[::-1]
    expected = np.sqrt(np.average(np.diff(values) ** 2, weights=weights))
    assert moving_volatility(values, np.arange(30.0))[-1] == pytest.approx(expected)
    assert moving_volatility(values, np.arange(30.0))[0] == 0


def test_a_change_over_a_gap_is_spread() -> None:
    volatility = moving_volatility(np.array([0.0, 2.0]), np.array([0.0, 4.0]))
    assert volatility[-1] == pytest.approx(1.0)


def test_turbulence_widens_the_forecast_and_calm_narrows_it() -> None:
    noise = np.random.default_rng(2).normal(size=400)
    slots = np.arange(400.0)
    for factor, wider in ((4.0, True), (0.25, False)):
        values = np.cumsum(np.where(slots < 360, noise, factor * noise))
        at = np.array([400])
        scaled = np.ptp(forecast_volatility(values, slots, at, taus=TAUS, horizon=2)[0], axis=1)
        plain = np.ptp(forecast_random_walk(values, slots, at, taus=TAUS, horizon=2)[0], axis=1)
        assert (scaled > 1.5 * plain).all() == wider
        assert (scaled < 0.7 * plain).all() != wider


def test_volatility_scaling_is_the_naive_one() -> None:
    values = np.cumsum(np.random.default_rng(3).normal(size=80))
    slots = np.arange(80.0)
    (ahead,) = forecast_volatility(values, slots, np.array([70]), taus=TAUS, horizon=2)
    volatility = moving_volatility(values[:70], slots[:70])
    moved = (values[22:70] - values[20:68]) / volatility[20:68]
    assert ahead[1] == pytest.approx(values[69] + volatility[-1] * np.quantile(moved, TAUS))


def test_little_or_flat_history_falls_back_on_the_random_walk() -> None:
    for values in (np.cumsum(np.random.default_rng(1).normal(size=30)), np.zeros(300)):
        slots, at = np.arange(float(len(values))), np.array([len(values)])
        scaled = forecast_volatility(values, slots, at, taus=TAUS, horizon=2)
        assert np.array_equal(scaled, forecast_random_walk(values, slots, at, taus=TAUS, horizon=2))


@given(known=st.integers(30, 59), jump=st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_no_baseline_knows_the_future(known: int, jump: float) -> None:
    values, slots = np.cumsum(np.random.default_rng(4).normal(size=60)), np.arange(60.0)
    other = values.copy()
    other[known:] += jump + 1e-3
    at = np.array([known])
    for forecast in (forecast_random_walk, forecast_volatility):
        assert np.array_equal(
            forecast(values, slots, at, taus=TAUS, horizon=3),
            forecast(other, slots, at, taus=TAUS, horizon=3),
        )
