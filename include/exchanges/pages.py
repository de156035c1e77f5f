"""Walk a venue's candles page by page, and believe nothing that cannot be right. Pure.

What a page must pass before a row of it is kept:

* rows outside the range asked for are dropped and counted; an answer of nothing else is refused,
  and one whose rows lie beyond one end while the other end is empty: its times are shifted;
* rows sent again, equal to the last bit, are dropped and counted; a few others are left to the
  gate, many mean that an hour was told twice;
* every page after the first begins with the last candle of the one before, and both must agree;
* the cursor grows strictly, else the walk ends with an error instead of running for ever;
* most rows must be plausible candles on the grid, else the format has changed;
* an empty page proves nothing until a second, wider request agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.exchanges.base import CandlePage
from include.exchanges.rows import NOT_STATED, CandleRows, Ints, no_candles
from include.exchanges.traits import VenueTraits
from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from include.market.span import Span, from_ms
from include.market.timeframe import Timeframe

Ask: TypeAlias = Callable[[Span, int], CandleRows]
"""One request: the venue's rows for candles that open in a span, at most so many, as sent."""

QUOTE_TOLERANCE = 1e-3
FEW_ROWS = 2
"""So many implausible rows are the gate's business, whatever the size of the page."""


def walk_candles(
    ask: Ask, timeframe: Timeframe, span: Span, *, traits: VenueTraits, page_limit: int
) -> Iterator[CandlePage]:
    """Yield pages that together hold every candle opening in ``span``, oldest first.

    At least one page comes, an empty one where there is no candle.

    Raises:
        SourceUnavailableError: the venue contradicts itself, or answers other ranges than asked.
        ContractError: the rows are no candles of ``timeframe``.
    """
    walk = _Walk(ask, timeframe, traits, limit=_page_rows(page_limit, traits))
    cursor_ms, last, found = span.start_ms, None, False
    while cursor_ms < span.end_ms:
        window = walk.window(cursor_ms if last is None else _open_of(last), span.end_ms)
        page = walk.page_after(last, window, cursor_ms)
        if len(page.rows):
            found = True
            yield page
            last = page.rows.take(slice(-1, None))
            cursor_ms = timeframe.floor_ms(_open_of(last)) + timeframe.length_ms
        elif traits.range_rule == "oldest":
            break
        else:
            cursor_ms, last = window.end_ms, None
    if not found:
        yield CandlePage(span, no_candles())


class _Walk:
    """The requests of one walk."""

    def __init__(self, ask: Ask, timeframe: Timeframe, traits: VenueTraits, *, limit: int) -> None:
        self._ask, self._timeframe, self._traits, self._limit = ask, timeframe, traits, limit

    def window(self, start_ms: int, end_ms: int) -> Span:
        """Return what to ask for from ``start_ms`` on."""
        if self._traits.range_rule == "window":
            end_ms = min(end_ms, start_ms + self._limit * self._timeframe.length_ms)
        return Span(start_ms, end_ms)

    def page_after(self, last: CandleRows | None, window: Span, cursor_ms: int) -> CandlePage:
        """Return the new candles of ``window``, asked for once more where they seem wrong."""
        page = self._page(window)
        if last is not None and not _begins_with(page.rows, last):
            page = self._page(window)
            if not _begins_with(page.rows, last):
                raise SourceUnavailableError(
                    "two pages disagree about the candle of "
                    f"{from_ms(_open_of(last)):%Y-%m-%d %H:%M}: the venue may be revising it, ask "
                    "again later"
                )
        new = self._from(page, cursor_ms)
        if len(new.rows):
            return new
        if page.outside:
            raise SourceUnavailableError(
                f"asked for candles of {window} the venue repeated {page.outside} others: "
                "its cursor does not move"
            )
        # Nothing is proven by silence: ask again for more than what seemed empty.
        wider = Span(max(0, window.start_ms - self._timeframe.length_ms), window.end_ms)
        return self._from(self._page(wider), cursor_ms)

    def _page(self, window: Span) -> CandlePage:
        rows = self._ask(window, self._limit)
        inside = (rows.open_ms >= window.start_ms) & (rows.open_ms < window.end_ms)
        kept = rows if inside.all() else rows.take(inside)
        if len(rows) and not len(kept):
            raise SourceUnavailableError(
                f"asked for candles of {window} the venue sent {len(rows)} from "
                f"{int(rows.open_ms.min())} to {int(rows.open_ms.max())} (epoch ms), none of them "
                "inside"
            )
        is_cut = len(rows) >= self._limit
        require_unshifted(rows.open_ms, window, self._timeframe, is_cut=is_cut)
        require_plausible(kept, self._timeframe)
        if (np.diff(kept.open_ms) <= 0).any():
            kept = kept.take(np.argsort(kept.open_ms, kind="stable"))
        unique = _without_repeats(kept)
        require_one_value_each(unique)
        return CandlePage(window, unique, len(rows) - len(kept), len(kept) - len(unique))

    def _from(self, page: CandlePage, cursor_ms: int) -> CandlePage:
        first = int(np.searchsorted(page.rows.open_ms, cursor_ms))
        span = Span(cursor_ms, page.span.end_ms)
        return CandlePage(span, page.rows.take(slice(first, None)), page.outside, page.repeated)


