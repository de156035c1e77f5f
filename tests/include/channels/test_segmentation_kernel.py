"""Costs of every beginning are the least, whatever candidates are left out on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.segmentation import price_starts, search_cuts
from include.channels.segmentation_kernel import BLOCK, GROUP
from include.channels.segmentation_search import LineSearch
from tests.include.channels.naive_partition import least_costs


def draw_series(seed: int, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([1.0, 1.0, 3.0], size=count))
    values = rng.normal(size=count)
    if kind == "trends":
        values += np.cumsum(np.repeat(rng.normal(scale=0.4, size=count // 50 + 1), 50)[:count])
    if kind == "faint trends":
        values += np.cumsum(np.repeat(rng.normal(scale=0.02, size=count // 200 + 1), 200)[:count])
    if kind == "random walk":
        values = np.cumsum(values)
    return values, times


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["calm", "trends", "faint trends", "random walk"]),
    count=st.integers(BLOCK, 700),
    min_length=st.integers(3, 2 * GROUP + 20),
    penalty=st.floats(1.0, 40.0),
    per_log_length=st.sampled_from([0.0, 1.0, 5.0]),
)
def test_costs_of_all_beginnings_are_the_least(
    seed: int, kind: str, count: int, min_length: int, penalty: float, per_log_length: float
) -> None:
    values, times = draw_series(seed, kind, count)
    likely = np.random.default_rng(seed).integers(1, count, size=4)
    prices = price_starts(count, penalty, likely, 0.1 * penalty)
    best, previous = search_cuts(values, times, min_length, prices, per_log_length)
    expected = least_costs(values, times, min_length, prices, per_log_length)
    assert np.array_equal(np.isinf(best), np.isinf(expected))
    known = np.isfinite(best)
    assert best[known] == pytest.approx(expected[known], abs=1e-6)
    ends = np.flatnonzero(known)[1:]
    assert (ends - previous[ends] >= min_length).all()
    assert known[previous[ends]].all()


def test_a_break_in_a_long_calm_series_brings_old_candidates_back() -> None:
    """Thousands of starts stand in groups until the level jumps; then many are near at once."""
    rng = np.random.default_rng(1)
    values, times = rng.normal(size=3000), np.arange(3000.0)
    values[2600:] += 6.0
    values[2640:] -= 6.0
    prices = np.full(3001, 24.0)
    best, _ = search_cuts(values, times, 30, prices)
    expected = least_costs(values, times, 30, prices)
    assert best[30:] == pytest.approx(expected[30:], abs=1e-6)


def test_few_candidates_are_left_on_trends_and_groups_are_thinned() -> None:
    values, times = draw_series(3, "trends", 8000)
    search = LineSearch.fresh()
    _, _, after = search.look_ahead(
        times[:8000] - times[0], values[:8000], np.full(8001, 27.0), 12, 0.0
    )
    compact = after.compacted()
    assert 0 < compact.pool[1].shape[1] + compact.loose[1].shape[1] < 600
    members = compact.spans[0] - compact.groups[1][0]
    assert (members > 0).all()
    assert (members <= GROUP).all()


def test_of_equal_cuts_the_one_with_the_longest_last_line_is_taken() -> None:
    values = np.zeros(200)
    best, previous = search_cuts(values, np.arange(200.0), 5, 0.0)
    assert best[200] == 0.0
    assert (previous[5:] == 0).all()
