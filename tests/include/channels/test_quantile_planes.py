"""Planes are the optimum of the linear programme, on tame and on hostile designs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from include.channels import quantile_planes
from include.channels.quantile_planes import fit_planes
from include.market.errors import InvalidInputError

TAUS = (0.05, 0.5, 0.9)


def pinball_total(
    values: np.ndarray, design: np.ndarray, plane: np.ndarray, tau: float, weights: np.ndarray
) -> float:
    errors = values - design @ plane
    return float(np.sum(weights * np.maximum(tau * errors, (tau - 1) * errors)))


def least_total(values: np.ndarray, design: np.ndarray, tau: float, weights: np.ndarray) -> float:
    count, width = design.shape
    sizes = np.abs(design).max(axis=0)
    answer = linprog(
        np.concatenate([np.zeros(width), tau * weights, (1 - tau) * weights]),
        A_eq=np.hstack([design / sizes, np.eye(count), -np.eye(count)]),
        b_eq=values,
        bounds=[(None, None)] * width + [(0, None)] * (2 * count),
        method="highs",
    )
    return float(answer.fun)


def fit_one(
    values: np.ndarray, design: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    planes, gaps = fit_planes(values, design, np.array([0, len(values)]), TAUS, weights=weights)
    return planes[0], gaps[0]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 5),
    extra=st.integers(1, 80),
    noise=st.sampled_from(["normal", "t2", "ticks", "few values", "outliers"]),
    weighted=st.booleans(),
)
def test_every_plane_costs_no_more_than_the_linear_programme_finds(
    seed: int, width: int, extra: int, noise: str, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    count = width + extra
    scales = 10.0 ** rng.uniform(-6, 9, size=width - 1)
    design = np.column_stack([np.ones(count), rng.normal(size=(count, width - 1)) * scales])
    values = rng.normal(size=count)
    if noise == "t2":
        values = rng.standard_t(2, size=count)
    if noise == "ticks":
        values = np.round(values * 2)
    if noise == "few values":
        values = rng.integers(0, 2, size=count).astype(float)
    if noise == "outliers":
        values[rng.integers(count)] = 1e6
    weights = rng.integers(0, 4, size=count) / 2 if weighted else np.ones(count)
    if np.linalg.matrix_rank((design / np.abs(design).max(axis=0))[weights > 0]) < width:
        return
    planes, gaps = fit_one(values, design, weights)
    for tau, plane, gap in zip(TAUS, planes, gaps, strict=True):
        least = least_total(values, design, tau, weights)
        total = pinball_total(values, design, plane, tau, weights)
        assert total <= least * (1 + 1e-7) + 1e-7 * (1 + np.abs(values).max() * 1e-3)
        assert gap <= 1e-7 or total <= 1e-7


def test_a_batch_gives_what_each_segment_gives_alone_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(5, 60, size=40)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    design = np.column_stack([np.ones(starts[-1]), rng.normal(size=(starts[-1], 2))])
    values = rng.standard_t(3, size=starts[-1])
    planes, gaps = fit_planes(values, design, starts, TAUS)
    assert gaps.max() < 1e-9
    for place, (begin, end) in enumerate(pairwise(starts)):
        assert np.array_equal(fit_one(values[begin:end], design[begin:end])[0], planes[place])


@pytest.mark.parametrize("width", [2, 4])
def test_a_long_cloud_is_certified_too(width: int) -> None:
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(30_000), rng.normal(size=(30_000, width - 1))])
    values = design.sum(axis=1) + rng.standard_t(3, size=30_000) * (1 + (design[:, 1] > 0))
    planes, gaps = fit_one(values, design)
    assert gaps.max() < 1e-9
    shares = [float(np.mean(values <= design @ plane)) for plane in planes]
    assert shares == pytest.approx(TAUS, abs=2e-4)


def test_values_on_one_plane_give_that_plane_for_every_level() -> None:
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    planes, gaps = fit_one(design @ [3.0, -1.0, 0.5], design)
    assert planes == pytest.approx(np.tile([3.0, -1.0, 0.5], (3, 1)))
    assert gaps.max() == 0.0


def test_where_the_search_gives_up_linear_programming_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(4)
    design = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    values = rng.normal(size=50)
    exact, _ = fit_one(values, design)

    def give_up(*arguments: np.ndarray) -> tuple[int, int]:
        arguments[5][:], arguments[6][:] = np.nan, np.inf
        return -1, -1

    monkeypatch.setattr(quantile_planes, "fit_clouds", give_up)
    planes, gaps = fit_one(values, design)
    assert planes == pytest.approx(exact, abs=1e-9)
    assert gaps.max() < 1e-9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values, design: (np.where(values > 9, values, np.nan), design), "finite values"),
        (lambda values, design: (values, design[:, [0, 1, 1]]), "column 2 of the design"),
        (lambda values, design: (values, design * [1, 1, 0]), "column 2 of the design"),
        (lambda values, design: (values[:3], design[:3]), "more values than columns"),
        (lambda values, design: (values, design[:-1]), "a row and a weight per value"),
    ],
)
def test_what_has_no_plane_is_refused(change: object, words: str) -> None:
    rng = np.random.default_rng(5)
    design = np.column_stack([np.ones(20), rng.normal(size=(20, 2))])
    with pytest.raises(InvalidInputError, match=words):
        fit_one(*change(rng.normal(size=20), design))  # type: ignore[operator]


def test_a_negative_weight_is_refused() -> None:
    rng = np.random.default_rng(6)
    design = np.column_stack([np.ones(9), rng.normal(size=9)])
    with pytest.raises(InvalidInputError, match="not negative"):
        fit_one(rng.normal(size=9), design, np.array([1.0] * 8 + [-1.0]))
