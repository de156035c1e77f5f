"""Hold what is stored against what the venue says now, in every way it says it.

A day that has settled is compared, instrument by instrument: stored candles with the REST
interface, and with that the archive's file of the day, candles built from single trades, and what
the stream told; our own coarse candles with the venue's own. Nothing is mended here: a difference
is kept with both values, told once, and ends when the two are found to agree. To read days again is
the work of audit_history.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias, TypeVar

import pandas as pd

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.jobs.day_accounts import (
    DayTask,
    from_archive,
    from_rest,
    from_stream,
    from_trades,
    own_buckets,
    stored,
    without_lent,
)
from include.jobs.deliver import make_known
from include.jobs.watch_drift import settled_end_ms
from include.market.errors import FinalError, SourceUnavailableError
from include.market.settings import Settings
from include.market.span import Span, from_ms, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1, TIMEFRAMES, Timeframe
from include.notify.sender import Message, Sender
from include.quality.reconciliation import Comparison, compare_candles
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage
from include.warehouse.reconciliations import (
    HARMLESS,
    Pair,
    Untold,
    candle_sources,
    days_in_doubt,
    mark_differences_told,
    store_comparison,
    untold_differences,
)
from include.warehouse.reference import instrument_ids

MOST_KEPT: Final = 500
"""Differences of one comparison kept one by one; a day of minutes that all differ is one fact."""
SHOWN: Final = 8
DOUBT_DAYS: Final = 30
MOST_DOUBTED: Final = 3
"""So many of the newest days in doubt are compared again, none older than ``DOUBT_DAYS``."""
Account: TypeAlias = tuple[Pair, Comparison]
T = TypeVar("T")

log = logging.getLogger(__name__)


def reconcile_venue(
    conn: Connection,
    source: CandleSource,
    archive: BinanceArchive | None,
    settings: Settings,
    symbols: Sequence[str],
    *,
    at: datetime,
    sender: Sender | None = None,
) -> dict[str, int]:
    """Compare the newest settled day of some instruments of a venue; tell of what differs.

    A few earlier days on which accounts differed are compared again: one of them may have been
    mended.

    ``settings.reconcile_instruments`` of them are taken in turn, day by day, so that the venue's
    limit is left to the river. Without ``sender`` nobody is told now. Returns counts of
    instruments, comparisons, candles compared, differences in them, accounts that could not be had,
    and differences told of.
    """
    totals = dict.fromkeys(
        ("instruments", "comparisons", "compared", "differences", "failed", "told"), 0
    )
    if source.traits.is_live:
        server_time_ms = source.server_time_ms()
        end_ms = min(settled_end_ms(settings, at), server_time_ms - server_time_ms % DAY_MS)
        day = Span(end_ms - DAY_MS, end_ms)
        known = instrument_ids(conn, source.venue.name)
        listed = [symbol for symbol in symbols if symbol in known]
        for symbol in turn_of(listed, day, settings.reconcile_instruments):
            instrument_id = known[symbol]
            covered = coverage(conn, M1.dataset, instrument_id)
            due = [
                each
                for each in _days_due(conn, instrument_id, day)
                if not subtract_spans(each, covered)
            ]
            totals["instruments"] += bool(due)
            for each in due:
                task = DayTask(
                    conn, source, archive, settings, symbol, instrument_id, each, server_time_ms
                )
                _reconcile_day(task, totals, at)
    if sender is not None:
        totals["told"] = tell_differences(conn, source.venue.name, sender, at=at)
    return totals


def _days_due(conn: Connection, instrument_id: int, day: Span) -> list[Span]:
    """Return ``day`` and before it the newest days that are in doubt."""
    since = from_ms(day.start_ms - DOUBT_DAYS * DAY_MS)
    doubted = days_in_doubt(conn, instrument_id, since=since, most=MOST_DOUBTED)
    starts = {day.start_ms, *(to_ms(each) for each in doubted)}
    return [Span(start_ms, start_ms + DAY_MS) for start_ms in sorted(starts)]


def turn_of(symbols: Sequence[str], day: Span, count: int) -> list[str]:
    """Return the ``count`` symbols whose turn it is on ``day``: every one comes as often."""
    ordered = sorted(symbols)
    if len(ordered) <= count:
        return ordered
    first = day.start_ms // DAY_MS * count % len(ordered)
    return [*ordered, *ordered][first : first + count]


def tell_differences(conn: Connection, venue: str, sender: Sender, *, at: datetime) -> int:
    """Tell of a venue's differences nobody was told of yet, in one message; return how many.

    Raises:
        CandlewickError: it could not be sent; the next run tries again.
    """
    untold = untold_differences(conn, venue)
    if not untold:
        return 0
    if not make_known(conn, sender, _message(untold, at), kind="reconciliation"):
        return 0
    with conn.transaction():
        mark_differences_told(conn, untold, at=at)
    return sum(group.count for group in untold)


def _reconcile_day(task: DayTask, totals: dict[str, int], at: datetime) -> None:
    """Make and store every comparison of one instrument's day; one that fails costs no other."""
    rest = _attempt(task, totals, partial(from_rest, task, M1))
    todo: list[Callable[[], Account | None]] = []
    if rest is not None:
        todo = [
            partial(compare, task, rest)
            for compare in (_compare_stored, _compare_stream, _compare_archive, _compare_trades)
        ]
    todo += [partial(_compare_native, task, timeframe) for timeframe in _native_timeframes()]
    for compare in todo:
        account = _attempt(task, totals, compare)
        if account is None:
            continue
        pair, found = account
        with task.conn.transaction():
            store_comparison(task.conn, pair, found, at=at, most=MOST_KEPT)
        totals["comparisons"] += 1
        totals["compared"] += found.compared
        totals["differences"] += len(found.differences) - found.count(*HARMLESS)


