"""Absent weeks and months are found as absent minutes are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span, merge_spans, to_ms
from include.market.timeframe import D1, DAY_MS, MO1, W1, Timeframe
from include.quality.gaps import count_expected, find_gaps

START_MS = to_ms(datetime(2023, 11, 8, 13, 5, tzinfo=UTC))


@given(
    st.sampled_from([D1, W1, MO1]),
    st.integers(0, 900 * DAY_MS),
    st.sets(st.integers(0, 40)),
    st.lists(st.integers(-10 * DAY_MS, 900 * DAY_MS), max_size=5),
)
def test_what_is_not_there_is_found(
    timeframe: Timeframe, length_ms: int, absent: set[int], noise: list[int]
) -> None:
    span = Span(START_MS, START_MS + length_ms)
    opens, open_ms = [], timeframe.ceil_ms(span.start_ms)
    while timeframe.end_ms(open_ms) <= span.end_ms:
        opens.append(open_ms)
        open_ms = timeframe.end_ms(open_ms)
    assert count_expected(timeframe, span) == len(opens)
    present = [one for place, one in enumerate(opens) if place not in absent]
    beside = [
        START_MS + one for one in noise if timeframe.floor_ms(START_MS + one) != START_MS + one
    ]
    expected = [
        Span(one, timeframe.end_ms(one)) for place, one in enumerate(opens) if place in absent
    ]
    assert find_gaps(present[::-1] + beside, timeframe, span) == merge_spans(expected)


@pytest.mark.parametrize("timeframe", [W1, MO1], ids=lambda one: one.label)
def test_a_span_shorter_than_a_candle_lacks_none(timeframe: Timeframe) -> None:
    assert find_gaps([], timeframe, Span(START_MS, START_MS + DAY_MS)) == []
