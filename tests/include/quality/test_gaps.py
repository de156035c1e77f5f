import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span, merge_spans, subtract_spans
from include.market.timeframe import H4, M1, M5, M30, Timeframe
from include.quality.gaps import count_expected, find_gaps

MINUTE = M1.length_ms
timeframes = st.sampled_from([M1, M5, M30, H4])
# Around 1970, where dividing and rounding change sign.
instants = st.integers(min_value=-200 * MINUTE, max_value=900 * MINUTE)
spans = st.tuples(instants, instants).map(lambda pair: Span(min(pair), max(pair)))


def naive_expected(timeframe: Timeframe, span: Span) -> list[int]:
    return [
        instant
        for instant in range(timeframe.floor_ms(span.start_ms), span.end_ms, timeframe.length_ms)
        if instant >= span.start_ms and instant + timeframe.length_ms <= span.end_ms
    ]


@given(timeframes, spans, st.data())
def test_gaps_are_the_expected_candles_that_are_absent(
    timeframe: Timeframe, span: Span, data: st.DataObject
) -> None:
    expected = naive_expected(timeframe, span)
    present = data.draw(st.lists(st.sampled_from(expected)) if expected else st.just([]))
    noise = data.draw(st.lists(instants, max_size=5))
    noise = [instant for instant in noise if instant % timeframe.length_ms]
    outside = [span.start_ms - span.start_ms % H4.length_ms - H4.length_ms]

    gaps = find_gaps([*present, *noise, *outside, *present], timeframe, span)

    absent = sorted(set(expected) - set(present))
    assert gaps == merge_spans(Span(i, i + timeframe.length_ms) for i in absent)
    assert count_expected(timeframe, span) == len(expected)


def test_a_full_span_has_no_gap_in_any_order_and_from_an_array() -> None:
    span = Span(-10 * MINUTE, 10 * MINUTE)
    opens = np.arange(span.start_ms, span.end_ms, MINUTE)[::-1]
    assert find_gaps(opens, M1, span) == []
    assert count_expected(M1, span) == 20


def test_an_empty_span_and_one_shorter_than_a_candle_expect_nothing() -> None:
    for span in (Span(0, 0), Span(1, MINUTE), Span(MINUTE - 1, 2 * MINUTE - 1)):
        assert find_gaps([], M1, span) == []
        assert count_expected(M1, span) == 0


def test_nothing_present_is_one_gap() -> None:
    assert find_gaps([], M5, Span(0, M5.length_ms * 12)) == [Span(0, M5.length_ms * 12)]


def test_a_candle_still_running_at_the_end_is_not_missed() -> None:
    span = Span(0, 2 * MINUTE + 30_000)
    assert find_gaps([0, MINUTE], M1, span) == []


def test_gaps_complete_the_coverage() -> None:
    span = Span(0, 60 * MINUTE)
    gaps = find_gaps([minute * MINUTE for minute in (0, 1, 5, 59)], M1, span)
    assert gaps == [Span(2 * MINUTE, 5 * MINUTE), Span(6 * MINUTE, 59 * MINUTE)]
    covered = subtract_spans(span, gaps)
    assert sum(part.end_ms - part.start_ms for part in covered) == 4 * MINUTE


def test_the_leap_day_is_expected_and_an_off_grid_time_proves_nothing() -> None:
    leap_day = Span(1_709_164_800_000, 1_709_251_200_000)  # 2024-02-29
    assert count_expected(M1, leap_day) == 1440
    shifted = [leap_day.start_ms + 1 + minute * MINUTE for minute in range(1440)]
    assert find_gaps(shifted, M1, leap_day) == [leap_day]
