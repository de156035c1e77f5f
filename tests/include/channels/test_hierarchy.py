"""A parent enters a child by its breaks, its slope, its width and the place in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.channels.hierarchy import (
    ParentChannel,
    apply_parent,
    apply_position,
    likely_breaks,
    likely_price,
    newest_known,
)
from include.market.errors import InvalidInputError
from include.market.span import to_ms
from include.market.timeframe import H4, M5, M30, W1

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000


def parent(**changes: object) -> ParentChannel:
    stated: dict[str, object] = {
        "timeframe": H4,
        "known_at": START + timedelta(hours=40),
        "breakpoint_times": (START + timedelta(hours=16),),
        "start_time": START + timedelta(hours=16),
        "slope_per_hour": 0.01,
        "intercept": 4.0,
        "residual_scale": 0.1,
        "taus": (0.05, 0.5, 0.95),
        "intercepts": (3.9, 4.0, 4.1),
        "slopes": (0.01, 0.01, 0.01),
    }
    return ParentChannel(**(stated | changes))  # type: ignore[arg-type]


def test_a_line_is_asked_for_by_the_instant_of_a_close() -> None:
    # The parent's candle that opens with its segment closes four hours later.
    close_ms = to_ms(START) + 20 * HOUR_MS
    assert parent().lines_at(close_ms).tolist() == pytest.approx([3.9, 4.0, 4.1])
    assert parent().lines_at(close_ms + HOUR_MS).tolist() == pytest.approx([3.91, 4.01, 4.11])
    assert parent().width_at(close_ms) == pytest.approx(0.2)
    bands = parent().bands_at(np.array([close_ms, close_ms + HOUR_MS]))
    assert bands.shape == (2, 3)
    assert bands[1].tolist() == parent().lines_at(close_ms + HOUR_MS).tolist()


def test_lines_that_cross_are_sorted() -> None:
    crossing = parent(slopes=(0.1, 0.0, -0.1))
    late = to_ms(START) + 100 * HOUR_MS
    assert np.all(np.diff(crossing.lines_at(late)) >= 0)
    assert crossing.width_at(late) == pytest.approx(np.ptp(crossing.lines_at(late)))


def test_a_position_counts_from_the_lowest_line_to_the_highest() -> None:
    close_ms = to_ms(START) + 20 * HOUR_MS
    assert parent().position_of(3.9, close_ms) == pytest.approx(0.0)
    assert parent().position_of(4.15, close_ms) == pytest.approx(1.25)
    assert parent(intercepts=(4.0, 4.0, 4.0)).position_of(9.0, close_ms) == 0.5


def test_only_what_was_known_counts_and_of_that_the_newest() -> None:
    early, late = parent(known_at=START), parent(known_at=START + timedelta(hours=8))
    for order in ([early, late], [late, early]):
        assert newest_known(order, START + timedelta(hours=7)) is early
        assert newest_known(order, START + timedelta(hours=8)) is late
        assert newest_known(order, START - timedelta(seconds=1)) is None


def test_every_child_of_the_candle_that_breaks_is_a_likely_break() -> None:
    open_ms = to_ms(START) + np.arange(0, 100) * M30.length_ms
    found = likely_breaks(parent(), open_ms, M30)
    assert found.tolist() == list(range(32, 40))
    holed = np.delete(open_ms, [33, 34])
    assert likely_breaks(parent(), holed, M30).tolist() == list(range(32, 38))
    assert likely_breaks(parent(breakpoint_times=(START,)), open_ms, M30)[0] == 1
    assert len(likely_breaks(parent(breakpoint_times=()), open_ms, M30)) == 0


@pytest.mark.parametrize("child", [H4, W1])
def test_a_parent_must_be_coarser(child: object) -> None:
    with pytest.raises(InvalidInputError, match="cannot be the parent"):
        likely_breaks(parent(), np.array([0]), child)  # type: ignore[arg-type]


def test_a_likely_break_costs_less_the_better_its_place_is_known() -> None:
    narrow = likely_price(30.0, 1000, parent(), M30)
    wide = likely_price(30.0, 1000, parent(), M5)
    assert 20.0 < narrow < wide < 30.0
    assert narrow == pytest.approx(30.0 * (2 + np.log(8) / np.log(1000)) / 3)
    assert likely_price(30.0, 4, parent(), M5) == pytest.approx(30.0)


@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_slope_goes_its_share_of_the_way_to_the_parents(slope: float, weight: float) -> None:
    moved = slope + apply_parent(slope, parent(), weight)
    assert min(slope, 0.01) - 1e-12 <= moved <= max(slope, 0.01) + 1e-12
    assert apply_parent(slope, parent(), 0.0) == 0.0
    assert slope + apply_parent(slope, parent(), 1.0) == pytest.approx(0.01)


@given(st.floats(0, 10), st.floats(0, 1))
def test_a_channel_moves_towards_the_middle_and_never_beyond(value: float, weight: float) -> None:
    close_ms = to_ms(START) + 20 * HOUR_MS
    shift = apply_position(value, close_ms, parent(), weight)
    assert abs(shift) <= weight * 0.1 + 1e-12
    assert shift * (4.0 - value) >= 0
    if 3.9 <= value <= 4.1:
        assert shift == pytest.approx(weight * (4.0 - value), abs=1e-12)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_is_a_share(weight: float) -> None:
    with pytest.raises(InvalidInputError, match="choose 0 to 1"):
        apply_parent(0.0, parent(), weight)
    with pytest.raises(InvalidInputError, match="choose 0 to 1"):
        apply_position(0.0, 0, parent(), weight)
