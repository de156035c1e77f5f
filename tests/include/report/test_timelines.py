"""A timeline holds every event of its days once, the frequent kinds under their own name."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.report.timelines import COLOURS, OTHER, DayCount, lay_out_timeline, series_colour

DAY = date(2024, 2, 28)


def event(day: int, name: str, count: int = 1) -> DayCount:
    return DayCount(DAY + timedelta(days=day), name, count)


def test_events_lie_on_their_day_the_frequent_first() -> None:
    found = lay_out_timeline(
        [event(0, "b", 2), event(2, "a", 5), event(0, "b"), event(1, "c", 3)], first_day=DAY, days=3
    )
    assert found.names == ("a", "b", "c")
    assert found.counts.tolist() == [[0, 0, 5], [3, 0, 0], [0, 3, 0]]
    assert found.total == 11


def test_rare_kinds_are_added_up() -> None:
    events = [event(0, name, 9 - place) for place, name in enumerate("abcdefgh")]
    found = lay_out_timeline(events, first_day=DAY, days=1, most=6)
    assert found.names == (*"abcdef", OTHER)
    assert found.counts[:, 0].tolist() == [9, 8, 7, 6, 5, 4, 3 + 2]
    one_more = lay_out_timeline(events[:7], first_day=DAY, days=1, most=6)
    assert one_more.names == tuple("abcdefg")


def test_without_events_there_are_no_names() -> None:
    found = lay_out_timeline([event(0, "a", 0)], first_day=DAY, days=2)
    assert (found.names, found.counts.shape, found.total) == ((), (0, 2), 0)


@pytest.mark.parametrize(("days", "most"), [(0, 6), (1, 0)])
def test_a_timeline_of_nothing_is_refused(days: int, most: int) -> None:
    with pytest.raises(InvalidInputError, match="one at least"):
        lay_out_timeline([], first_day=DAY, days=days, most=most)


def test_colours_are_those_of_the_theme_and_others_have_the_last() -> None:
    assert [series_colour("x", place) for place in range(9)] == [0, 1, 2, 3, 4, 5, 6, 6, 6]
    assert series_colour(OTHER, 2) == COLOURS - 1


@given(
    events=st.lists(
        st.builds(event, st.integers(-3, 8), st.sampled_from("abcdefghij"), st.integers(0, 9))
    ),
    most=st.integers(1, 8),
)
def test_no_event_of_the_days_is_lost_and_no_other_counted(
    events: list[DayCount], most: int
) -> None:
    found = lay_out_timeline(events, first_day=DAY, days=5, most=most)
    inside = [one for one in events if 0 <= (one.day - DAY).days < 5]
    assert found.total == sum(one.count for one in inside)
    for place, name in enumerate(found.names):
        if name != OTHER:
            assert found.counts[place].sum() == sum(one.count for one in inside if one.name == name)
    for day in range(5):
        assert found.counts[:, day].sum() == sum(
            one.count for one in inside if (one.day - DAY).days == day
        )
    own = found.counts[: len(found.names) - (OTHER in found.names)].sum(axis=1).tolist()
    assert own == sorted(own, reverse=True)
