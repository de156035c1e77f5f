"""Walking trades against a venue in memory that can spoil any of its answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.base import TradePage
from include.exchanges.trade_pages import SETTLE_MS, TradeRules, find_flaws, walk_trades
from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from include.market.span import Span
from tests.support.agg_trades import BASE_MS, MemoryVenue, Wire, trade, trade_rows, void

SPOT = TradeRules(page_limit=1000, ids_without_holes=True)
FUTURES = TradeRules(page_limit=1000, longest_ms=3_600_000 - 1, ids_without_holes=False)
LATER_MS = BASE_MS + 10**9


def walk(
    venue: MemoryVenue,
    first_ms: int,
    last_ms: int,
    *,
    limit: int = 3,
    rules: TradeRules = SPOT,
    now_ms: int = LATER_MS,
) -> list[TradePage]:
    span = Span(BASE_MS + first_ms, BASE_MS + last_ms)
    return list(walk_trades(venue, span, rules=rules, page_limit=limit, now_ms=now_ms))


def ids(pages: list[TradePage]) -> list[int]:
    return [agg_id for page in pages for agg_id in page.rows.agg_id.tolist()]


def ten() -> list[Wire]:
    return [trade(100 + number, number * 10) for number in range(10)]


def test_the_first_page_is_asked_by_time_and_the_others_by_id() -> None:
    venue = MemoryVenue(ten())
    assert ids(walk(venue, 20, 80)) == [102, 103, 104, 105, 106, 107]
    assert venue.asked == [("time", 20), ("id", 104), ("id", 106)]


def test_pages_touch_each_other_and_hold_only_what_is_complete() -> None:
    pages = walk(MemoryVenue(ten()), 5, 85)
    assert pages[0].span.start_ms == BASE_MS + 5
    assert pages[-1].span.end_ms == BASE_MS + 85
    for one, other in pairwise(pages):
        assert one.span.end_ms == other.span.start_ms
    for page in pages:
        assert (page.rows.time_ms >= page.span.start_ms).all()
        assert (page.rows.time_ms < page.span.end_ms).all()


@given(
    gaps=st.lists(st.sampled_from([0, 0, 1, 5, 4000]), min_size=0, max_size=40),
    limit=st.integers(2, 9),
    edges=st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)),
    rules=st.sampled_from([SPOT, FUTURES]),
)
def test_every_trade_of_the_span_comes_once_whatever_the_pages(
    gaps: list[int], limit: int, edges: tuple[int, int], rules: TradeRules
) -> None:
    times = np.cumsum([0, *gaps]).tolist()
    # A page must hold more than the trades of one millisecond, else nobody can get past it.
    rows = [trade(7 + n, ms) for n, ms in enumerate(times)]
    first, last = sorted(edges)
    got = walk(MemoryVenue(rows), first, last, limit=limit, rules=rules)
    assert ids(got) == [row["a"] for row in rows if first <= row["T"] - BASE_MS < last]
    assert sum(page.span.end_ms - page.span.start_ms for page in got) == last - first


def test_a_span_without_trades_is_one_empty_page_after_two_answers() -> None:
    venue = MemoryVenue(ten())
    pages = walk(venue, 11, 19)
    assert ([len(page.rows) for page in pages], len(venue.asked)) == ([0], 2)


def test_an_empty_first_answer_is_not_believed() -> None:
    venue = MemoryVenue(ten(), lambda number, found: [] if number == 1 else found)
    assert ids(walk(venue, 0, 30)) == [100, 101, 102]


def test_the_end_of_the_data_is_believed_when_two_answers_agree() -> None:
    venue = MemoryVenue(ten(), lambda number, found: found[:1] if number == 2 else found)
    assert ids(walk(venue, 0, 10_000, limit=5)) == list(range(100, 110))
    assert venue.asked[-2:] == [("id", 109), ("id", 109)]


def test_a_page_that_does_not_begin_with_the_last_trade_is_asked_for_again() -> None:
    def spoil(number: int, found: list[Wire]) -> list[Wire]:
        return [found[0] | {"p": "9"}, *found[1:]] if number == 2 else found

    venue = MemoryVenue(ten(), spoil)
    assert ids(walk(venue, 0, 50)) == [100, 101, 102, 103, 104]
    assert venue.asked[1] == venue.asked[2]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda number, found: [found[0] | {"q": "9"}, *found[1:]] if number > 1 else found,
        lambda number, found: found[1:] if number > 1 else found,
        lambda number, found: [] if number > 1 else found,
    ],
    ids=["another trade", "trade missing", "nothing"],
)
def test_pages_that_go_on_disagreeing_end_the_walk(spoil: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="two pages disagree about aggregate trade"):
        walk(MemoryVenue(ten(), spoil), 0, 90)


def test_a_cursor_that_does_not_move_ends_the_walk() -> None:
    def spoil(number: int, found: list[Wire]) -> list[Wire]:
        return [found[0]] * 3 if number > 1 else found

    with pytest.raises(SourceUnavailableError, match="cursor does not move"):
        walk(MemoryVenue(ten(), spoil), 0, 90)


def test_rows_before_the_range_are_dropped_and_counted() -> None:
    venue = MemoryVenue(ten(), lambda n, found: [trade(99, -5), *found] if n == 1 else found)
    pages = walk(venue, 0, 40)
    assert (ids(pages), sum(page.outside for page in pages)) == ([100, 101, 102, 103], 1)


def test_an_answer_from_before_the_range_alone_is_refused() -> None:
    with pytest.raises(SourceUnavailableError, match="from before it"):
        walk(MemoryVenue(ten(), lambda number, found: [trade(1, -5)]), 0, 40)


def test_a_hole_in_the_ids_is_asked_for_again_and_filled() -> None:
    venue = MemoryVenue(ten(), lambda n, found: [*found[:1], *found[2:]] if n == 2 else found)
    pages = walk(venue, 0, 90, limit=5)
    assert ids(pages) == list(range(100, 109))
    assert not any(page.missing_ids for page in pages)


def test_a_hole_that_stays_is_reported_on_spot_and_not_assumed_on_futures() -> None:
    rows = [row for row in ten() if row["a"] not in (103, 104, 107)]
    spot = walk(MemoryVenue(rows), 0, 95)
    assert [hole for page in spot for hole in page.missing_ids] == [(103, 104), (107, 107)]
    assert sum(page.fill_gaps for page in spot) == 2
    futures = walk(MemoryVenue(rows), 0, 95, rules=FUTURES)
    assert (ids(futures), [page.missing_ids for page in futures if page.missing_ids]) == (
        ids(spot), [],
    )  # fmt: skip


def test_trades_taken_back_and_repeated_ids_are_kept_and_counted() -> None:
    rows = [*ten()[:3], void(103, 30), trade(104, 40), trade(104, 41, p="5"), *ten()[5:]]
    pages = walk(MemoryVenue(rows), 0, 95, limit=4)
    assert ids(pages) == [100, 101, 102, 103, 104, 104, 105, 106, 107, 108, 109]
    assert sum(page.flawed for page in pages) == 2


def test_an_id_repeated_at_the_seam_of_two_pages_is_kept() -> None:
    rows = [*ten()[:3], trade(102, 25, p="5"), *ten()[3:]]
    assert ids(walk(MemoryVenue(rows), 0, 60)) == [100, 101, 102, 102, 103, 104, 105]


def test_a_page_out_of_order_is_put_in_order() -> None:
    venue = MemoryVenue(ten(), lambda number, found: found[::-1])
    assert ids(walk(venue, 0, 80)) == list(range(100, 108))


def test_the_venues_clock_decides_how_far_the_range_is_complete() -> None:
    pages = walk(MemoryVenue(ten()), 0, 10_000, now_ms=BASE_MS + 50 + SETTLE_MS)
    assert ids(pages) == [100, 101, 102, 103, 104]
    assert pages[-1].span.end_ms == BASE_MS + 50


def test_a_range_that_has_not_begun_is_an_empty_page_without_a_request() -> None:
    venue = MemoryVenue(ten())
    pages = walk(venue, 0, 100, now_ms=BASE_MS)
    assert ([page.span for page in pages], venue.asked) == ([Span(BASE_MS, BASE_MS)], [])


def test_futures_are_asked_in_windows_shorter_than_an_hour() -> None:
    hour = 3_600_000
    venue = MemoryVenue([trade(5, 2 * hour + 1000)])
    assert ids(walk(venue, 0, 3 * hour, rules=FUTURES)) == [5]
    starts = [at for kind, at in venue.asked if kind == "time"]
    assert starts == [0, 0, hour - 1, hour - 1, 2 * hour - 2]


def test_a_page_of_no_trades_is_a_broken_contract() -> None:
    with pytest.raises(ContractError, match="impossible price"):
        walk(MemoryVenue([row | {"p": "-1"} for row in ten()]), 0, 90, limit=5)


def test_pages_of_one_trade_cannot_overlap() -> None:
    with pytest.raises(InvalidInputError, match="page_limit must be 2"):
        walk(MemoryVenue(ten()), 0, 90, limit=1)


@pytest.mark.parametrize(
    ("flaw", "row"),
    [
        ("taken_back", void(101, 10)),
        ("repeated_id", trade(100, 10)),
        ("impossible_price", trade(101, 10, p="0")),
        ("impossible_price", trade(101, 10, p="1e13")),
        ("impossible_price", trade(101, 10, p="n/a")),
        ("impossible_quantity", trade(101, 10, q="-1")),
        ("impossible_fills", trade(101, 10, f=9, l=8)),
        ("impossible_fills", trade(101, 10, f=-1)),
        ("falling_time", trade(101, -10)),
    ],
)
def test_each_flaw_has_its_name_and_touches_no_sound_row(flaw: str, row: Wire) -> None:
    flaws = find_flaws(trade_rows([trade(100, 0), row, trade(102, 20)]))
    assert [name for name, broken in flaws.items() if broken.any()] == [flaw]
    assert flaws[flaw].tolist() == [False, True, False]
