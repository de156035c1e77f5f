"""Changes of level and of scatter are found exactly, and where they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.segment_costs import KINDS, Change, segment_levels
from include.channels.segment_costs_kernel import MEAN, SCALE, cut_levels
from include.market.errors import InvalidInputError

FLOOR = 0.01


def cost_slowly(values: np.ndarray, kind: int) -> float:
    """Return minus twice the log likelihood of one piece under its best variance."""
    mean = 0.0 if kind == SCALE else values.mean()
    squares = float(np.sum((values - mean) ** 2))
    if kind == MEAN:
        return squares
    variance = max(squares / len(values), FLOOR)
    return float(len(values) * (np.log(variance) - 1) + squares / variance)


@settings(max_examples=40)
@given(
    values=st.lists(st.integers(-9, 9), min_size=3, max_size=11),
    kind=st.sampled_from(sorted(KINDS.values())),
    min_length=st.integers(1, 4),
    penalty=st.sampled_from([0.0, 1.0, 6.0, 30.0]),
)
def test_the_pruned_search_finds_the_least_cost(
    values: list[int], kind: int, min_length: int, penalty: float
) -> None:
    count = len(values)
    if count < min_length:
        return
    series = np.array(values, dtype=float)
    best, previous = np.empty(count + 1), np.zeros(count + 1, dtype=np.int64)
    cut_levels(series, kind, FLOOR, min_length, penalty, best, previous)
    expected = np.inf
    for breaks in range(count // min_length):
        for inner in itertools.combinations(range(1, count), breaks):
            pieces = list(itertools.pairwise([0, *inner, count]))
            if all(end - start >= min_length for start, end in pieces):
                total = sum(cost_slowly(series[start:end], kind) + penalty for start, end in pieces)
                expected = min(expected, total)
    assert best[count] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("change", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_pruning_changes_nothing_on_longer_series(change: Change, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=150)
    values[60:] *= 3.0
    values[100:] += 2.0
    best, previous = np.empty(151), np.zeros(151, dtype=np.int64)
    cut_levels(values, KINDS[change], FLOOR, 5, 9.0, best, previous)
    slow = np.full(151, np.inf)
    slow[0] = 0.0
    for end in range(5, 151):
        costs = [
            slow[start] + cost_slowly(values[start:end], KINDS[change]) + 9.0
            for start in range(end - 4)
            if np.isfinite(slow[start])
        ]
        slow[end] = min(costs)
    assert best[150] == pytest.approx(slow[150], rel=1e-9)


@pytest.mark.parametrize("change", KINDS)
def test_each_change_is_found_where_it_is_and_only_that_one(change: Change) -> None:
    rng = np.random.default_rng(5)
    calm = rng.normal(size=400)
    shifted, louder = calm.copy(), calm.copy()
    shifted[250:] += 1.5
    louder[250:] *= 3.0
    breaks = {
        name: [start for start, _ in segment_levels(v, change=change, min_length=10).bounds[1:]]
        for name, v in (("calm", calm), ("shifted", shifted), ("louder", louder))
    }
    assert breaks["calm"] == []
    if change != "scale":
        assert len(breaks["shifted"]) == 1
        assert abs(breaks["shifted"][0] - 250) <= 6
    if change != "mean":
        assert len(breaks["louder"]) == 1
        assert abs(breaks["louder"][0] - 250) <= 6


@pytest.mark.parametrize("change", KINDS)
def test_values_that_stand_still_are_one_segment_and_a_halt_is_cut_out(change: Change) -> None:
    level = 0.0 if change == "scale" else 3.5
    still = segment_levels(np.full(50, level), change=change, min_length=5)
    assert still.bounds == ((0, 50),)
    halted = np.random.default_rng(6).normal(size=300) + level
    halted[100:160] = level
    bounds = segment_levels(halted, change=change, min_length=5).bounds
    assert change == "mean" or (100, 160) in bounds


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="change was 'slope'"):
        segment_levels(np.ones(9), change="slope", min_length=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="is nan"):
        segment_levels(np.array([1.0, np.nan]), change="mean", min_length=3)
    with pytest.raises(InvalidInputError, match="negative"):
        segment_levels(np.ones(9), change="mean", min_length=3, penalty=-1.0)
