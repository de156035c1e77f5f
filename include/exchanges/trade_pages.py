"""Walk a venue's aggregate trades page by page: the first by time, the others by id. Pure.

What a page must pass before a row of it is kept:

* every page after the first begins with the last trade of the one before, and both must agree;
* ids must rise from page to page, else the walk ends with an error instead of running for ever;
* rows before the range asked for are dropped and counted;
* where the venue promises ids without holes, a page with a hole is asked for again, and a hole that
  stays is reported; on futures a hole is the venue's right and is not reported;
* rows that cannot be trades are kept and counted, for the gate to refuse with their raw text;
* the end of the data is believed when two answers agree about it, and the venue's clock, not a
  short page, decides how far the range can be complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from include.exchanges.base import TradePage
from include.exchanges.rows import TradeRows, join_trades, no_trades
from include.market.candle import MAX_PRICE, MAX_VOLUME
from include.market.errors import ContractError, InvalidInputError, SourceUnavailableError
from include.market.span import Span

FEW_ROWS = 2
SETTLE_MS = 1_000
"""A trade younger than this may still be joined by others of its aggregate (100 ms on futures)."""
COMPARED = ("agg_id", "price", "quantity", "first_trade_id", "last_trade_id", "time_ms")


class AskTrades(Protocol):
    """The two requests of a walk; rows come as sent."""

    def by_time(self, span: Span, limit: int) -> TradeRows:
        """Ask for the oldest trades of ``span``, at most ``limit``."""
        ...

    def by_id(self, agg_id: int, limit: int) -> TradeRows:
        """Ask for the trades from ``agg_id`` on, itself included, at most ``limit``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRules:
    """A venue's habits: most rows a page, longest range by time, and whether ids leave no hole."""

    page_limit: int
    longest_ms: int | None = None
    ids_without_holes: bool


def walk_trades(
    ask: AskTrades, span: Span, *, rules: TradeRules, page_limit: int, now_ms: int
) -> Iterator[TradePage]:
    """Yield pages that together hold every trade of ``span``, as far as ``now_ms`` lets it be over.

    ``now_ms`` is the venue's clock. At least one page comes. A page ends before the millisecond of
    the last trade received, whose others may come on the next page.

    Raises:
        SourceUnavailableError: the venue contradicts itself, or its cursor does not move.
        ContractError: most rows of a page are no trades.
    """
    limit = min(page_limit, rules.page_limit)
    if limit < 2:
        raise InvalidInputError(
            f"page_limit must be 2 or more, since pages overlap by one trade, was {page_limit}"
        )
    span = Span(span.start_ms, max(span.start_ms, min(span.end_ms, now_ms - SETTLE_MS)))
    walk = _Walk(ask, rules, limit)
    rows, outside = walk.first(span)
    held, cursor_ms = rows, span.start_ms
    before = no_trades()
    while True:
        more = len(rows) > 0 and int(rows.time_ms.max()) < span.end_ms
        reach_ms = int(held.time_ms.max()) if more else span.end_ms
        if reach_ms > cursor_ms or not more:
            # Times rise with ids; should one fall back, it belongs to the page that brings it.
            done = np.maximum.accumulate(held.time_ms) < reach_ms
            page = held.take(done)
            yield walk.describe(Span(cursor_ms, reach_ms), page, before, outside)
            held, cursor_ms, outside = held.take(~done), reach_ms, 0
            before = page.take(slice(-1, None)) if len(page) else before
        if not more:
            return
        rows, dropped = walk.after_last()
        held, outside = join_trades((held, rows)), outside + dropped


