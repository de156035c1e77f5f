"""Ask a venue for candles so that what it leaves out is known to be left out.

What an answer lacks is asked for again, with the candles on both sides. A hole that one answer
shows between two candles was *seen*: the venue had its chance to fill it and did not. Of what no
answer showed the ends of, only the silence is known, which proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from include.exchanges.base import CandlePage, CandleSource
from include.exchanges.rows import CandleRows, join_candles
from include.market.span import Span, merge_spans, subtract_all
from include.market.timeframe import M1
from include.quality.gaps import find_gaps


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows, and the holes that single answers showed between two of their candles."""

    rows: CandleRows
    seen: tuple[Span, ...] = ()

    def unproven(self, span: Span) -> list[Span]:
        """Return the parts of ``span`` without a row that no answer showed the ends of."""
        return subtract_all(find_gaps(self.rows.open_ms, M1, span), self.seen)


def fetch_twice(source: CandleSource, symbol: str, span: Span, page_limit: int) -> Fetched:
    """Return the rows of ``span``, in which every absent candle was asked for twice."""
    first = _fetch(source, symbol, span, page_limit)
    rows = first.rows
    windows = recheck_windows(find_gaps(rows.open_ms, M1, span), page_limit)
    if not windows:
        return first
    again = fetch_windows(source, symbol, windows, page_limit)
    inside = (again.rows.open_ms >= span.start_ms) & (again.rows.open_ms < span.end_ms)
    new = again.rows.take(inside & ~np.isin(again.rows.open_ms, rows.open_ms))
    rows = join_candles([rows, new])
    in_order = rows.take(np.argsort(rows.open_ms, kind="stable"))
    return Fetched(in_order, tuple(merge_spans([*first.seen, *again.seen])))


def fetch_windows(
    source: CandleSource, symbol: str, windows: Sequence[Span], page_limit: int
) -> Fetched:
    """Return what the venue has of each of ``windows``, one after the other."""
    found = [_fetch(source, symbol, window, page_limit) for window in windows]
    seen = merge_spans(hole for one in found for hole in one.seen)
    return Fetched(join_candles([one.rows for one in found]), tuple(seen))


def recheck_windows(holes: Sequence[Span], page_limit: int) -> list[Span]:
    """Return the spans to ask again for ``holes``: neighbours included, holes of one page together.

    An answer that holds both neighbours of a hole and nothing between them proves the hole.
    """
    longest_ms = page_limit * M1.length_ms
    windows: list[Span] = []
    for hole in holes:
        wider = Span(max(0, hole.start_ms - M1.length_ms), hole.end_ms + M1.length_ms)
        if windows and wider.end_ms - windows[-1].start_ms <= longest_ms:
            windows[-1] = Span(windows[-1].start_ms, wider.end_ms)
        else:
            windows.append(wider)
    return windows


def holes_between(rows: CandleRows) -> list[Span]:
    """Return the holes between the candles of one answer, whose rows are sorted."""
    opens = rows.open_ms
    places = np.flatnonzero(np.diff(opens) > M1.length_ms)
    starts, ends = opens[places] + M1.length_ms, opens[places + 1]
    return [Span(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _fetch(source: CandleSource, symbol: str, span: Span, page_limit: int) -> Fetched:
    pages = list(source.candles(symbol, M1, span, page_limit=page_limit))
    return Fetched(join_candles([page.rows for page in pages]), tuple(_seen(pages)))


def _seen(pages: Sequence[CandlePage]) -> list[Span]:
    inside = [hole for page in pages for hole in holes_between(page.rows)]
    return merge_spans([*inside, *_between_pages(pages)])


def _between_pages(pages: Sequence[CandlePage]) -> Iterator[Span]:
    """Yield the holes between pages that touch: the later one was asked from the last candle on.

    It came with that candle, so its answer held both ends. After an answer without any candle a
    page begins elsewhere.
    """
    for before, after in pairwise(pages):
        if len(before.rows) and len(after.rows):
            end_ms = int(before.rows.open_ms[-1]) + M1.length_ms
            first_ms = int(after.rows.open_ms[0])
            if after.span.start_ms == end_ms < first_ms:
                yield Span(end_ms, first_ms)
