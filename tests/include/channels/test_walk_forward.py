"""Forecasts know the past only, and are those of a fit made then."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.newest_trend import REFRESH, find_newest_starts
from include.channels.quantile import fit_lines
from include.channels.segmentation import segment_lines
from include.channels.walk_forward import candles_to_judge, choose_origins, walk_forward
from tests.include.channels.walks import draw_trends, draw_walk, make_closes

TAUS = (0.25, 0.75)


@given(
    seed=st.integers(0, 2**32 - 1),
    known=st.integers(96, 143),
    factor=st.floats(-3, 3),
    late=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_changing_the_future_changes_no_forecast(
    seed: int, known: int, factor: float, late: bool
) -> None:
    values, slots = draw_walk(seed, 144), np.arange(144.0)
    future, later = values.copy(), slots.copy()
    future[known:] = factor * future[known:] + 5
    later[known:] += 7 * late
    before = walk_forward(make_closes(values, slots), min_length=6, taus=TAUS)
    after = walk_forward(make_closes(future, later), min_length=6, taus=TAUS)
    assert before is not None
    assert after is not None
    past = before.origins <= known
    assert past.any()
    for name in ("channel", "random_walk", "volatility", "scatter"):
        assert np.array_equal(getattr(before, name)[past], getattr(after, name)[past]), name
    assert np.array_equal(before.previous[past][1:], after.previous[past][1:])


def test_the_newest_origin_knows_the_value_before_it_and_not_its_own() -> None:
    values = draw_walk(1, 120)
    newest = walk_forward(make_closes(values), min_length=6, taus=TAUS)
    assert newest is not None
    assert newest.origins[-1] == 117
    for place, same in ((116, False), (117, True)):
        bumped = values.copy()
        bumped[place] += 1
        other = walk_forward(make_closes(bumped), min_length=6, taus=TAUS)
        assert other is not None
        assert np.array_equal(newest.random_walk[-1], other.random_walk[-1]) == same
        assert np.array_equal(newest.channel[-1], other.channel[-1]) == same


@pytest.mark.parametrize("min_length", [4, 6, 12])
@pytest.mark.parametrize("seed", range(4))
def test_one_search_serves_many_origins_as_one_each_would(seed: int, min_length: int) -> None:
    values = draw_trends(seed, 400, length=60)
    # Lone spikes, one just before an origin, which only later values show to be one.
    values[[150, 297, 333]] += 0.3
    closes = make_closes(values)
    origins = choose_origins(400, min_length)
    starts = find_newest_starts(closes, origins, min_length=min_length)
    for row in range(0, len(origins), REFRESH):
        alone = segment_lines(values[: origins[row]], min_length=min_length)
        assert starts[row] == alone.bounds[-1][0]
    same = [
        start == segment_lines(values[:origin], min_length=min_length).bounds[-1][0]
        for start, origin in zip(starts, origins, strict=True)
    ]
    # At the others the noise scale is a few candles older.
    assert np.mean(same) >= 0.9


def test_the_forecast_extends_the_lines_of_the_newest_trend() -> None:
    closes = make_closes(draw_trends(3, 300))
    walk = walk_forward(closes, min_length=12, taus=TAUS)
    assert walk is not None
    starts = find_newest_starts(closes, walk.origins, min_length=12)
    for row in (0, len(starts) - 1):
        span = slice(starts[row], walk.origins[row])
        lines = fit_lines(closes.logs[span], closes.slots[span], TAUS)
        ahead = walk.origins[row] - starts[row] - 1 + np.arange(1, 7)
        for column, line in enumerate(lines):
            path = line.intercept + line.slope * ahead
            assert walk.channel[row, :, column] == pytest.approx(path)
            if row:
                kept = walk.previous[row, :, column]
                assert kept[:1] == pytest.approx(2 * kept[1:2] - kept[2:3])
        middle = lines[1].intercept + lines[1].slope * (closes.slots[span] - starts[row])
        assert walk.scatter[row] == pytest.approx(np.abs(closes.logs[span] - middle).mean())


def test_the_previous_channel_is_the_one_of_the_origin_before() -> None:
    values = 0.004 * np.arange(200.0)
    values[-6:] = 5.0
    walk = walk_forward(make_closes(values), min_length=12, taus=TAUS)
    assert walk is not None
    assert np.isnan(walk.previous[0]).all()
    expected = np.repeat(0.004 * np.arange(194, 200)[:, None], 2, axis=1)
    assert walk.previous[-1] == pytest.approx(expected, abs=1e-9)


def test_outcomes_behind_a_gap_are_not_scored() -> None:
    slots = np.arange(200.0)
    slots[197:] += 50
    full = walk_forward(make_closes(draw_walk(3, 200)), min_length=12, taus=TAUS)
    holed = walk_forward(make_closes(draw_walk(3, 200), slots), min_length=12, taus=TAUS)
    assert full is not None
    assert holed is not None
    assert np.isfinite(full.outcomes).all()
    assert np.isnan(holed.outcomes[-1]).tolist() == [False] * 3 + [True] * 3


def test_origins_are_a_horizon_apart_and_have_a_past() -> None:
    origins = choose_origins(1500, 12)
    assert len(origins) == 60
    assert set(np.diff(origins)) == {6}
    assert origins[-1] == 1494
    assert choose_origins(100, 12)[0] >= 48


def test_too_little_past_gives_no_walk() -> None:
    enough = candles_to_judge(12)
    values = draw_walk(4, enough)
    assert walk_forward(make_closes(values), min_length=12, taus=TAUS) is not None
    assert walk_forward(make_closes(values[1:]), min_length=12, taus=TAUS) is None


def test_a_price_that_never_moves_is_forecast_not_to() -> None:
    walk = walk_forward(make_closes(np.full(150, 2.0)), min_length=12, taus=TAUS)
    assert walk is not None
    assert walk.channel == pytest.approx(np.full_like(walk.channel, 2.0))
