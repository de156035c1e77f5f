"""Quantile lines: right share below, equal to statsmodels, never crossing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from statsmodels.regression.quantile_regression import QuantReg

from include.channels import quantile
from include.channels.quantile import LineFit, fit_lines, pinball_loss
from include.market.errors import InvalidInputError

TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)


def evaluate(line: LineFit, times: np.ndarray) -> np.ndarray:
    return line.intercept + line.slope * (times - times[0])


def find_least_loss(values: np.ndarray, times: np.ndarray, tau: float) -> float:
    """Solve one level as a plain linear programme."""
    count = len(values)
    design = np.column_stack([np.ones(count), (times - times[0]) / (times[-1] - times[0])])
    answer = linprog(
        np.concatenate([np.zeros(2), np.full(count, tau), np.full(count, 1 - tau)]),
        A_eq=np.hstack([design, np.eye(count), -np.eye(count)]),
        b_eq=values,
        bounds=[(None, None)] * 2 + [(0, None)] * (2 * count),
    )
    return float(answer.fun) / count


def test_the_share_below_each_line_is_its_level() -> None:
    times = np.arange(400.0) * 4
    values = 11 + 1e-4 * times + 0.01 * np.random.default_rng(1).standard_t(4, size=400)
    for line in fit_lines(values, times, TAUS):
        share = np.mean(values < evaluate(line, times))
        # A line has two parameters, so at most two points lie on it (Koenker 2005, th. 2.2).
        assert abs(share - line.tau) <= 3 / 400
        assert line.converged


@pytest.mark.parametrize("seed", range(3))
def test_separate_lines_equal_statsmodels_on_the_plain_problem(seed: int) -> None:
    times = np.arange(150.0)
    values = 3 + 0.2 * times + np.random.default_rng(seed).normal(size=150)
    design = np.column_stack([np.ones(150), times])
    for line in fit_lines(values, times, (0.25, 0.5, 0.75)):
        theirs = QuantReg(values, design).fit(q=line.tau).params
        assert (line.intercept, line.slope) == pytest.approx(tuple(theirs), rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_single_line_has_the_least_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 3, size=25)) + 1.7e6
    values = 11 + 1e-3 * np.cumsum(rng.normal(size=25))
    for tau in (0.05, 0.5, 0.9):
        (line,) = fit_lines(values, times, (tau,))
        least = find_least_loss(values, times, tau)
        assert pinball_loss(values, evaluate(line, times), tau) <= least * (1 + 1e-9)


@given(
    kind=st.sampled_from(["normal", "walk", "ticks", "two levels", "constant", "line"]),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(4, 40),
)
@settings(max_examples=40, deadline=None)
def test_lines_never_cross_and_are_finite(kind: str, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=count)
    values = {
        "normal": noise,
        "walk": np.cumsum(noise),
        "ticks": np.round(noise),
        "two levels": (noise > 0.5) * 1.0,
        "constant": np.full(count, 11.0),
        "line": 11 + 0.1 * np.arange(count),
    }[kind]
    times = np.arange(float(count))
    paths = [evaluate(line, times) for line in fit_lines(values, times, TAUS)]
    assert np.isfinite(paths).all()
    for lower, upper in itertools.pairwise(paths):
        assert (upper - lower >= -1e-9).all()


def test_crossing_fits_are_replaced_by_the_best_ordered_ones() -> None:
    values, times = np.random.default_rng(2).normal(size=12), np.arange(12.0)
    least = sum(find_least_loss(values, times, tau) for tau in TAUS)
    lines = fit_lines(values, times, TAUS)
    ours = sum(pinball_loss(values, evaluate(line, times), line.tau) for line in lines)
    alone = [fit_lines(values, times, (tau,))[0] for tau in TAUS]
    ends = np.array([evaluate(line, times)[[0, -1]] for line in alone])
    assert (np.diff(ends, axis=0) < 0).any()
    swapped = np.sort(ends, axis=0)
    rearranged = sum(
        pinball_loss(values, first + (last - first) * times / 11, tau)
        for (first, last), tau in zip(swapped, TAUS, strict=True)
    )
    assert least <= ours < rearranged


def test_values_on_one_line_give_that_line() -> None:
    times = np.arange(30.0)
    for line in fit_lines(11 + 0.25 * times, times, TAUS):
        assert (line.intercept, line.slope) == pytest.approx((11, 0.25))


@given(shift=st.floats(-100, 100), scale=st.floats(1e-4, 1e4), origin=st.floats(0, 1e9))
@settings(max_examples=15, deadline=None)
def test_lines_follow_shift_scale_and_the_clock(shift: float, scale: float, origin: float) -> None:
    values, times = np.random.default_rng(3).normal(size=60), np.arange(60.0)
    plain = fit_lines(values, times, (0.25, 0.75))
    moved = fit_lines(shift + scale * values, origin + 3 * times, (0.25, 0.75))
    for one, other in zip(plain, moved, strict=True):
        assert other.intercept == pytest.approx(
            shift + scale * one.intercept, abs=1e-9 * scale + 1e-9 * abs(shift)
        )
        assert other.slope * 3 == pytest.approx(
            scale * one.slope, abs=1e-9 * scale + 1e-9 * abs(shift)
        )


def test_where_the_search_gives_up_the_linear_programme_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, times = np.random.default_rng(4).normal(size=80), np.arange(80.0)
    found = fit_lines(values, times, (0.25, 0.75))

    def give_up(*given: np.ndarray) -> int:
        given[-2][:], given[-1][:] = 0.0, np.inf
        return -1

    monkeypatch.setattr(quantile, "fit_segments", give_up)
    for line, same in zip(fit_lines(values, times, (0.25, 0.75)), found, strict=True):
        assert line.converged
        assert line.duality_gap <= 1e-8
        assert (line.intercept, line.slope) == pytest.approx((same.intercept, same.slope))


@pytest.mark.parametrize("taus", [(), (0.0,), (1.0,), (0.5, 0.5), (0.9, 0.1), (float("nan"),)])
def test_odd_levels_are_refused(taus: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInputError, match="quantile levels"):
        fit_lines(np.arange(5.0), np.arange(5.0), taus)


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, np.nan, 2.0]])
def test_too_few_or_missing_values_are_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInputError, match="3 finite values"):
        fit_lines(np.array(values), np.arange(float(len(values))), TAUS)


def test_pinball_loss_by_hand() -> None:
    values, quantiles = np.array([3.0, 0.0]), np.array([1.0, 1.0])
    assert pinball_loss(values, quantiles, 0.9) == pytest.approx((0.9 * 2 + 0.1 * 1) / 2)


@given(tau=st.floats(0.05, 0.95), seed=st.integers(0, 1000), other=st.floats(-3, 3))
def test_the_empirical_quantile_has_the_least_pinball_loss(
    tau: float, seed: int, other: float
) -> None:
    values = np.random.default_rng(seed).normal(size=31)
    best = np.quantile(values, tau, method="inverted_cdf")
    constant = np.full(31, best)
    assert pinball_loss(values, constant, tau) <= pinball_loss(values, 0 * constant + other, tau)
