"""Landing against a venue made of a dictionary."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.base import CandlePage
from include.exchanges.rows import CandleRows
from include.jobs.ask_twice import fetch_twice, fetch_windows, recheck_windows
from include.jobs.fetch_candles import next_span
from include.jobs.land_candles import (
    SETTLE_MS,
    split_batches,
    without_unsettled_tail,
)
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, M1, Timeframe
from tests.support.klines import candle_rows, kline

BASE = 20_000 * DAY_MS
MINUTE = M1.length_ms


def rows_of(minutes: list[int]) -> CandleRows:
    return candle_rows(kline(BASE + minute * MINUTE) for minute in minutes)


def minutes_of(rows: CandleRows) -> list[int]:
    return [(open_ms - BASE) // MINUTE for open_ms in rows.open_ms.tolist()]


class Venue:
    """Leaves out some minutes the first time it is asked, and others always."""

    def __init__(self, has: list[int], *, forgets: list[int]) -> None:
        self.has, self.forgets, self.asked = has, set(forgets), []  # type: ignore[var-annotated]

    def candles(
        self, symbol: str, timeframe: Timeframe, span: Span, *, page_limit: int
    ) -> Iterator[CandlePage]:
        self.asked.append(span)
        hidden = self.forgets if len(self.asked) == 1 else set()
        inside = [
            m
            for m in self.has
            if span.start_ms <= BASE + m * MINUTE < span.end_ms and m not in hidden
        ]
        yield CandlePage(span, rows_of(inside))


def hour(first: int, last: int) -> Span:
    return Span(BASE + first * MINUTE, BASE + last * MINUTE)


def test_a_minute_forgotten_once_is_recovered() -> None:
    venue = Venue(list(range(60)), forgets=[7, 8, 59])
    rows = fetch_twice(venue, "BTCUSDT", hour(0, 60), 1000).rows  # type: ignore[arg-type]
    assert minutes_of(rows) == list(range(60))


def test_an_absent_minute_was_asked_for_twice_with_its_neighbours() -> None:
    venue = Venue([m for m in range(60) if m != 30], forgets=[])
    rows = fetch_twice(venue, "BTCUSDT", hour(0, 60), 1000).rows  # type: ignore[arg-type]
    assert 30 not in minutes_of(rows)
    assert venue.asked[1] == hour(29, 32)


def test_a_second_answer_adds_no_row_outside_the_span() -> None:
    venue = Venue(list(range(-5, 70)), forgets=[0, 59])
    rows = fetch_twice(venue, "BTCUSDT", hour(0, 60), 1000).rows  # type: ignore[arg-type]
    assert minutes_of(rows) == list(range(60))


def test_many_holes_are_asked_for_by_the_page_not_one_by_one() -> None:
    holes = [hour(m, m + 1) for m in range(0, 2000, 2)]
    windows = recheck_windows(holes, 1000)
    assert len(windows) <= 3
    assert all(
        any(w.start_ms < hole.start_ms and hole.end_ms < w.end_ms for w in windows)
        for hole in holes
    )


@given(st.integers(min_value=0, max_value=60_000), st.integers(min_value=1, max_value=60_000))
def test_batches_tile_the_span_and_cut_at_midnights(start: int, length: int) -> None:
    span = hour(start, start + length)
    batches = list(split_batches(span, 7))
    assert (batches[0].start_ms, batches[-1].end_ms) == (span.start_ms, span.end_ms)
    assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(batches))
    assert all(batch.end_ms % DAY_MS == 0 for batch in batches[:-1])
    assert all(batch.start_time.month == from_ms(batch.end_ms - 1).month for batch in batches)


def test_a_late_newest_minute_is_not_called_absent_and_the_one_before_it_not_final() -> None:
    now = hour(0, 60).end_ms + 1000
    assert without_unsettled_tail(hour(0, 60), rows_of(list(range(58))), now) == hour(0, 57)
    assert without_unsettled_tail(hour(0, 60), rows_of(list(range(60))), now) == hour(0, 60)


def test_a_minute_absent_for_long_is_claimed_as_absent() -> None:
    now = hour(0, 60).end_ms + SETTLE_MS
    assert without_unsettled_tail(hour(0, 60), rows_of(list(range(58))), now) == hour(0, 60)
    recent = hour(0, 60).end_ms
    assert without_unsettled_tail(hour(0, 60), rows_of([0, 1]), recent) == hour(0, 50)


def test_nothing_at_all_yet_claims_nothing() -> None:
    assert not without_unsettled_tail(hour(0, 2), rows_of([]), hour(0, 2).end_ms)


def test_fetching_goes_on_where_coverage_ends_and_rereads_a_few() -> None:
    covered = [hour(-3000, -2000), hour(0, 60)]
    assert next_span(covered, hour(0, 65).end_ms, 5) == hour(55, 65)


def test_without_history_fetching_starts_at_midnight() -> None:
    assert next_span([], hour(0, 65).end_ms, 5) == hour(0, 65)


def test_rereading_does_not_reach_below_what_is_covered() -> None:
    assert next_span([hour(58, 60)], hour(0, 65).end_ms, 5) == hour(58, 65)


def test_nothing_is_fetched_before_a_candle_has_closed() -> None:
    assert not next_span([hour(0, 60)], hour(0, 60).end_ms, 5)


def test_a_silence_that_lasts_is_asked_for_again_in_its_newest_hours_only() -> None:
    covered, closed = [hour(0, 60)], hour(0, 2000)
    asked = hour(0, 1900).end_ms
    assert next_span(covered, closed.end_ms, 5, asked_ms=asked) == hour(1540, 2000)
    soon = hour(0, 100).end_ms
    assert next_span(covered, closed.end_ms, 5, asked_ms=soon) == hour(55, 2000)
    # What nobody has asked for yet is never passed over.
    assert next_span(covered, closed.end_ms, 5, asked_ms=None) == hour(55, 2000)


def test_only_holes_that_an_answer_showed_the_ends_of_are_seen() -> None:
    pages = [[1, 2, 5], [6, 7], [], [20, 22]]

    class Paged:
        def candles(self, *_: object, **__: object) -> Iterator[CandlePage]:
            # The second page was asked from minute 5 on, the last one after an empty answer.
            for start, minutes in zip((0, 6, 8, 15), pages, strict=True):
                if minutes:
                    yield CandlePage(hour(start, 30), rows_of(minutes))

    found = fetch_windows(Paged(), "BTCUSDT", [hour(0, 30)], 1000)  # type: ignore[arg-type]
    assert list(found.seen) == [hour(3, 5), hour(21, 22)]
    assert found.unproven(hour(1, 23)) == [hour(8, 20)]
    assert found.unproven(hour(0, 24)) == [hour(0, 1), hour(8, 20), hour(23, 24)]


def test_a_hole_between_two_pages_that_share_a_candle_is_seen() -> None:
    class Paged:
        def candles(self, *_: object, **__: object) -> Iterator[CandlePage]:
            yield CandlePage(hour(0, 30), rows_of([0, 1]))
            yield CandlePage(hour(2, 30), rows_of([9, 10]))
            # Asked from elsewhere: the minutes in between were in nobody's answer.
            yield CandlePage(hour(15, 30), rows_of([20]))

    found = fetch_windows(Paged(), "BTCUSDT", [hour(0, 30)], 1000)  # type: ignore[arg-type]
    assert list(found.seen) == [hour(2, 9)]
