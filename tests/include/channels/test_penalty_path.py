"""The path holds the best cut of every penalty, and its elbow the true one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from include.channels.penalty_path import choose_elbow, follow_penalty
from include.channels.segmentation import bic_penalty, segment_lines
from include.market.errors import InvalidInputError


def draw_series(seed: int, slopes: tuple[float, ...]) -> np.ndarray:
    steps = np.repeat(slopes, 120)
    return np.cumsum(steps) + np.random.default_rng(seed).normal(size=len(steps))


@pytest.mark.parametrize("seed", range(3))
def test_every_penalty_has_its_best_cut_on_the_path(seed: int) -> None:
    values = draw_series(seed, (0.3, -0.2, 0.4))
    path = follow_penalty(values, min_length=10, lowest=1.0, highest=300.0)
    assert path[0].lowest == 1.0
    assert path[-1].highest == 300.0
    for before, after in pairwise(path):
        assert len(before.bounds) > len(after.bounds)
        assert before.highest == after.lowest
        assert before.cost < after.cost
    for penalty in np.exp(np.linspace(np.log(1.1), np.log(290), 25)):
        best = segment_lines(values, min_length=10, penalty=float(penalty))
        (on_path,) = (one for one in path if one.lowest < penalty < one.highest)
        assert on_path.cost + penalty * len(on_path.bounds) == pytest.approx(best.objective)
        assert on_path.bounds == best.bounds


@pytest.mark.parametrize("slopes", [(0.1,), (0.3, -0.2), (0.3, -0.2, 0.4, 0.0)])
def test_the_elbow_is_the_true_number_of_segments(slopes: tuple[float, ...]) -> None:
    hits = sum(
        len(choose_elbow(follow_penalty(draw_series(seed, slopes), min_length=12)).bounds)
        == len(slopes)
        for seed in range(20)
    )
    assert hits >= 18


def test_a_series_without_noise_is_one_cut_over_the_whole_range() -> None:
    (only,) = follow_penalty(np.full(100, 2.0), min_length=5)
    assert only.bounds == ((0, 100),)
    assert only.lowest == pytest.approx(bic_penalty(100) / 4)
    assert choose_elbow((only,)) is only


def test_what_is_no_range_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no range"):
        follow_penalty(np.ones(9), min_length=3, lowest=5.0, highest=5.0)
    with pytest.raises(InvalidInputError, match="path of penalties was empty"):
        choose_elbow(())