class _Walk:
    """The requests of one walk."""

    def __init__(self, ask: AskTrades, rules: TradeRules, limit: int) -> None:
        self._ask, self._rules, self._limit = ask, rules, limit
        self._last = no_trades()

    def first(self, span: Span) -> tuple[TradeRows, int]:
        """Return the oldest trades of ``span`` and how many rows lay before it."""
        step_ms = self._rules.longest_ms or max(1, span.end_ms - span.start_ms)
        for start_ms in range(span.start_ms, span.end_ms, step_ms):
            window = Span(start_ms, min(span.end_ms, start_ms + step_ms))
            rows, before = self._surely(partial(self._by_time, window))
            if len(rows):
                self._last = rows.take(rows.agg_id == rows.agg_id[-1])
                return rows, before
        return no_trades(), 0

    def after_last(self) -> tuple[TradeRows, int]:
        """Return the trades that follow the last one and how many older rows came with them."""
        rows, before = self._surely(self._by_id)
        known = join_trades((self._last, rows))
        self._last = known.take(known.agg_id == known.agg_id[-1])
        return rows, before

    def _surely(self, ask_once: Callable[[], tuple[TradeRows, int]]) -> tuple[TradeRows, int]:
        """Ask once more for what came back empty or with a hole; the fuller answer counts."""
        rows, before = ask_once()
        if len(rows) and not (self._rules.ids_without_holes and _missing_ids(self._last, rows)):
            return rows, before
        again, before_again = ask_once()
        return (again, before_again) if len(again) > len(rows) else (rows, before)

    def _by_time(self, window: Span) -> tuple[TradeRows, int]:
        rows = _in_order(self._ask.by_time(window, self._limit))
        kept = rows.take(rows.time_ms >= window.start_ms)
        if len(rows) and not len(kept):
            raise SourceUnavailableError(
                f"asked for trades of {window} the venue sent {len(rows)} from before it"
            )
        return kept, len(rows) - len(kept)

    def _by_id(self) -> tuple[TradeRows, int]:
        last_id, known = int(self._last.agg_id[-1]), len(self._last)
        for _ in range(2):
            rows = _in_order(self._ask.by_id(last_id, self._limit))
            same = rows.take(rows.agg_id == last_id)
            if _equal(same.take(slice(0, known)), self._last):
                break
        else:
            raise SourceUnavailableError(
                f"two pages disagree about aggregate trade {last_id}: the venue may be correcting "
                "it, ask again later"
            )
        fresh = rows.take(rows.agg_id > last_id)
        if not len(fresh) and len(rows) >= self._limit:
            raise SourceUnavailableError(
                f"asked for trades after {last_id} the venue sent {len(rows)} others: its cursor "
                "does not move"
            )
        new = join_trades((same.take(slice(known, None)), fresh))
        return new, int(np.count_nonzero(rows.agg_id < last_id))

    def describe(self, span: Span, rows: TradeRows, before: TradeRows, outside: int) -> TradePage:
        """Return the page of ``rows``; ``before`` is the trade in front of it, if any."""
        flaws = find_flaws(rows)
        bad = np.zeros(len(rows), dtype=np.bool_)
        for name, broken in flaws.items():
            bad |= broken
            count = int(np.count_nonzero(broken))
            if name != "taken_back" and count > max(FEW_ROWS, len(rows) // 2):
                raise ContractError(
                    f"{count} of {len(rows)} trades have {name.replace('_', ' ')}: did the venue "
                    f"change its fields? For example {rows.raw[int(np.flatnonzero(broken)[0])]!r}"
                )
        missing: tuple[tuple[int, int], ...] = ()
        if self._rules.ids_without_holes:
            missing = _missing_ids(before, rows)
        return TradePage(
            span, rows, outside, int(np.count_nonzero(bad)), missing, _fill_gaps(before, rows)
        )


def find_flaws(rows: TradeRows) -> dict[str, NDArray[np.bool_]]:
    """Return which rows break which law of a trade, by the law's name; the gate refuses those.

    ``taken_back`` are trades the venue marks as void: price and quantity 0, both trade ids -1.
    ``repeated_id`` is every row after the first of its aggregate id. A row may break several laws;
    a void one breaks no other but ``repeated_id``.
    """
    void = (rows.price == 0) & (rows.quantity == 0) & (rows.first_trade_id == -1)
    repeated = np.zeros(len(rows), dtype=np.bool_)
    falls = np.zeros(len(rows), dtype=np.bool_)
    repeated[1:] = np.diff(rows.agg_id) == 0
    falls[1:] = rows.time_ms[1:] < np.maximum.accumulate(rows.time_ms)[:-1]
    return {
        "taken_back": void,
        "repeated_id": repeated,
        "impossible_price": ~void & ~((rows.price > 0) & (rows.price <= MAX_PRICE)),
        "impossible_quantity": ~void & ~((rows.quantity > 0) & (rows.quantity <= MAX_VOLUME)),
        "impossible_fills": ~void
        & ((rows.first_trade_id < 0) | (rows.last_trade_id < rows.first_trade_id)),
        "falling_time": ~void & falls,
    }


def _in_order(rows: TradeRows) -> TradeRows:
    if (np.diff(rows.agg_id) < 0).any():
        return rows.take(np.argsort(rows.agg_id, kind="stable"))
    return rows


def _equal(one: TradeRows, other: TradeRows) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in COMPARED
    )


def _missing_ids(before: TradeRows, rows: TradeRows) -> tuple[tuple[int, int], ...]:
    ids = np.concatenate((before.agg_id[-1:], rows.agg_id))
    return tuple(
        (int(ids[at]) + 1, int(ids[at + 1]) - 1) for at in np.flatnonzero(np.diff(ids) > 1).tolist()
    )


def _fill_gaps(before: TradeRows, rows: TradeRows) -> int:
    sound = rows.take(rows.first_trade_id >= 0)
    last = np.concatenate((before.last_trade_id[-1:], sound.last_trade_id))[:-1]
    first = sound.first_trade_id[len(sound) - len(last) :]
    return int(np.count_nonzero((last >= 0) & (first > last + 1)))