def _attempt(task: DayTask, totals: dict[str, int], ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (SourceUnavailableError, FinalError) as error:
        totals["failed"] += 1
        log.warning("%s %s: not compared: %s", task.source.venue.name, task.symbol, error)
        return None


def _compare_stored(task: DayTask, rest: pd.DataFrame) -> Account:
    found = compare_candles(without_lent(stored(task, M1), rest), rest, M1, task.day)
    ways = candle_sources(task.conn, M1, task.instrument_id, task.day)
    return _pair(task, M1, "stored", "rest"), with_revisions(found, ways)


def with_revisions(found: Comparison, ways: Mapping[int, str]) -> Comparison:
    """Return a comparison of stored candles in which the venue's change of mind has its name.

    What came by REST, as ``ways`` tells by open time, and is told otherwise by REST now was
    ``revised``.
    """
    return replace(
        found,
        differences=[
            replace(each, kind="revised")
            if each.kind == "differs" and ways.get(each.open_ms) in ("rest", "ccxt")
            else each
            for each in found.differences
        ],
    )


def _compare_stream(task: DayTask, rest: pd.DataFrame) -> Account | None:
    ways = candle_sources(task.conn, M1, task.instrument_id, task.day)
    streamed = from_stream(task, ways)
    if not len(streamed):
        return None
    told = rest[rest["open_time"].isin(streamed["open_time"])]
    return _pair(task, M1, "stream", "rest"), compare_candles(streamed, told, M1, task.day)


def _compare_archive(task: DayTask, rest: pd.DataFrame) -> Account | None:
    archived = from_archive(task)
    if archived is None:
        return None
    return _pair(task, M1, "archive", "rest"), compare_candles(archived, rest, M1, task.day)


def _compare_trades(task: DayTask, rest: pd.DataFrame) -> Account | None:
    built = from_trades(task)
    if built is None:
        return None
    span, candles = built
    # Of a minute without trades single trades say nothing.
    found = compare_candles(candles, rest[rest["volume"] > 0], M1, span)
    return replace(_pair(task, M1, "trades", "rest"), span=span), found


def _native_timeframes() -> list[Timeframe]:
    """Return the kept coarse timeframes whose candles fill a day."""
    return [
        timeframe
        for timeframe in TIMEFRAMES.values()
        if timeframe != M1 and not timeframe.months and DAY_MS % timeframe.length_ms == 0
    ]


def _compare_native(task: DayTask, timeframe: Timeframe) -> Account | None:
    if subtract_spans(task.day, coverage(task.conn, timeframe.dataset, task.instrument_id)):
        return None
    ours, native = own_buckets(stored(task, timeframe), from_rest(task, timeframe))
    found = compare_candles(ours, native, timeframe, task.day)
    return _pair(task, timeframe, "stored", "native"), found


def _pair(task: DayTask, timeframe: Timeframe, left: str, right: str) -> Pair:
    return Pair(task.instrument_id, timeframe, task.day, left, right)


def _message(untold: Sequence[Untold], at: datetime) -> Message:
    shown = [
        f"{each.name} {each.timeframe}: {each.left_source} and {each.right_source} differ in "
        f"{each.count} candle(s) from {each.first_at:%Y-%m-%d %H:%M} on: {each.kind}"
        for each in untold[:SHOWN]
    ]
    rest = len(untold) - len(shown)
    more = [f"and {rest} more"] if rest else []
    numbers = [number for each in untold for number in each.ids]
    return Message(
        title=f"{sum(each.count for each in untold)} candle(s) are told differently by two sources",
        text="\n".join([*shown, *more, "Both values are in ledger.reconciliation."])[:1800],
        event_key=f"reconciliation:{min(numbers)}-{max(numbers)}-{len(numbers)}",
        event_time=at,
    )
