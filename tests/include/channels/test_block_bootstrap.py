"""Intervals of a mean hold it as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from include.channels.block_bootstrap import block_length, mean_intervals
from include.market.errors import InvalidInputError


def test_the_true_mean_is_mostly_inside() -> None:
    rng = np.random.default_rng(5)
    noise = lfilter([1], [1, -0.3], rng.normal(size=(300, 160)), axis=1)[:, 40:]
    # All at once, as columns: each of them is a series of its own.
    low, high = mean_intervals(noise.T, share=0.9, length=6).T
    assert 0.82 <= np.mean((low <= 0) & (high >= 0)) <= 0.94


def test_blocks_make_room_for_correlation() -> None:
    walk = lfilter([1], [1, -0.9], np.random.default_rng(1).normal(size=200))[:, None]
    (single,), (blocks,) = mean_intervals(walk, length=1), mean_intervals(walk, length=20)
    assert np.ptp(blocks) > 2 * np.ptp(single)


def test_rows_stay_together_and_gaps_count_for_others_only() -> None:
    series = np.random.default_rng(2).normal(size=(40, 1))
    holed = np.column_stack([series, 2 * series + 1, series])
    holed[3, 2] = np.nan
    plain, scaled, gap = mean_intervals(holed)
    assert scaled == pytest.approx(2 * plain + 1)
    assert np.isfinite(gap).all()
    assert (gap != plain).any()


def test_the_seed_decides_the_draw() -> None:
    series = np.random.default_rng(2).normal(size=(40, 1))
    assert np.array_equal(mean_intervals(series), mean_intervals(series))
    assert not np.array_equal(mean_intervals(series), mean_intervals(series, seed=1))


def test_a_constant_has_no_width() -> None:
    assert mean_intervals(np.full((7, 1), 3.0)) == pytest.approx(np.array([[3.0, 3.0]]))
    assert block_length(27) == 3


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="had 0"):
        mean_intervals(np.empty((0, 1)))
