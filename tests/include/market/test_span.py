import itertools
from datetime import UTC, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import (
    Span,
    from_ms,
    intersect_spans,
    merge_spans,
    subtract_all,
    subtract_spans,
    to_ms,
)

points = st.integers(min_value=0, max_value=60)
spans = st.tuples(points, points).map(lambda pair: Span(min(pair), max(pair)))


def members(parts: list[Span]) -> set[int]:
    return {instant for part in parts for instant in range(part.start_ms, part.end_ms)}


@given(st.integers(min_value=-(10**13), max_value=10**14))
def test_epoch_milliseconds_survive_the_round_trip(instant_ms: int) -> None:
    assert to_ms(from_ms(instant_ms)) == instant_ms


def test_a_time_without_zone_is_refused_with_its_value() -> None:
    with pytest.raises(InvalidInputError, match="2026-01-01T00:00:00"):
        to_ms(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


def test_other_zones_are_the_same_instant() -> None:
    from datetime import timedelta

    east = datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))
    assert to_ms(east) == to_ms(datetime(2026, 1, 1, tzinfo=UTC))


def test_a_span_running_backwards_names_both_dates() -> None:
    with pytest.raises(InvalidInputError, match=r"2026-01-02.*2026-01-01.*swap"):
        Span(to_ms(datetime(2026, 1, 2, tzinfo=UTC)), to_ms(datetime(2026, 1, 1, tzinfo=UTC)))


@given(st.lists(spans))
def test_merged_spans_hold_the_same_instants_and_do_not_touch(parts: list[Span]) -> None:
    merged = merge_spans(parts)
    assert members(merged) == members(parts)
    assert all(left.end_ms < right.start_ms for left, right in itertools.pairwise(merged))


@given(spans, st.lists(spans))
def test_subtraction_leaves_exactly_the_uncovered_instants(whole: Span, parts: list[Span]) -> None:
    rest = subtract_spans(whole, parts)
    assert members(rest) == members([whole]) - members(parts)
    assert all(rest)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6))
def test_what_two_lists_share_and_what_one_has_alone(one: list[Span], other: list[Span]) -> None:
    shared = intersect_spans(one, other)
    assert members(shared) == members(one) & members(other)
    assert all(shared), "none is empty"
    assert members(subtract_all(one, other)) == members(one) - members(other)
