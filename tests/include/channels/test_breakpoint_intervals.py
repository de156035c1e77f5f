"""Intervals of breaks hold the true break about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from include.channels.breakpoint_intervals import _residuals_of_beginnings, locate_breaks
from include.channels.noise import clip_spikes
from include.channels.segmentation import Segmentation, segment_lines
from include.market.errors import InvalidInputError

TRUE = 140


def draw_series(seed: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise, times = rng.normal(size=260), np.arange(260.0)
    if kind == "correlated":
        for place in range(1, 260):
            noise[place] = 0.5 * noise[place - 1] + noise[place] * np.sqrt(0.75)
    if kind == "jump":
        return noise + np.where(times >= TRUE, 2.0, 0.0)
    return noise + 0.15 * np.maximum(times - TRUE, 0.0)


@pytest.mark.parametrize("kind", ["jump", "kink", "correlated"])
def test_the_true_break_is_inside_as_often_as_stated(kind: str) -> None:
    held, found = 0, 0
    for seed in range(150):
        values = draw_series(seed, kind)
        segmentation = segment_lines(values, min_length=12)
        intervals = locate_breaks(values, segmentation, min_length=12, level=0.9)
        assert len(intervals) == len(segmentation.bounds) - 1
        if len(intervals) != 1:
            continue
        found += 1
        assert intervals[0].first <= intervals[0].place <= intervals[0].last
        held += intervals[0].first <= TRUE <= intervals[0].last
    assert found >= 120
    assert held / found >= 0.87


def test_more_noise_or_a_higher_level_makes_it_wider() -> None:
    values = draw_series(1, "kink")
    cut = segment_lines(values, min_length=12)
    (narrow,) = locate_breaks(values, cut, min_length=12, level=0.5)
    (wide,) = locate_breaks(values, cut, min_length=12, level=0.99)
    assert wide.first < narrow.first <= narrow.place <= narrow.last < wide.last
    louder = Segmentation(cut.bounds, 3 * cut.noise_scale, cut.penalty, cut.objective)
    (noisy,) = locate_breaks(values, louder, min_length=12, level=0.5)
    assert noisy.last - noisy.first > narrow.last - narrow.first


def test_a_series_without_breaks_has_no_intervals() -> None:
    values = np.random.default_rng(2).normal(size=100)
    cut = segment_lines(values, min_length=12)
    assert locate_breaks(values, cut, min_length=12) == ()


def test_residuals_of_beginnings_are_those_of_lines_fitted_one_by_one() -> None:
    rng = np.random.default_rng(3)
    times, values = np.cumsum(rng.integers(1, 5, size=40)).astype(float), rng.normal(size=40)
    rests = _residuals_of_beginnings(values, times)
    assert rests[:3] == pytest.approx([0.0, 0.0, 0.0])
    for count in range(3, 41):
        direct = np.polyfit(times[:count], values[:count], 1, full=True)[1]
        assert rests[count] == pytest.approx(float(direct[0]))


def test_what_does_not_fit_together_is_refused() -> None:
    values = draw_series(1, "jump")
    cut = segment_lines(values, min_length=12)
    with pytest.raises(InvalidInputError, match="does not end at the 200 values"):
        locate_breaks(values[:200], cut, min_length=12)
    with pytest.raises(InvalidInputError, match=r"level was 1\.0"):
        locate_breaks(values, cut, min_length=12, level=1.0)


def test_an_interval_spans_all_places_within_hansens_critical_value() -> None:
    values = draw_series(1, "kink")
    cut = segment_lines(values, min_length=12)
    (found,) = locate_breaks(values, cut, min_length=12, level=0.95)
    clean, times = clip_spikes(values) / cut.noise_scale, np.arange(260.0)

    def left_over(place: int) -> float:
        pieces = (slice(0, place), slice(place, 260))
        return sum(float(np.polyfit(times[p], clean[p], 1, full=True)[1][0]) for p in pieces)

    least = left_over(found.place)
    within = [place for place in range(12, 249) if left_over(place) - least <= 7.352]
    assert (found.first, found.last) == (within[0], within[-1])
