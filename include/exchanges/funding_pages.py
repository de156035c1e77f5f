"""Walk a venue's funding payments page by page, and tell each payment's interval. Pure.

Venues change the interval of a symbol (8 to 4 to 1 hour) and pay a few milliseconds after the
boundary, so times are kept as sent and an interval is read off the neighbouring payments; what the
venue states today is used only where there is no neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from include.exchanges.base import FundingPage
from include.exchanges.rows import (
    NOT_STATED,
    Bools,
    Floats,
    FundingRows,
    Ints,
    join_funding,
    no_funding,
)
from include.market.errors import InvalidInputError, SourceUnavailableError
from include.market.span import Span

AskFunding: TypeAlias = Callable[[Span, int], FundingRows]
"""One request: payments of a span, at most so many, the oldest first choice; as sent."""

HOUR_MS = 3_600_000
INTERVALS_H = (1, 2, 4, 8)
JITTER_MS = 60_000
"""Payments lie this near to the full hour; recorded ones 0 to 19 ms after it."""


def walk_funding(
    ask: AskFunding, span: Span, *, page_limit: int, stated_ms: int = NOT_STATED
) -> Iterator[FundingPage]:
    """Yield pages that together hold every payment of ``span``, oldest first; at least one page.

    ``stated_ms`` is the interval the venue states now, used where no neighbour tells better.

    Raises:
        SourceUnavailableError: pages contradict each other, or the cursor does not move.
    """
    if page_limit < 2:
        raise InvalidInputError(
            f"page_limit must be 2 or more, since pages overlap by one payment, was {page_limit}"
        )
    last, cursor_ms, found = no_funding(), span.start_ms, False
    while cursor_ms < span.end_ms:
        asked = Span(int(last.funding_ms[0]) if len(last) else cursor_ms, span.end_ms)
        page = _page_after(ask, last, asked, page_limit, due=_is_due(last, span))
        if not len(page.rows):
            break
        found = True
        joined = join_funding((last, page.rows))
        interval_ms = intervals_ms(joined.funding_ms, stated_ms)
        missing = find_missing(joined.funding_ms, interval_ms)
        rows = replace(page.rows, interval_ms=interval_ms[len(last) :])
        yield FundingPage(Span(cursor_ms, span.end_ms), rows, page.outside, page.repeated, missing)
        last = rows.take(rows.funding_ms == rows.funding_ms[-1])
        cursor_ms = int(last.funding_ms[0]) + 1
    if not found:
        yield FundingPage(span, no_funding())


def intervals_ms(funding_ms: Ints, stated_ms: int = NOT_STATED) -> Ints:
    """Return each payment's interval: the time since the one before, on whole hours.

    The first payment takes the time to the next. A distance that no interval has, or twice that of
    both neighbours, is a missed payment, not an interval.
    """
    apart = np.round(np.diff(funding_ms) / HOUR_MS).astype(np.int64)
    exact = np.abs(np.diff(funding_ms) - apart * HOUR_MS) <= JITTER_MS
    back = np.where(exact & np.isin(apart, INTERVALS_H), apart * HOUR_MS, NOT_STATED)
    for at in range(1, len(back) - 1):
        if back[at - 1] == back[at + 1] < back[at]:
            back[at] = NOT_STATED
    found = np.concatenate(([NOT_STATED], back)).astype(np.int64)[: len(funding_ms)]
    after = np.concatenate((back, [NOT_STATED])).astype(np.int64)[: len(funding_ms)]
    found = np.where(found == NOT_STATED, after, found)
    return np.where(found == NOT_STATED, stated_ms, found)


def find_missing(funding_ms: Ints, interval_ms: Ints) -> tuple[Span, ...]:
    """Return the spans between two payments where others were due; ``interval_ms`` of each one."""
    if len(funding_ms) < 2:
        return ()
    late = np.diff(funding_ms) > interval_ms[1:] + JITTER_MS
    known = interval_ms[1:] != NOT_STATED
    return tuple(
        Span(int(funding_ms[at]) + 1, int(funding_ms[at + 1]))
        for at in np.flatnonzero(late & known).tolist()
    )


def _is_due(last: FundingRows, span: Span) -> bool:
    """Tell whether a payment after ``last`` is expected before ``span`` ends."""
    if not len(last):
        return True
    interval_ms = int(last.interval_ms[0])
    return int(last.funding_ms[0]) + max(interval_ms, HOUR_MS) + JITTER_MS < span.end_ms


def _page_after(
    ask: AskFunding, last: FundingRows, asked: Span, limit: int, *, due: bool
) -> FundingPage:
    page = _page(ask, asked, limit)
    if (due and len(page.rows) <= len(last)) or not _begins_with(page.rows, last):
        # Nothing is proven by silence, nor by a payment that another page told differently.
        page = _page(ask, asked, limit)
    if len(last) and not _begins_with(page.rows, last):
        raise SourceUnavailableError(
            f"two pages disagree about the funding payment of {int(last.funding_ms[0])} (epoch ms):"
            " ask again later"
        )
    fresh = page.rows.take(slice(len(last), None))
    if not len(fresh) and page.repeated + len(last) >= limit:
        raise SourceUnavailableError(
            f"asked for funding of {asked} the venue repeats one payment: its cursor does not move"
        )
    return FundingPage(asked, fresh, page.outside, page.repeated)


def _page(ask: AskFunding, asked: Span, limit: int) -> FundingPage:
    rows = ask(asked, limit)
    inside = (rows.funding_ms >= asked.start_ms) & (rows.funding_ms < asked.end_ms)
    kept = rows.take(inside)
    if len(rows) and not len(kept):
        raise SourceUnavailableError(
            f"asked for funding of {asked} the venue sent {len(rows)} payments from "
            f"{int(rows.funding_ms.min())} to {int(rows.funding_ms.max())} (epoch ms), none inside"
        )
    kept = kept.take(np.argsort(kept.funding_ms, kind="stable"))
    again = np.zeros(len(kept), dtype=np.bool_)
    again[1:] = (
        (np.diff(kept.funding_ms) == 0)
        & (kept.rate[1:] == kept.rate[:-1])
        & _alike(kept.mark_price[1:], kept.mark_price[:-1])
    )
    return FundingPage(
        asked, kept.take(~again), len(rows) - len(kept), int(np.count_nonzero(again))
    )


def _begins_with(rows: FundingRows, last: FundingRows) -> bool:
    head = rows.take(slice(0, len(last)))
    return bool(
        np.array_equal(head.funding_ms, last.funding_ms)
        and np.array_equal(head.rate, last.rate, equal_nan=True)
        and np.array_equal(head.mark_price, last.mark_price, equal_nan=True)
    )


def _alike(one: Floats, other: Floats) -> Bools:
    alike: Bools = (one == other) | (np.isnan(one) & np.isnan(other))
    return alike
