"""Breaks are found where they are, nowhere else, and the search is exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.contenders import segmentation_data
from include.channels.noise import clip_spikes, long_run_scale, spike_noise
from include.channels.segmentation import (
    MBIC_PER_LOG_LENGTH,
    bic_penalty,
    cut_optimally,
    segment_lines,
)
from include.channels.segmentation_metrics import f1_score
from include.market.errors import InvalidInputError
from tests.include.channels.naive_partition import LineCost, least_cost


def draw_trends(lengths: list[int], slopes: list[float]) -> np.ndarray:
    """Join straight pieces end to end."""
    steps = np.concatenate([np.full(n, slope) for n, slope in zip(lengths, slopes, strict=True)])
    return np.cumsum(steps)


def find_breaks(values: np.ndarray, **options: object) -> list[int]:
    found = segment_lines(values, **{"min_length": 12, **options}).bounds
    return [start for start, _ in found[1:]]


@pytest.mark.parametrize("level", [0.0, 11.0])
def test_a_single_change_of_slope_is_found(level: float) -> None:
    noise = np.random.default_rng(1).normal(size=300)
    breaks = find_breaks(level + draw_trends([160, 140], [0.2, -0.3]) + noise)
    assert len(breaks) == 1
    assert abs(breaks[0] - 160) <= 8


def test_a_jump_without_change_of_slope_is_found_at_its_place() -> None:
    noise = np.random.default_rng(2).normal(scale=0.1, size=200)
    values = 0.05 * np.arange(200) + np.where(np.arange(200) >= 90, 5.0, 0.0) + noise
    assert find_breaks(values) == [90]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["normal", "t3", "outliers", "autocorrelated"])
def test_one_noisy_trend_raises_no_false_alarm(kind: str, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    noise = rng.standard_t(3, size=600) if kind == "t3" else rng.normal(size=600)
    if kind == "outliers":
        noise[rng.integers(600, size=8)] += 20
    if kind == "autocorrelated":
        for place in range(1, 600):
            noise[place] += 0.5 * noise[place - 1]
    assert find_breaks(0.05 * np.arange(600) + noise) == []


def test_several_slopes_under_heavy_tails_are_found() -> None:
    truth = [120, 250, 400]
    trend = draw_trends([120, 130, 150, 100], [0.4, -0.5, 0.3, -0.6])
    breaks = find_breaks(trend + np.random.default_rng(3).standard_t(3, size=500))
    assert len(breaks) == len(truth)
    assert max(abs(found - true) for found, true in zip(breaks, truth, strict=True)) <= 8


def test_an_exact_kink_is_found_exactly() -> None:
    values = np.concatenate([np.arange(50.0), 50 - 2.0 * np.arange(40.0)])
    assert segment_lines(values, min_length=12).bounds in (((0, 50), (50, 90)), ((0, 51), (51, 90)))


def test_prices_on_coarse_ticks_and_long_halts_are_not_shattered() -> None:
    rng = np.random.default_rng(4)
    ticks = np.round(draw_trends([200, 200], [0.06, -0.06]) + rng.normal(scale=0.3, size=400))
    assert len(find_breaks(ticks)) <= 3
    halted = np.zeros(300)
    halted[140:160] = rng.normal(size=20)
    assert len(find_breaks(halted)) <= 4


def test_a_constant_series_is_one_segment() -> None:
    assert segment_lines(np.full(100, 3.5), min_length=12).bounds == ((0, 100),)


@pytest.mark.parametrize("count", [1, 2, 12, 23])
def test_a_short_series_is_one_segment(count: int) -> None:
    values = np.random.default_rng(5).normal(size=count)
    assert segment_lines(values, min_length=12).bounds == ((0, count),)


def test_a_hole_in_time_does_not_bend_a_line() -> None:
    times = np.concatenate([np.arange(100.0), np.arange(160.0, 260.0)])
    values = 0.5 * times + np.random.default_rng(6).normal(size=200)
    assert find_breaks(values, times=times) == []
    assert find_breaks(values) != []


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([1.0, np.nan, 2.0], {}, "value 1 of the series is nan"),
        ([1.0, np.inf, 2.0], {}, "is inf"),
        ([], {}, "was empty"),
        ([1.0, 2.0, 3.0], {"min_length": 2}, "shortest segment was 2"),
        ([1.0, 2.0, 3.0], {"times": np.array([0.0, 1.0])}, "one time per value"),
        ([1.0, 2.0, 3.0], {"times": np.array([0.0, 1.0, 1.0])}, "strictly increase"),
        ([1.0, 2.0, 3.0], {"penalty": -1.0}, "negative"),
        ([1.0, 2.0, 3.0], {"penalty": np.nan}, "penalty nan"),
        ([1.0, 2.0, 3.0], {"per_log_length": -1.0}, "per_log_length -1.0 is negative"),
        ([1.0, 2.0, 3.0], {"likely_breaks": [3]}, "likely break 3 is outside"),
        ([1.0, 2.0, 3.0], {"likely_breaks": [0]}, "likely break 0 is outside"),
        ([1.0, 2.0, 3.0], {"likely_price": 99.0}, "likely_price was 99.0"),
        ([1.0, 2.0, 3.0], {"likely_price": -1.0}, "likely_price was -1.0"),
    ],
)
def test_what_cannot_be_segmented_is_refused(
    values: list[float], options: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        segment_lines(np.array(values), **{"min_length": 3, **options})


def fit_directly(values: np.ndarray, times: np.ndarray) -> float:
    design = np.column_stack([np.ones(len(values)), times - times.mean()])
    weights = np.linalg.lstsq(design, values, rcond=None)[0]
    return float(np.sum((values - design @ weights) ** 2))


def add_up(
    bounds: tuple[tuple[int, int], ...], values: np.ndarray, times: np.ndarray, penalty: float
) -> float:
    return sum(fit_directly(values[start:end], times[start:end]) + penalty for start, end in bounds)


def search_everything(cost: LineCost, count: int, min_length: int, penalty: float) -> float:
    """Try every set of breaks."""
    best = np.inf
    for breaks in range(count // min_length):
        for inner in itertools.combinations(range(1, count), breaks):
            edges = [0, *inner, count]
            pieces = list(itertools.pairwise(edges))
            if all(end - start >= min_length for start, end in pieces):
                total = sum(cost.evaluate(np.array([start]), end)[0] for start, end in pieces)
                best = min(best, total + penalty * len(pieces))
    return best


@given(
    values=st.lists(st.integers(-20, 20), min_size=3, max_size=13),
    min_length=st.integers(3, 4),
    penalty=st.sampled_from([0.0, 0.5, 5.0, 50.0]),
)
def test_the_pruned_search_finds_the_least_cost(
    values: list[int], min_length: int, penalty: float
) -> None:
    count = len(values)
    if count < min_length:
        return
    series, times = np.array(values, dtype=float), np.arange(float(count))
    bounds, objective = cut_optimally(series, times, min_length, penalty)
    expected = search_everything(LineCost(series, times), count, min_length, penalty)
    assert objective == pytest.approx(expected, abs=1e-6)
    assert add_up(bounds, series, times, penalty) == pytest.approx(objective, abs=1e-6)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    min_length=st.integers(3, 40),
    penalty=st.floats(0.0, 60.0),
    roughness=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_pruning_changes_nothing_on_irregular_times(
    seed: int, min_length: int, penalty: float, roughness: float
) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 5, size=260)).astype(float)
    values = rng.normal(size=260) + roughness * np.cumsum(rng.normal(size=260))
    bounds, objective = cut_optimally(values, times, min_length, penalty)
    assert objective == pytest.approx(least_cost(values, times, min_length, penalty), abs=1e-6)
    assert add_up(bounds, values, times, penalty) == pytest.approx(objective, abs=1e-6)


@pytest.mark.parametrize("min_length", [12, 300])
@pytest.mark.parametrize("kind", ["no break", "faint breaks", "a late break"])
@pytest.mark.parametrize("seed", range(2))
def test_bounds_of_groups_change_nothing_where_candidates_are_many(
    seed: int, kind: str, min_length: int
) -> None:
    rng = np.random.default_rng(seed)
    values, times = rng.normal(size=2500), np.arange(2500.0)
    if kind == "faint breaks":
        values += draw_trends([900, 800, 800], [0.0006, -0.0005, 0.0004])
    if kind == "a late break":
        values += np.maximum(times - 2200, 0) * 0.04
    penalty = bic_penalty(2500) if kind != "faint breaks" else 2.0
    bounds, objective = cut_optimally(values, times, min_length, penalty)
    assert objective == pytest.approx(least_cost(values, times, min_length, penalty), abs=1e-6)
    assert add_up(bounds, values, times, penalty) == pytest.approx(objective, abs=1e-6)


def test_a_long_climb_costs_no_digits() -> None:
    rng = np.random.default_rng(3)
    values, times = np.arange(60_000.0) + rng.normal(size=60_000), np.arange(60_000.0)
    bounds, objective = cut_optimally(values, times, 12, bic_penalty(60_000))
    assert bounds == ((0, 60_000),)
    expected = fit_directly(values, times) + bic_penalty(60_000)
    assert objective == pytest.approx(expected, rel=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(3, 120),
    min_length=st.integers(3, 20),
)
def test_segments_tile_the_series_and_are_long_enough(
    seed: int, count: int, min_length: int
) -> None:
    values = np.cumsum(np.random.default_rng(seed).normal(size=count))
    bounds = segment_lines(values, min_length=min_length).bounds
    assert bounds[0][0] == 0
    assert bounds[-1][1] == count
    assert all(left[1] == right[0] for left, right in itertools.pairwise(bounds))
    if len(bounds) > 1:
        assert min(end - start for start, end in bounds) >= min_length


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.integers(-50, 50),
    power=st.integers(-12, 12),
)
def test_shift_and_scale_move_the_noise_but_not_the_breaks(
    seed: int, shift: int, power: int
) -> None:
    rng = np.random.default_rng(seed)
    values = draw_trends([40, 50], [0.5, -0.5]) + rng.normal(size=90)
    plain = segment_lines(values, min_length=8)
    moved = segment_lines(values * 2.0**power + shift * 2.0**power, min_length=8)
    assert moved.bounds == plain.bounds
    assert moved.noise_scale == pytest.approx(plain.noise_scale * 2.0**power, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(-5, 5))
def test_the_noise_scale_does_not_see_a_trend(seed: int, slope: float) -> None:
    noise = np.random.default_rng(seed).normal(size=120)
    tilted = noise + slope * np.arange(120)
    assert long_run_scale(tilted) == pytest.approx(long_run_scale(noise), rel=1e-6)


def test_the_noise_scale_of_white_noise_is_its_standard_deviation() -> None:
    noise = np.random.default_rng(8).normal(scale=2.0, size=5000)
    assert long_run_scale(noise) == pytest.approx(2.0, rel=0.12)


def test_serial_correlation_raises_the_noise_scale() -> None:
    noise = np.random.default_rng(9).normal(size=5000)
    smooth = np.convolve(noise, np.ones(4), mode="valid")
    assert long_run_scale(smooth) > 1.5 * float(np.std(smooth))


def test_a_spike_is_clipped_and_a_jump_is_not() -> None:
    noise = np.random.default_rng(10).normal(scale=0.1, size=100)
    jump = noise + np.where(np.arange(100) >= 50, 10.0, 0.0)
    assert np.abs(clip_spikes(jump) - jump).max() < 1.0
    spiked = noise.copy()
    spiked[[2, 40, 97]] += 10
    assert np.abs(clip_spikes(spiked)).max() < 1.5
    assert clip_spikes(spiked)[60] == spiked[60]


def test_a_gross_spike_counts_as_missing_and_a_small_one_for_its_part() -> None:
    noise = np.random.default_rng(10).normal(scale=0.1, size=100)
    typical = spike_noise(noise)
    left = {}
    for sigmas in (1.0, 3.0, 6.0, 20.0):
        spiked = np.zeros(100) + noise * 1e-9
        spiked[60] = sigmas * typical
        left[sigmas] = clip_spikes(spiked, typical)[60] / typical
    expected = {1.0: 1.0, 3.0: 2.0, 6.0: 1.0, 20.0: 0.0}
    assert left == pytest.approx(expected, abs=1e-6)


def test_the_penalty_is_three_parameters_of_schwarz() -> None:
    assert bic_penalty(1000) == pytest.approx(3 * np.log(1000))


def test_a_faint_break_is_found_where_one_is_likely() -> None:
    times = np.arange(300.0)
    found = {}
    for likely in ((), (150,), (60,)):
        found[likely] = sum(
            find_breaks(
                0.012 * np.maximum(times - 150, 0) + np.random.default_rng(seed).normal(size=300),
                likely_breaks=likely,
            )
            == [150]
            for seed in range(40)
        )
    assert found[(150,)] >= 10
    assert found[()] <= 2
    assert found[(60,)] <= 2


def test_a_likely_break_costs_two_thirds_unless_said_otherwise() -> None:
    values = draw_trends([60, 60], [0.5, -0.5]) + np.random.default_rng(1).normal(size=120)
    plain = segment_lines(values, min_length=12)
    place = plain.bounds[1][0]
    likely = segment_lines(values, min_length=12, likely_breaks=[place, place])
    assert likely.bounds == plain.bounds
    assert likely.objective == pytest.approx(plain.objective - plain.penalty / 3)
    dear = segment_lines(values, min_length=12, likely_breaks=[place], likely_price=plain.penalty)
    assert dear == plain


def test_the_modified_criterion_charges_the_length_too() -> None:
    values = draw_trends([60, 60], [0.5, -0.5]) + np.random.default_rng(1).normal(size=120)
    plain = segment_lines(values, min_length=12)
    modified = segment_lines(values, min_length=12, per_log_length=MBIC_PER_LOG_LENGTH)
    lengths = sum(np.log(end - start) for start, end in modified.bounds)
    assert len(plain.bounds) == len(modified.bounds) == 2
    assert modified.objective == pytest.approx(plain.objective + lengths, abs=2.0)
    short = segment_lines(values[:20], min_length=12, per_log_length=1.0)
    assert short.objective == pytest.approx(short.penalty + np.log(20))


@pytest.mark.parametrize(("kind", "least"), [("normal", 0.86), ("t3", 0.88), ("t2", 0.87),
                                             ("outliers", 0.86), ("ar", 0.66)])  # fmt: skip
def test_breaks_are_found_under_every_kind_of_noise(kind: str, least: float) -> None:
    """A part of the benchmark, with its targets less twice the deviation of so few series."""
    scores, alarms = [], 0
    for seed in range(60):
        values, truth = segmentation_data.draw_trends(seed, kind)
        scores.append(f1_score([truth], find_breaks(values), segmentation_data.MARGIN))
        alarms += bool(find_breaks(segmentation_data.draw_one_trend(seed, kind)))
    assert np.mean(scores) >= least
    assert alarms <= 5
