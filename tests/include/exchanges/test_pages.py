"""Paging against venues made of a dictionary, honest and otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.base import CandlePage
from include.exchanges.pages import require_plausible, walk_candles
from include.exchanges.rows import CandleRows, join_candles, no_candles
from include.exchanges.traits import RangeRule, VenueTraits
from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from include.market.span import Span
from include.market.timeframe import M1, M5
from tests.support.klines import candle_rows, kline

BASE = 25_000_000 * M1.length_ms
Answer = Callable[[Span, int], CandleRows]


def rows_of(minutes: Iterable[int], **changes: Any) -> CandleRows:
    return candle_rows(kline(BASE + minute * M1.length_ms, **changes) for minute in minutes)


def minutes_in(span: Span) -> range:
    first, last = (span.start_ms - BASE) // M1.length_ms, (span.end_ms - BASE) // M1.length_ms
    return range(first, last)


class Venue:
    """Has some minutes; ``lies`` replace its answers by number of the request."""

    def __init__(self, has: Iterable[int], rule: RangeRule = "oldest", **lies: Answer) -> None:
        self.has, self.rule, self.lies = sorted(has), rule, lies
        self.asked: list[Span] = []

    def __call__(self, span: Span, limit: int) -> CandleRows:
        self.asked.append(span)
        lie = self.lies.get(f"answer_{len(self.asked)}")
        return self.honest(span, limit) if lie is None else lie(span, limit)

    def honest(self, span: Span, limit: int) -> CandleRows:
        inside = [minute for minute in self.has if minute in minutes_in(span)]
        return rows_of(inside[:limit] if self.rule == "oldest" else inside[-limit:])

    def walk(self, first: int, last: int, *, limit: int = 4) -> list[CandlePage]:
        span = Span(BASE + first * M1.length_ms, BASE + last * M1.length_ms)
        traits = VenueTraits(page_limit=1000, range_rule=self.rule)
        return list(walk_candles(self, M1, span, traits=traits, page_limit=limit))


def minutes(pages: list[CandlePage]) -> list[int]:
    rows = join_candles([page.rows for page in pages])
    return [(open_ms - BASE) // M1.length_ms for open_ms in rows.open_ms.tolist()]


@given(st.sets(st.integers(0, 60)), st.integers(2, 9), st.sampled_from(["oldest", "window"]))
def test_every_candle_of_the_span_comes_once_and_in_order(
    has: set[int], limit: int, rule: RangeRule
) -> None:
    pages = Venue(has, rule).walk(5, 50, limit=limit)
    assert minutes(pages) == sorted(minute for minute in has if 5 <= minute < 50)
    assert pages
    assert all((np.diff(page.rows.open_ms) > 0).all() for page in pages)


def test_absence_is_asked_for_twice_the_second_time_wider() -> None:
    venue = Venue([])
    assert minutes(venue.walk(3, 9)) == []
    assert [list(minutes_in(span)) for span in venue.asked] == [
        list(range(3, 9)),
        list(range(2, 9)),
    ]


@pytest.mark.parametrize("rule", ["oldest", "window"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_empty_answer_hides_nothing(number: int, rule: RangeRule) -> None:
    venue = Venue(range(12), rule, **{f"answer_{number}": lambda span, limit: no_candles()})
    assert minutes(venue.walk(0, 12)) == list(range(12))


@pytest.mark.parametrize("rule", ["oldest", "window"])
def test_a_page_cut_short_is_gone_on_from_where_it_ends(rule: RangeRule) -> None:
    venue = Venue(range(12), rule)
    venue.lies["answer_2"] = lambda span, limit: venue.honest(span, limit).take(slice(0, 2))
    assert minutes(venue.walk(0, 12)) == list(range(12))


def test_rows_outside_the_range_are_dropped_and_counted() -> None:
    venue = Venue(range(12))
    venue.lies["answer_1"] = lambda span, limit: rows_of(range(20))
    page = venue.walk(3, 9, limit=100)[0]
    assert (minutes([page]), page.outside) == ([3, 4, 5, 6, 7, 8], 14)


def test_an_answer_to_another_question_is_refused() -> None:
    venue = Venue(range(12), answer_1=lambda span, limit: rows_of([50, 51]))
    with pytest.raises(SourceUnavailableError, match="none of them inside"):
        venue.walk(0, 12)


def test_a_cursor_that_stands_still_ends_the_walk() -> None:
    def same(span: Span, limit: int) -> CandleRows:
        return rows_of(range(4))

    venue = Venue(range(12), answer_2=same, answer_3=same)
    with pytest.raises(SourceUnavailableError, match="its cursor does not move"):
        venue.walk(0, 12)
    assert len(venue.asked) < 5


def test_rows_sent_again_are_dropped_and_counted() -> None:
    venue = Venue(range(3), answer_1=lambda span, limit: rows_of([0, 1, 1, 2, 2, 2]))
    page = venue.walk(0, 3, limit=100)[0]
    assert (minutes([page]), page.repeated) == ([0, 1, 2], 3)


def test_two_values_for_one_candle_are_both_left_to_the_gate() -> None:
    venue = Venue(
        range(3),
        answer_1=lambda span, limit: join_candles([rows_of([0, 1, 2]), rows_of([1], close="100")]),
    )
    assert minutes(venue.walk(0, 3, limit=100)) == [0, 1, 1, 2]


def test_an_hour_told_twice_is_refused() -> None:
    doubled = join_candles([rows_of(range(9)), rows_of([2, 4, 6], close="100")])
    with pytest.raises(SourceUnavailableError, match="two values for each of 3 candles"):
        Venue([], answer_1=lambda span, limit: doubled).walk(0, 9, limit=100)


@pytest.mark.parametrize("shift", [4, -4])
def test_an_answer_that_is_shifted_is_refused(shift: int) -> None:
    moved = rows_of(range(10 + shift, 30 + shift))
    with pytest.raises(SourceUnavailableError, match="its times are shifted"):
        Venue([], answer_1=lambda span, limit: moved).walk(10, 30, limit=100)


def test_a_page_cut_at_the_limit_need_not_reach_the_end() -> None:
    venue = Venue(range(40), answer_1=lambda span, limit: rows_of(range(6, 20)))
    assert minutes(venue.walk(10, 30, limit=14)) == list(range(10, 30))


def test_a_page_that_contradicts_the_one_before_is_asked_again() -> None:
    venue = Venue(range(8), answer_2=lambda span, limit: rows_of(range(3, 7), close="100"))
    assert minutes(venue.walk(0, 8)) == list(range(8))
    assert venue.asked[1] == venue.asked[2]


def test_a_venue_that_keeps_contradicting_itself_is_not_believed() -> None:
    def other(span: Span, limit: int) -> CandleRows:
        return rows_of(range(3, 7), close="100")

    venue = Venue(range(8), answer_2=other, answer_3=other)
    with pytest.raises(SourceUnavailableError, match="disagree"):
        venue.walk(0, 8)


def test_a_shuffled_page_is_put_in_order() -> None:
    venue = Venue(range(4), answer_1=lambda span, limit: rows_of([2, 0, 3, 1]))
    assert minutes(venue.walk(0, 4, limit=100)) == [0, 1, 2, 3]


def test_pages_of_one_candle_cannot_overlap() -> None:
    with pytest.raises(InvalidInputError, match="page_limit"):
        Venue(range(4)).walk(0, 4, limit=1)


@pytest.mark.parametrize(
    ("law", "changes"),
    [
        ("low <= open", {"open": "99", "low": "100"}),
        ("low <= open", {"open": "nonsense"}),
        ("quote volume worth", {"volume": "1000", "quote": "10", "taker": "4"}),
        ("taker volume within", {"taker": "11"}),
        ("1m long", {"close_ms": BASE + 299_999}),
    ],
)
def test_a_page_of_other_columns_stops_everything(law: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=law):
        require_plausible(rows_of(range(6), **changes), M1)
    # A few bad rows among good ones are the gate's business.
    require_plausible(join_candles([rows_of(range(3), **changes), rows_of(range(9))]), M1)


def test_candles_of_another_timeframe_are_refused() -> None:
    with pytest.raises(ContractError, match="long"):
        require_plausible(rows_of(range(10)), M5)
    unsaid = rows_of(range(1, 10))
    with pytest.raises(ContractError, match="grid"):
        require_plausible(CandleRows(unsaid.open_ms, unsaid.close_ms * 0 - 1, *rest(unsaid)), M5)


def test_candles_that_begin_late_but_last_a_minute_are_left_to_the_gate() -> None:
    rows = rows_of(range(6))
    late = CandleRows(rows.open_ms + 14_789, rows.close_ms + 14_789, *rest(rows))
    require_plausible(late, M1)


def rest(rows: CandleRows) -> tuple[Any, Any]:
    return rows.values, rows.raw


def test_columns_a_venue_never_states_break_no_law() -> None:
    rows = rows_of(range(6))
    rows.values[:, 5:] = np.nan
    require_plausible(CandleRows(rows.open_ms, np.full(6, -1), rows.values, rows.raw), M1)
