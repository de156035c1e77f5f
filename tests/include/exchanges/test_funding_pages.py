"""Walking funding payments, and reading their interval off their neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.base import FundingPage
from include.exchanges.funding_pages import HOUR_MS, find_missing, intervals_ms, walk_funding
from include.exchanges.rows import NOT_STATED, FundingRows, join_funding
from include.market.errors import InvalidInputError, SourceUnavailableError
from include.market.span import Span

BASE_MS = 1_700_006_400_000
Spoil = Callable[[int, FundingRows], FundingRows]


def payments(hours: list[int], jitter_ms: int = 7, rate: float = 1e-4) -> FundingRows:
    count = len(hours)
    return FundingRows(
        np.array([BASE_MS + hour * HOUR_MS + jitter_ms for hour in hours], dtype=np.int64),
        np.full(count, rate),
        np.full(count, np.nan),
        np.full(count, NOT_STATED, dtype=np.int64),
        [str(hour).encode() for hour in hours],
    )


class Venue:
    """Payments in memory, the oldest of a span first; ``spoil`` may change the n-th answer."""

    def __init__(self, rows: FundingRows, spoil: Spoil | None = None) -> None:
        self.rows, self.asked = rows, list[int]()
        self._spoil = spoil or (lambda number, found: found)

    def __call__(self, asked: Span, limit: int) -> FundingRows:
        self.asked.append(asked.start_ms)
        inside = (self.rows.funding_ms >= asked.start_ms) & (self.rows.funding_ms < asked.end_ms)
        found = self.rows.take(inside).take(slice(0, limit))
        return self._spoil(len(self.asked), found)


def walk(
    venue: Venue, hours: int, *, limit: int = 3, stated_ms: int = NOT_STATED
) -> list[FundingPage]:
    span = Span(BASE_MS, BASE_MS + hours * HOUR_MS)
    return list(walk_funding(venue, span, page_limit=limit, stated_ms=stated_ms))


def hours_of(pages: list[FundingPage]) -> list[int]:
    joined = join_funding([page.rows for page in pages]).funding_ms
    return ((joined - BASE_MS) // HOUR_MS).tolist()  # type: ignore[no-any-return]


@given(
    steps=st.lists(st.sampled_from([1, 2, 4, 8]), min_size=0, max_size=30),
    limit=st.integers(2, 9),
    end=st.integers(1, 100),
)
def test_every_payment_of_the_span_comes_once(steps: list[int], limit: int, end: int) -> None:
    hours = np.cumsum([0, *steps]).tolist()
    assert hours_of(walk(Venue(payments(hours)), end, limit=limit)) == [h for h in hours if h < end]


def test_pages_overlap_by_one_payment_and_times_stay_as_sent() -> None:
    venue = Venue(payments([0, 8, 16, 24, 32], jitter_ms=19))
    pages = walk(venue, 33)
    assert hours_of(pages) == [0, 8, 16, 24, 32]
    assert venue.asked[1] == BASE_MS + 16 * HOUR_MS + 19
    assert {int(ms) % HOUR_MS for page in pages for ms in page.rows.funding_ms} == {19}
    assert [int(ms) for page in pages for ms in page.rows.interval_ms] == [8 * HOUR_MS] * 5


def test_a_span_without_payments_is_one_empty_page_after_two_answers() -> None:
    venue = Venue(payments([]))
    assert ([len(page.rows) for page in walk(venue, 8)], len(venue.asked)) == ([0], 2)


def test_an_empty_answer_is_not_believed_at_once() -> None:
    venue = Venue(
        payments([0, 8]), lambda number, found: found.take(slice(0, 0 if number == 1 else 9))
    )
    assert hours_of(walk(venue, 9)) == [0, 8]


def test_a_short_answer_is_asked_for_again_while_a_payment_is_due() -> None:
    venue = Venue(payments([0, 8, 16]), lambda n, found: found.take(slice(0, 1 if n < 3 else 9)))
    assert hours_of(walk(venue, 17)) == [0, 8, 16]


def test_pages_that_disagree_are_asked_again_and_then_end_the_walk() -> None:
    def revise(number: int, found: FundingRows) -> FundingRows:
        return replace(found, rate=found.rate + number)

    with pytest.raises(SourceUnavailableError, match="two pages disagree"):
        walk(Venue(payments([0, 8, 16, 24]), revise), 25)


def test_a_payment_repeated_for_ever_ends_the_walk() -> None:
    def repeat(number: int, found: FundingRows) -> FundingRows:
        return join_funding([found.take(slice(0, 1))] * 3) if number > 1 else found

    with pytest.raises(SourceUnavailableError, match="cursor does not move"):
        walk(Venue(payments([0, 8, 16, 24]), repeat), 25)


def test_other_times_than_asked_are_refused_and_some_are_dropped() -> None:
    with pytest.raises(SourceUnavailableError, match="none inside"):
        walk(Venue(payments([0]), lambda number, found: payments([99])), 8)
    more = Venue(payments([0, 8]), lambda number, found: join_funding([found, payments([99])]))
    assert sum(page.outside for page in walk(more, 9)) >= 1


def test_equal_payments_are_dropped_and_others_of_the_same_time_kept() -> None:
    twice = join_funding([payments([0]), payments([0]), payments([0], rate=5.0)])
    page = walk(Venue(payments([0]), lambda number, found: twice), 2, limit=9)[0]
    assert (len(page.rows), page.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("hours", "intervals"),
    [
        ([0, 8, 16], [8, 8, 8]),
        ([0, 8, 12, 16], [8, 8, 4, 4]),
        ([0, 1, 2, 4, 8], [1, 1, 1, 2, 4]),
        # Payment 12 is missing: 8 hours between two that are 4 apart are no interval.
        ([0, 4, 8, 16, 20, 24], [4, 4, 4, 4, 4, 4]),
        ([0, 8, 32, 40], [8, 8, 8, 8]),
        ([0], [3]),
        ([], []),
    ],
)
def test_the_interval_is_read_off_the_neighbours(hours: list[int], intervals: list[int]) -> None:
    found = intervals_ms(payments(hours).funding_ms, 3 * HOUR_MS)
    assert (found // HOUR_MS).tolist() == intervals


def test_what_the_venue_states_today_does_not_overrule_what_it_paid() -> None:
    found = intervals_ms(payments([0, 8, 16]).funding_ms, 4 * HOUR_MS)
    assert (found // HOUR_MS).tolist() == [8, 8, 8]


def test_missed_payments_are_told_as_the_span_between_their_neighbours() -> None:
    times = payments([0, 4, 8, 16, 20]).funding_ms
    assert find_missing(times, intervals_ms(times)) == (
        Span(int(times[2]) + 1, int(times[3])),
    )  # fmt: skip
    pages = walk(Venue(payments([0, 4, 8, 16, 20])), 21, limit=9)
    assert [len(page.missing) for page in pages] == [1]


def test_pages_of_one_payment_cannot_overlap() -> None:
    with pytest.raises(InvalidInputError, match="page_limit must be 2"):
        walk(Venue(payments([0])), 8, limit=1)
