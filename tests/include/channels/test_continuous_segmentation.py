"""Joined trends are cut at the least cost there is, whatever the gaps and the shortest segment."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.continuous_segmentation import (
    JoinedSegmentation,
    segment_joined_lines,
    slope_penalty,
)
from include.channels.continuous_segmentation_kernel import cut_joined_lines
from include.channels.noise import clip_spikes
from include.market.errors import InvalidInputError
from tests.include.channels.naive_partition import LineCost


def fit_joined(values: np.ndarray, times: np.ndarray, inner: Sequence[int]) -> tuple[float, list]:
    """Return the residual sum of squares of lines that join at ``inner``, and their knots."""
    knots = times[[0, *inner, len(values) - 1]]
    hats = [np.interp(times, knots, unit) for unit in np.eye(len(knots))]
    heights = np.linalg.lstsq(np.stack(hats, axis=1), values, rcond=None)[0]
    return float(np.sum((values - np.interp(times, knots, heights)) ** 2)), list(heights)


@functools.cache
def every_cut(count: int, min_length: int) -> list[tuple[int, ...]]:
    """Return the breaks of every cut that is allowed."""
    cuts: list[tuple[int, ...]] = [()]
    for last in range(min_length, count - min_length + 1):
        cuts += [(*inner, last) for inner in every_cut(last, min_length)]
    return cuts


def breaks_of(cut: JoinedSegmentation) -> list[int]:
    return [start for start, _ in cut.bounds[1:]]


def simulate(seed: int, breaks: Sequence[int], count: int, bend: float) -> np.ndarray:
    """Return unit noise on lines that join at ``breaks``, up and down by turns."""
    places = np.array([0, *breaks, count - 1])
    heights = np.concatenate([[0.0], np.cumsum(np.diff(places) * bend * (-1.0) ** np.arange(99)[
        : len(places) - 1
    ])])  # fmt: skip
    noise = np.random.default_rng(seed).normal(size=count)
    return np.asarray(np.interp(np.arange(count), places, heights) + noise)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_pruned_search_finds_the_least_cost_of_every_cut(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 12))
    values = np.array(
        data.draw(st.lists(st.integers(-9, 9), min_size=count, max_size=count)), float
    )
    gaps = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    times = np.cumsum(gaps).astype(float)
    shortest = data.draw(st.integers(2 if count < 11 else 3, max(3, min(count, 5))))
    shortest = min(shortest, count)
    penalty = data.draw(st.sampled_from([0.0, 0.3, 3.0, 30.0, 200.0]))
    costs = {
        inner: fit_joined(values, times, inner)[0] + penalty * len(inner)
        for inner in every_cut(count, shortest)
    }
    starts, knots, cost = cut_joined_lines(times - times[0], values, shortest, penalty)
    least = min(costs.values())
    found = tuple(int(start) for start in starts[1:])
    assert cost == pytest.approx(least, abs=1e-7)
    # Where cuts cost the same any of them is a best one; a cut that is alone best is the one found.
    assert costs[found] == pytest.approx(least, abs=1e-7)
    assert knots == pytest.approx(fit_joined(values, times, found)[1], abs=1e-6)


@pytest.mark.parametrize(
    ("count", "min_length"), [(12, 2), (14, 3), (18, 4), (24, 7), (30, 10), (70, 14)]
)
def test_many_noisy_series_are_cut_at_the_least_cost(count: int, min_length: int) -> None:
    rng = np.random.default_rng(count)
    times = np.cumsum(rng.integers(1, 4, size=count)).astype(float)
    values = rng.normal(size=(300, count)) + np.cumsum(rng.normal(size=(300, count)), axis=1)
    cuts = every_cut(count, min_length)
    rests = np.empty((len(cuts), 300))
    for row, inner in enumerate(cuts):
        knots = times[[0, *inner, count - 1]]
        hats = np.stack([np.interp(times, knots, unit) for unit in np.eye(len(knots))], axis=1)
        basis = np.linalg.qr(hats)[0]
        rests[row] = np.sum((values - values @ basis @ basis.T) ** 2, axis=1)
    breaks = np.array([len(inner) for inner in cuts])
    for penalty in (0.0, 0.5, 2.0, 6.0):
        costs = rests + penalty * breaks[:, None]
        found = [cut_joined_lines(times, series, min_length, penalty) for series in values]
        assert [cost for _, _, cost in found] == pytest.approx(costs.min(axis=0), abs=1e-8)
        best = [cuts[row] for row in costs.argmin(axis=0)]
        assert [tuple(starts[1:]) for starts, _, _ in found] == best


@pytest.mark.parametrize("penalty", [0.5, 2.0, 6.0])
def test_a_long_series_costs_the_same_read_backwards(penalty: float) -> None:
    for seed in range(12):
        values = simulate(seed, [30, 60, 100], 150, 0.3)
        forwards = cut_joined_lines(np.arange(150.0), values, 1, penalty)[2]
        backwards = cut_joined_lines(np.arange(150.0), values[::-1].copy(), 1, penalty)[2]
        assert forwards == pytest.approx(backwards, rel=1e-9)


@pytest.mark.parametrize("min_length", [2, 9])
@pytest.mark.parametrize("penalty", [1.0, 8.0])
def test_no_cut_with_a_break_moved_added_or_dropped_is_better(
    min_length: int, penalty: float
) -> None:
    values, times = simulate(3, [25, 60], 90, 0.3), np.arange(90.0)
    starts, _, cost = cut_joined_lines(times, values, min_length, penalty)
    found = [int(start) for start in starts[1:]]
    assert cost == pytest.approx(fit_joined(values, times, found)[0] + penalty * len(found))
    dropped = [found[:k] + found[k + 1 :] for k in range(len(found))]
    added = [sorted({*found, place}) for place in range(1, 90)]
    moved = [sorted({*rest, place}) for rest in dropped for place in range(1, 90)]
    for other in [*dropped, *added, *moved]:
        if min(np.diff([0, *other, 90])) >= min_length:
            dear = fit_joined(values, times, other)[0] + penalty * len(other)
            assert cost <= dear + 1e-7


@pytest.mark.parametrize("seed", range(4))
def test_simulated_trends_are_found_and_never_dearer_than_the_truth(seed: int) -> None:
    truth = [70, 150, 210]
    values = simulate(seed, truth, 300, 0.25)
    cut = segment_joined_lines(values, min_length=10)
    scaled = clip_spikes(values) / cut.noise_scale
    rest = fit_joined(scaled, np.arange(300.0), truth)[0]
    assert cut.objective <= rest + 3 * cut.penalty + 1e-9
    assert cut.penalty == slope_penalty(300) == 2 * np.log(300)
    assert len(breaks_of(cut)) == 3
    assert np.abs(np.subtract(breaks_of(cut), truth)).max() <= 8
    rest, knots = fit_joined(scaled, np.arange(300.0), breaks_of(cut))
    assert cut.objective == pytest.approx(rest + 3 * cut.penalty)
    assert cut.knots == pytest.approx(np.array(knots) * cut.noise_scale)


@pytest.mark.parametrize("seed", range(4))
def test_noise_around_one_line_is_one_segment(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=300) + 0.1 * np.arange(300)
    assert segment_joined_lines(values, min_length=5).bounds == ((0, 300),)


def test_the_shortest_segment_is_kept_and_binds() -> None:
    values = simulate(1, [40, 46], 90, 3.0)
    assert 40 in breaks_of(segment_joined_lines(values, min_length=3))
    for min_length in (12, 30, 45):
        cut = segment_joined_lines(values, min_length=min_length)
        assert min(end - start for start, end in cut.bounds) >= min_length


def test_free_lines_at_the_same_breaks_leave_no_more() -> None:
    values, times = simulate(7, [50, 80], 120, 0.4), np.arange(120.0)
    starts, _, cost = cut_joined_lines(times, values, 3, 4.0)
    bounds = list(itertools.pairwise([*starts, 120]))
    free = sum(
        float(LineCost(values, times).evaluate(np.array([start]), end)[0]) for start, end in bounds
    )
    assert len(bounds) > 1
    assert free <= cost - 4.0 * (len(bounds) - 1) + 1e-9


@pytest.mark.parametrize(("slope", "level", "factor"), [(0.5, -3.0, 8.0), (-2.0, 1e6, 0.125)])
def test_the_cut_follows_affine_maps_of_value_and_time(
    slope: float, level: float, factor: float
) -> None:
    values, times = simulate(2, [60, 100], 160, 0.3), np.arange(160.0)
    times[80:] += 25
    plain = segment_joined_lines(values, min_length=6, times=times)
    mapped = segment_joined_lines(
        slope * values + level, min_length=6, times=factor * times + 1000.0
    )
    assert len(plain.bounds) > 1
    assert mapped.bounds == plain.bounds
    assert mapped.objective == pytest.approx(plain.objective, rel=1e-6)
    assert mapped.knots == pytest.approx(slope * np.array(plain.knots) + level, rel=1e-6)


def test_a_gap_in_time_is_no_break() -> None:
    times = np.arange(200.0)
    times[100:] += 300
    values = 0.2 * times + np.random.default_rng(4).normal(size=200)
    assert segment_joined_lines(values, min_length=5, times=times).bounds == ((0, 200),)
    assert len(segment_joined_lines(values, min_length=5).bounds) > 1


def test_series_without_noise_or_too_short_for_a_break_are_one_segment() -> None:
    line = segment_joined_lines(3.0 + 2.0 * np.arange(50.0), min_length=3)
    assert line.bounds == ((0, 50),)
    assert line.knots == pytest.approx([3.0, 101.0])
    still = segment_joined_lines(np.full(40, 7.0), min_length=3)
    assert (still.bounds, still.knots) == (((0, 40),), (7.0, 7.0))
    assert (still.objective, still.noise_scale) == (0.0, 0.0)
    alone = segment_joined_lines(np.array([5.0]), min_length=3)
    assert (alone.bounds, alone.knots) == (((0, 1),), (5.0, 5.0))
    bent = segment_joined_lines(np.array([0.0, 9.0, 0.0, 9.0, 50.0]), min_length=3)
    assert bent.bounds == ((0, 5),)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        segment_joined_lines(np.empty(0), min_length=3)
    with pytest.raises(InvalidInputError, match="value 1 of the series is nan"):
        segment_joined_lines(np.array([1.0, np.nan]), min_length=3)
    with pytest.raises(InvalidInputError, match="shortest segment was 2"):
        segment_joined_lines(np.ones(9), min_length=2)
    with pytest.raises(InvalidInputError, match="one time per value, was 8 for 9"):
        segment_joined_lines(np.ones(9), min_length=3, times=np.arange(8.0))
    with pytest.raises(InvalidInputError, match="strictly increase"):
        segment_joined_lines(np.ones(9), min_length=3, times=np.zeros(9))
    for penalty in (-1.0, np.nan, np.inf):
        with pytest.raises(InvalidInputError, match=f"penalty {penalty}"):
            segment_joined_lines(np.ones(9), min_length=3, penalty=penalty)
