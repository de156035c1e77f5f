"""A parent is followed where that helped before, and never before it was known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import LogCloses
from include.channels.newest_trend import price_past_starts
from include.channels.origin_lines import OriginLines
from include.channels.parent_pull import NO_PULL, PULLS, ParentPull, choose_pulls, pull_once
from include.channels.segmentation import bic_penalty
from include.channels.walk_forward import walk_forward
from include.market.span import from_ms
from include.market.timeframe import D1, H4
from tests.include.channels.walks import draw_trends, make_closes

TAUS = (0.25, 0.5, 0.75)


def know_parent(known_ms: int, slope_per_hour: float = 0.0) -> ParentChannel:
    return ParentChannel(
        timeframe=D1,
        known_at=from_ms(known_ms),
        breakpoint_times=(from_ms(D1.length_ms * 20),),
        start_time=from_ms(0),
        slope_per_hour=slope_per_hour,
        intercept=11.0,
        residual_scale=0.01,
        taus=TAUS,
        intercepts=(10.98, 11.0, 11.02),
        slopes=(slope_per_hour,) * 3,
    )


@pytest.fixture(scope="module")
def closes() -> LogCloses:
    """Slow trend and much noise: the slope of a short segment is mostly noise."""
    rng = np.random.default_rng(11)
    return LogCloses(
        np.arange(400, dtype=np.int64) * H4.length_ms,
        11 + 0.0005 * np.arange(400) + 0.01 * rng.normal(size=400),
        H4,
    )


def test_lines_tilt_around_the_middle_of_the_segment_and_keep_their_distance() -> None:
    closes = make_closes(draw_trends(1, 60), np.arange(60.0))
    lines = np.array([[10.9, 0.001], [11.0, 0.002], [11.2, 0.004]])
    parent = know_parent(0, slope_per_hour=0.01)
    pulled = pull_once(closes, slice(20, 41), lines, parent, ParentPull(0.5, 0.0))
    tilt = 0.5 * (0.01 - 0.002)
    assert pulled[:, 1] == pytest.approx(lines[:, 1] + tilt)
    assert pulled @ [1.0, 40.0] == pytest.approx(lines @ [1.0, 40.0])
    assert np.array_equal(pull_once(closes, slice(20, 41), lines, parent, NO_PULL), lines)


def test_lines_move_towards_the_middle_of_the_parents_band() -> None:
    closes = make_closes(np.full(60, 11.02), np.arange(60.0))
    lines = np.array([[11.0, 0.0], [11.02, 0.0], [11.04, 0.0]])
    pulled = pull_once(closes, slice(20, 41), lines, know_parent(0), ParentPull(0.0, 0.3))
    assert pulled == pytest.approx(lines - np.array([0.3 * 0.02, 0.0]))


def test_a_parent_that_knows_the_trend_is_followed(closes: LogCloses) -> None:
    knowing = [know_parent(0, slope_per_hour=0.0005 / 4)]
    alone = walk_forward(closes, min_length=12, taus=TAUS)
    led = walk_forward(closes, min_length=12, taus=TAUS, parents=knowing)
    assert alone is not None
    assert led is not None
    assert alone.pull == NO_PULL
    misled = walk_forward(
        closes, min_length=12, taus=TAUS, parents=[replace(knowing[0], slope_per_hour=0.05)]
    )
    assert misled is not None
    assert misled.pull.slope == 0.0
    assert (
        np.nanmean(np.abs(led.outcomes - led.channel[:, :, 1]))
        <= np.nanmean(np.abs(alone.outcomes - alone.channel[:, :, 1])) * 1.02
    )


def test_before_it_was_known_a_parent_changes_nothing(closes: LogCloses) -> None:
    known_ms = int(closes.open_ms[370])
    alone = walk_forward(closes, min_length=12, taus=TAUS)
    led = walk_forward(
        closes, min_length=12, taus=TAUS, parents=[know_parent(known_ms, slope_per_hour=0.02)]
    )
    assert alone is not None
    assert led is not None
    before = np.array([closes.close_ms(int(origin) - 1) < known_ms for origin in alone.origins])
    assert before.any()
    assert not before.all()
    assert np.array_equal(alone.channel[before], led.channel[before])


def test_breaks_the_parent_had_by_then_are_cheaper(closes: LogCloses) -> None:
    known_ms = closes.close_ms(299)
    parents = [know_parent(known_ms)]
    plain = bic_penalty(299)
    assert (price_past_starts(closes, 299, parents) == plain).all()
    priced = price_past_starts(closes, 300, parents)
    likely = np.flatnonzero(priced < bic_penalty(300))
    assert likely.tolist() == list(range(120, 126))


def test_the_choice_needs_a_past_with_a_parent_and_a_clear_gain() -> None:
    losses = np.ones((20, len(PULLS))) + 0.01 * np.random.default_rng(1).normal(
        size=(20, len(PULLS))
    )
    losses[:, 4] -= 0.5
    known = np.arange(20) >= 5
    chosen = choose_pulls(losses, known)
    assert len(chosen) == 21
    assert chosen[:13] == [0] * 13
    assert chosen[13:] == [4] * 8
    doubtful = np.ones((20, len(PULLS)))
    doubtful[::2, 4], doubtful[1::2, 4] = 0.0, 1.9
    assert set(choose_pulls(doubtful, known)) == {0}


def test_what_is_chosen_at_an_origin_does_not_know_its_outcome() -> None:
    rng = np.random.default_rng(2)
    losses = rng.uniform(size=(20, len(PULLS)))
    other = losses.copy()
    other[12:] = rng.uniform(size=(8, len(PULLS)))
    known = np.ones(20, dtype=bool)
    assert choose_pulls(losses, known)[:13] == choose_pulls(other, known)[:13]


def test_crossing_lines_are_sorted_where_they_are_extended(closes: LogCloses) -> None:
    lines = np.array([[[11.0, 0.01], [11.1, -0.01], [11.2, 0.0]]])
    crossing = OriginLines(np.array([100]), np.array([80]), lines)
    ahead = crossing.extend(closes, np.array([100]), 3)
    assert (np.diff(ahead, axis=2) >= 0).all()
