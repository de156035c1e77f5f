"""The engine of the quantile lines: optimal as a linear programme is, certified, repeatable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from include.channels.quantile import fit_lines, fit_many, pinball_loss
from include.channels.quantile_kernel import certify
from include.market.errors import InvalidInputError

TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)
KINDS = ("normal", "cauchy", "walk", "ticks", "two levels", "halt", "spike", "steep")


def series(kind: str, count: int, seed: int) -> np.ndarray:
    """Return values that are easy, heavy-tailed, tied, or nearly on one line."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=count)
    return {
        "normal": noise,
        "cauchy": rng.standard_cauchy(count),
        "walk": np.cumsum(noise),
        "ticks": np.round(noise * 2) / 2,
        "two levels": (noise > 0.3) * 1.0,
        "halt": np.where(np.arange(count) < count // 2, 7.0, 7 + noise),
        "spike": np.where(np.arange(count) == count // 3, 1e6, noise),
        "steep": 1e4 * np.arange(count) + noise,
    }[kind]


def find_least_loss(
    values: np.ndarray, times: np.ndarray, weights: np.ndarray, tau: float
) -> float:
    """Solve one level as a linear programme; return the weighted loss."""
    count = len(values)
    half = (times[-1] - times[0]) / 2
    design = np.column_stack([np.ones(count), (times - times[0]) / half - 1])
    parts = sparse.eye_array(count)
    answer = linprog(
        np.concatenate([np.zeros(2), weights * tau, weights * (1 - tau)]),
        A_eq=sparse.hstack([sparse.csr_array(design), parts, -parts], format="csr"),
        b_eq=values,
        bounds=[(None, None)] * 2 + [(0, None)] * (2 * count),
    )
    return float(answer.fun)


def weighted_loss(
    line: np.ndarray, values: np.ndarray, times: np.ndarray, weights: np.ndarray, tau: float
) -> float:
    error = values - line[0] - line[1] * (times - times[0])
    return float(np.sum(weights * np.maximum(tau * error, (tau - 1) * error)))


@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(3, 60),
    weighted=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_line_reaches_the_optimum_of_the_linear_programme(
    kind: str, seed: int, count: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = series(kind, count, seed)
    times = np.cumsum(rng.integers(1, 5, size=count)) * 60.0 + 1.7e9
    weights = rng.uniform(0.1, 3, count) if weighted else np.ones(count)
    lines, gaps = fit_many(values, times, np.array([0, count]), TAUS, weights=weights)
    for line, gap, tau in zip(lines[0], gaps[0], TAUS, strict=True):
        if np.isinf(gap):
            continue  # Given up honestly: fit_lines then asks the linear programme.
        least = find_least_loss(values, times, weights, tau)
        rounding = 1e-9 * np.abs(values - values.mean()).sum()
        assert weighted_loss(line, values, times, weights, tau) <= least * (1 + 1e-9) + rounding
        assert gap <= 1e-9


def test_the_search_hardly_ever_gives_up() -> None:
    sizes = np.random.default_rng(1).integers(30, 200, size=1_600)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    values = np.concatenate(
        [series(KINDS[place % 8], size, place) for place, size in enumerate(sizes)]
    )
    times = np.concatenate([np.arange(size) * 60.0 for size in sizes])
    _, gaps = fit_many(values, times, starts, TAUS)
    assert np.mean(np.isinf(gaps)) < 0.001
    assert gaps[np.isfinite(gaps)].max() <= 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_long_segments_are_certified_though_only_a_band_is_searched(kind: str) -> None:
    values, times = series(kind, 50_000, 5), np.arange(50_000.0)
    _, gaps = fit_many(values, times, np.array([0, 50_000]), TAUS)
    assert gaps.max() <= 1e-9


def test_a_long_segment_reaches_the_optimum_of_the_linear_programme() -> None:
    values, times = series("walk", 7_000, 5), np.arange(7_000.0)
    lines, _ = fit_many(values, times, np.array([0, 7_000]), (0.25,))
    least = find_least_loss(values, times, np.ones(7_000), 0.25)
    assert weighted_loss(lines[0, 0], values, times, np.ones(7_000), 0.25) <= least * (1 + 1e-9)


def test_a_line_that_is_not_the_best_is_not_certified() -> None:
    rng = np.random.default_rng(2)
    times, values = np.linspace(-1, 1, 50), rng.normal(size=50)
    slope = (values[30] - values[10]) / (times[30] - times[10])
    line = (values[10] - slope * times[10], slope, 10, 30)
    assert certify((times, values, np.ones(50)), values, 0.5, line, line) > 1e-3


def test_neither_batch_nor_threads_change_a_bit() -> None:
    sizes = np.random.default_rng(3).integers(20, 90, size=200)
    parts = [series(KINDS[place % 8], size, place) for place, size in enumerate(sizes)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    times = np.concatenate([np.arange(float(size)) for size in sizes])
    together, _ = fit_many(np.concatenate(parts), times, starts, TAUS)

    def fit_one(part: np.ndarray) -> np.ndarray:
        lines, _ = fit_many(part, np.arange(float(len(part))), np.array([0, len(part)]), TAUS)
        return lines[0]

    with ThreadPoolExecutor(4) as pool:
        alone = np.array(list(pool.map(fit_one, parts)))
    np.testing.assert_array_equal(together, alone)


def test_weights_stand_for_repeated_points() -> None:
    rng = np.random.default_rng(6)
    values, times = rng.normal(size=41), np.arange(41.0)
    weights = rng.integers(1, 4, size=41).astype(float)
    for line in fit_lines(values, times, (0.3, 0.8), weights):
        error = values - line.intercept - line.slope * times
        ours = np.sum(weights * np.maximum(line.tau * error, (line.tau - 1) * error))
        assert ours == pytest.approx(find_least_loss(values, times, weights, line.tau), rel=1e-9)


def test_epoch_times_and_tiny_values_lose_nothing() -> None:
    values = 1e-7 * np.random.default_rng(7).normal(size=90)
    minutes = np.arange(90.0)
    small = fit_lines(values, 1.7e9 + 60 * minutes, TAUS)
    plain = fit_lines(1e7 * values, minutes, TAUS)
    for one, other in zip(small, plain, strict=True):
        fitted = one.intercept + one.slope * 60 * minutes
        assert pinball_loss(values, fitted, one.tau) == pytest.approx(
            1e-7 * pinball_loss(1e7 * values, other.intercept + other.slope * minutes, one.tau),
            rel=1e-9,
        )


@pytest.mark.parametrize(
    ("times", "weights", "message"),
    [
        (np.array([0.0, 1.0, 1.0, 2.0]), None, "rise strictly"),
        (np.array([0.0, 1.0, np.nan, 2.0]), None, "rise strictly"),
        (np.arange(4.0), np.array([1.0, 1.0, -1.0, 1.0]), "none of them negative"),
        (np.arange(4.0), np.array([1.0, 0.0, 0.0, 1.0]), "3 finite values"),
    ],
)
def test_odd_times_and_weights_are_refused(
    times: np.ndarray, weights: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        fit_lines(np.array([1.0, 3.0, 2.0, 5.0]), times, (0.5,), weights)