def require_plausible(rows: CandleRows, timeframe: Timeframe) -> None:
    """Refuse a page of which most rows are no candles: its columns or units have changed.

    Raises:
        ContractError: over half of the rows, and more than two, break the same law.
    """
    low, high = rows.column("low"), rows.column("high")
    opened, closed = rows.column("open"), rows.column("close")
    volume, quote = rows.column("volume"), rows.column("quote_volume")
    stated = rows.close_ms != NOT_STATED
    with np.errstate(invalid="ignore", over="ignore"):
        laws = {
            # Where the length is stated and right, the venue itself began late after an outage:
            # the gate refuses such candles one by one.
            "open times on the grid": ~stated & (rows.open_ms % timeframe.length_ms != 0),
            f"candles {timeframe.label} long": stated
            & (rows.close_ms != rows.open_ms + timeframe.length_ms - 1),
            "low <= open, close <= high": (low > np.fmin(opened, closed))
            | (high < np.fmax(opened, closed))
            | ~np.isfinite(low + high + opened + closed),
            "quote volume worth low to high": _worth(quote, volume, low, high),
            "taker volume within volume": rows.column("taker_buy_volume") > volume,
        }
    for law, broken in laws.items():
        count = int(np.count_nonzero(broken))
        if count > max(FEW_ROWS, len(rows) // 2):
            example = rows.raw[int(np.flatnonzero(broken)[0])][:160]
            raise ContractError(
                f"expected {law}, but {count} of {len(rows)} rows break it: did the venue change "
                f"columns or units? For example {example.decode('ascii', 'backslashreplace')}"
            )


def require_unshifted(
    open_ms: Ints, asked: Span, timeframe: Timeframe, *, is_cut: bool = False
) -> None:
    """Refuse an answer that reaches beyond one end of what was asked and leaves the other empty.

    So look local times, and a clock that was set back: rows are right but stand an hour off. An
    answer that ``is_cut`` at a limit need not reach the end.

    Raises:
        SourceUnavailableError: more than two candles too many there and too few here.
    """
    inside = open_ms[(open_ms >= asked.start_ms) & (open_ms < asked.end_ms)]
    if len(inside) == len(open_ms):
        return
    before, after = (open_ms < asked.start_ms).sum(), (open_ms >= asked.end_ms).sum()
    first_ms, last_ms = (inside.min(), inside.max()) if len(inside) else (asked.end_ms, 0)
    head = (first_ms - asked.start_ms) // timeframe.length_ms
    tail = 0 if is_cut else (asked.end_ms - last_ms) // timeframe.length_ms - 1
    if min(after, head) > FEW_ROWS or min(before, tail) > FEW_ROWS:
        raise SourceUnavailableError(
            f"asked for candles of {asked} the answer lacks {head} at its start and {tail} at its "
            f"end, but holds {before} from before and {after} from after: its times are shifted"
        )


def require_one_value_each(rows: CandleRows) -> None:
    """Refuse sorted rows of which several share an open time and yet differ.

    Raises:
        SourceUnavailableError: more than two do: nobody can tell which are right.
    """
    doubled = rows.open_ms[1:][np.diff(rows.open_ms) == 0]
    if len(doubled) > FEW_ROWS:
        raise SourceUnavailableError(
            f"the answer holds two values for each of {len(doubled)} candles, the first of "
            f"{from_ms(int(doubled[0])):%Y-%m-%d %H:%M}: was a clock set back?"
        )


def _worth(
    quote: NDArray[np.float64],
    volume: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.bool_]:
    too_little = quote < low * volume * (1 - QUOTE_TOLERANCE) - 1e-4
    return too_little | (quote > high * volume * (1 + QUOTE_TOLERANCE) + 1e-4)


def _without_repeats(rows: CandleRows) -> CandleRows:
    doubtful = np.flatnonzero(np.diff(rows.open_ms) == 0) + 1
    if not len(doubtful):
        return rows
    keep = np.ones(len(rows), dtype=np.bool_)
    for position in doubtful.tolist():
        keep[position] = not _same(rows, position, position - 1)
    return rows.take(keep)


def _same(rows: CandleRows, one: int, other: int) -> bool:
    return bool(
        rows.open_ms[one] == rows.open_ms[other]
        and rows.close_ms[one] == rows.close_ms[other]
        and np.array_equal(rows.values[one], rows.values[other], equal_nan=True)
    )


def _begins_with(rows: CandleRows, last: CandleRows) -> bool:
    if not len(rows):
        # An empty page contradicts nobody; it is asked for again, wider.
        return True
    return bool(
        rows.open_ms[0] == last.open_ms[0]
        and rows.close_ms[0] == last.close_ms[0]
        and np.array_equal(rows.values[0], last.values[0], equal_nan=True)
    )


def _page_rows(page_limit: int, traits: VenueTraits) -> int:
    limit = min(page_limit, traits.page_limit)
    if limit < 2:
        raise InvalidInputError(
            f"page_limit must be 2 or more, since pages overlap by one candle, was {page_limit}"
        )
    return limit


def _open_of(row: CandleRows) -> int:
    return int(row.open_ms[-1])
