"""What holds of exact quantile regression whatever the data, of lines and of planes.

Basic equivariances: Koenker and Bassett (1978, th. 3.2); Koenker (2005, sec. 2.2.3).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from include.channels.quantile import fit_many
from include.channels.quantile_planes import fit_planes
from include.channels.quantile_regression import QuantileRegression
from include.market.errors import InvalidInputError

# No sums of residual signs are zero at these levels, so the best plane is the only one.
TAUS = (0.0713, 0.3137, 0.5171, 0.9173)
SEEDS = st.integers(0, 2**32 - 1)


def draw_cloud(seed: int, count: int = 60, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(count), rng.normal(size=(count, width - 1))])
    return rng.standard_t(3, size=count), design


def fit_plane(values: np.ndarray, design: np.ndarray, taus: tuple[float, ...]) -> np.ndarray:
    planes, gaps = fit_planes(values, design, np.array([0, len(values)]), taus)
    assert gaps.max() <= 1e-9
    return planes[0]


def fit_line(values: np.ndarray, times: np.ndarray, taus: tuple[float, ...]) -> np.ndarray:
    lines, gaps = fit_many(values, times, np.array([0, len(values)]), taus)
    assert gaps.max() <= 1e-9
    return lines[0]


def loss_of(values: np.ndarray, fitted: np.ndarray, tau: float) -> float:
    errors = values - fitted
    return float(np.sum(np.maximum(tau * errors, (tau - 1) * errors)))


def least_loss(values: np.ndarray, design: np.ndarray, tau: float) -> float:
    count, width = design.shape
    answer = linprog(
        np.concatenate([np.zeros(width), np.full(count, tau), np.full(count, 1 - tau)]),
        A_eq=np.hstack([design, np.eye(count), -np.eye(count)]),
        b_eq=values,
        bounds=[(None, None)] * width + [(0, None)] * (2 * count),
        method="highs",
    )
    return float(answer.fun)


@given(
    seed=SEEDS,
    shift=st.floats(-1e4, 1e4),
    scale=st.floats(1e-6, 1e6),
    tilt=st.floats(-10, 10),
    origin=st.sampled_from([0.0, 1.7e9, 1.7e12]),
    step=st.sampled_from([1.0, 60.0, 6e4]),
)
@settings(max_examples=40, deadline=None)
def test_lines_follow_every_affine_change_of_value_and_time(
    seed: int, shift: float, scale: float, tilt: float, origin: float, step: float
) -> None:
    values, times = draw_cloud(seed)[0], np.arange(60.0)
    plain = fit_line(values, times, TAUS)
    moved = fit_line(scale * (values + tilt * times + shift), origin + step * times, TAUS)
    size = scale * (1 + abs(shift) + 60 * abs(tilt))
    assert moved[:, 0] == pytest.approx(scale * (plain[:, 0] + shift), abs=1e-9 * size)
    assert moved[:, 1] * step == pytest.approx(scale * (plain[:, 1] + tilt), abs=1e-9 * size)


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_turning_values_upside_down_swaps_the_levels(seed: int) -> None:
    values, design = draw_cloud(seed)
    times, mirrored = np.arange(60.0), tuple(1 - tau for tau in reversed(TAUS))
    lines, turned = fit_line(values, times, TAUS), fit_line(-values, times, mirrored)
    assert -turned[::-1] == pytest.approx(lines, abs=1e-9)
    planes, upside_down = fit_plane(values, design, TAUS), fit_plane(-values, design, mirrored)
    assert -upside_down[::-1] == pytest.approx(planes, abs=1e-9)


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_planes_follow_a_change_of_the_columns_and_of_what_they_explain(seed: int) -> None:
    values, design = draw_cloud(seed)
    rng = np.random.default_rng([seed, 1])
    mixed, added = rng.normal(size=(3, 3)), 100 * rng.normal(size=3)
    assume(np.linalg.cond(mixed) < 1e3)
    plain = fit_plane(values, design, TAUS)
    again = fit_plane(values + design @ added, design @ mixed, TAUS)
    assert again @ mixed.T == pytest.approx(plain + added, abs=1e-7)


@given(seed=SEEDS, count=st.integers(5, 80), ties=st.booleans())
@settings(max_examples=40, deadline=None)
def test_about_the_level_lie_below_and_no_more_points_than_columns_on_it(
    seed: int, count: int, ties: bool
) -> None:
    values, design = draw_cloud(seed, count)
    values = np.round(2 * values) if ties else values
    for tau, plane in zip(TAUS, fit_plane(values, design, TAUS), strict=True):
        residuals = values - design @ plane
        size = 1e-9 * (1 + np.abs(values).max())
        below, upto = np.sum(residuals < -size), np.sum(residuals <= size)
        assert below <= tau * count <= upto
        assert ties or upto - below == design.shape[1]


@given(seed=SEEDS, kept=st.integers(4, 30))
@settings(max_examples=25, deadline=None)
def test_points_without_weight_count_for_nothing(seed: int, kept: int) -> None:
    values, design = draw_cloud(seed)
    chosen = np.sort(np.random.default_rng([seed, 2]).choice(60, kept, replace=False))
    weights, times = np.zeros(60), np.arange(60.0)
    weights[chosen] = 1.0
    whole = np.array([0, 60])
    lines, gaps = fit_many(values, times, whole, TAUS, weights=weights)
    planes, _ = fit_planes(values, design, whole, TAUS, weights=weights)
    for place, tau in enumerate(TAUS):
        if np.isfinite(gaps[0, place]):
            line = np.column_stack([np.ones(kept), times[chosen]])
            ours = loss_of(values[chosen], line @ lines[0, place], tau)
            assert ours <= least_loss(values[chosen], line, tau) + 1e-9 * kept
        ours = loss_of(values[chosen], design[chosen] @ planes[0, place], tau)
        assert ours <= least_loss(values[chosen], design[chosen], tau) + 1e-9 * kept


@given(seed=SEEDS, far=st.floats(1, 20))
@settings(max_examples=25, deadline=None)
def test_putting_crossed_quantiles_in_order_never_costs(seed: int, far: float) -> None:
    values, design = draw_cloud(seed, 15)
    taus = (0.1, 0.3, 0.5, 0.7, 0.9)
    model = QuantileRegression(taus, fit_intercept=False).fit(design, values)
    ordered, plain = model.predict(far * design), far * design @ model.coef_.T
    assert (np.diff(ordered, axis=1) >= 0).all()
    outcomes = far * values
    sums = [
        sum(loss_of(outcomes, paths[:, place], tau) for place, tau in enumerate(taus))
        for paths in (ordered, plain)
    ]
    assert sums[0] <= sums[1] * (1 + 1e-12)


@pytest.mark.parametrize("engine", ["lines", "planes"])
def test_order_of_the_batch_and_number_of_threads_change_no_bit(engine: str) -> None:
    rng = np.random.default_rng(8)
    lengths = [*rng.integers(12, 90, size=60), 9_000]  # The last is searched by way of a sample.
    series = [np.round(rng.standard_t(3, size=length), 1) for length in lengths]
    covariates = [rng.normal(size=length) for length in lengths]

    def fit(places: list[int]) -> np.ndarray:
        values = np.concatenate([series[place] for place in places])
        times = np.concatenate([np.arange(float(lengths[place])) for place in places])
        starts = np.concatenate([[0], np.cumsum([lengths[place] for place in places])])
        if engine == "lines":
            return fit_many(values, times, starts, TAUS)[0]
        columns = [np.ones(len(times)), times, np.concatenate([covariates[p] for p in places])]
        return fit_planes(values, np.column_stack(columns), starts, TAUS)[0]

    order = [int(place) for place in rng.permutation(len(lengths))]
    together = fit(list(range(len(lengths))))
    np.testing.assert_array_equal(fit(order), together[order])
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            alone = np.concatenate(list(pool.map(fit, [[place] for place in order])))
        np.testing.assert_array_equal(alone, together[order])


def test_epoch_milliseconds_as_a_column_cost_no_optimality() -> None:
    values, design = draw_cloud(9, 200)
    clock = 1.767e12 + 60_000 * np.arange(200.0)
    planes = fit_plane(values, np.column_stack([design, clock]), TAUS)
    centred = np.column_stack([design, (clock - clock[0]) / 1.2e7])
    for plane, tau in zip(planes, TAUS, strict=True):
        path = design @ plane[:3] + clock * plane[3]
        assert loss_of(values, path, tau) <= least_loss(values, centred, tau) * (1 + 1e-9)


def test_columns_that_nearly_repeat_one_another_are_fitted_or_refused() -> None:
    values, design = draw_cloud(10, 80)
    close = design[:, 1] + 1e-6 * np.random.default_rng(11).normal(size=80)
    planes = fit_plane(values, np.column_stack([design, close]), TAUS)
    apart = np.column_stack([design, (close - design[:, 1]) * 1e6])
    for plane, tau in zip(planes, TAUS, strict=True):
        path = np.column_stack([design, close]) @ plane
        assert loss_of(values, path, tau) <= least_loss(values, apart, tau) * (1 + 1e-8)
    groups = np.repeat(np.eye(4), 20, axis=0)
    with pytest.raises(InvalidInputError, match="column 4 of the design adds nothing"):
        fit_plane(values, np.column_stack([np.ones(80), groups]), TAUS)


@pytest.mark.parametrize("count", [4, 5])
def test_one_value_more_than_columns_is_enough(count: int) -> None:
    values, design = draw_cloud(12, count, count - 1)
    for plane, tau in zip(fit_plane(values, design, TAUS), TAUS, strict=True):
        assert loss_of(values, design @ plane, tau) <= least_loss(values, design, tau) + 1e-9


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_values_than_coefficients_are_refused(count: int) -> None:
    values, design = draw_cloud(13, count)
    with pytest.raises(InvalidInputError, match="more values than columns"):
        fit_plane(values, design, TAUS)
    if count < 3:
        with pytest.raises(InvalidInputError, match="at least 3 finite values, had"):
            fit_line(values, np.arange(float(count)), TAUS)


SIX = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])


@pytest.mark.parametrize(
    ("values", "times", "weights", "words"),
    [
        ([1.0, np.nan, 2.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], "3 finite values"),
        ([1.0, np.inf, 2.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], "3 finite values"),
        ([1e200, -1e200, 2.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], "segment 1 are too large"),
        ([1.0, 3.0, 2.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0], "rise strictly"),
        ([1.0, 3.0, 2.0], [0.0, np.nan, 1.0], [1.0, 1.0, 1.0], "rise strictly"),
        ([1.0, 3.0, 2.0], [0.0, 1.0, np.inf], [1.0, 1.0, 1.0], "rise strictly"),
        ([1.0, 3.0, 2.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0], "3 finite values"),
        ([1.0, 3.0, 2.0, 4.0], [0.0, 1.0, 2.0, 3.0], [1.0, -1.0, 1.0, 1.0], "none of them neg"),
        ([1.0, 3.0, 2.0, 4.0], [0.0, 1.0, 2.0, 3.0], [1.0, np.nan, 1.0, 1.0], "finite weights"),
    ],
)
def test_a_batch_with_a_segment_that_has_no_line_is_refused(
    values: list[float], times: list[float], weights: list[float], words: str
) -> None:
    starts = np.array([0, 6, 6 + len(values), 12 + len(values)])
    with pytest.raises(InvalidInputError, match=words):
        fit_many(
            np.concatenate([SIX, values, SIX]),
            np.concatenate([np.arange(6.0), times, np.arange(6.0)]),
            starts,
            TAUS,
            weights=np.concatenate([np.ones(6), weights, np.ones(6)]),
        )


@pytest.mark.parametrize("starts", [[0, 5], [1, 6], [0, 4, 3, 6], []])
def test_segments_that_do_not_cover_the_values_are_refused(starts: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="must rise from 0 to the number of values, 6"):
        fit_many(SIX, np.arange(6.0), np.array(starts, dtype=np.int64), TAUS)
    with pytest.raises(InvalidInputError, match="a time and a weight per value"):
        fit_many(SIX, np.arange(5.0), np.array([0, 6]), TAUS)
