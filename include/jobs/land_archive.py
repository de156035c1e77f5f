"""Land candles from a venue's archive of files; the venue itself fills what the files lack."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import plan_files, split_into_days
from include.exchanges.binance_archive.parse import ArchiveCandles
from include.exchanges.rows import NOT_STATED, CandleRows, join_candles
from include.jobs.ask_twice import Fetched, fetch_windows, holes_between, recheck_windows
from include.jobs.land_candles import Batch, Landing, land_rows
from include.market.candle import VALUE_COLUMNS
from include.market.span import Span, merge_spans, next_month_ms, subtract_spans
from include.market.timeframe import DAY_MS, M1
from include.quality.gaps import find_gaps
from include.warehouse.archive_files import record_file
from include.warehouse.engine import Connection
from include.warehouse.landing import landed_spans

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchiveTask:
    """Whose files to land: ``server_time_ms`` is the venue's clock, read before anything else."""

    archive: BinanceArchive
    source: CandleSource
    symbol: str
    server_time_ms: int


def land_archive(
    conn: Connection, task: ArchiveTask, span: Span, target: Landing
) -> tuple[int, list[Span]]:
    """Land what the archive holds of ``span``; return the rows landed and the spans settled.

    Days that follow each other land as one batch, months alone. What this run has landed already
    is left alone. What no file holds is not among the spans: it is left to the venue itself.
    """
    venue = task.source.venue.name
    done = landed_spans(conn, venue=venue, symbol=task.symbol, run_id=target.run_id)
    rows, settled = 0, [clip(span, part) for part in merge_spans(done) if touch(span, part)]
    group: list[ArchiveCandles] = []
    for found in _read_files(task, span, settled):
        if group and not _joins(group, found, target.settings.batch_days):
            rows += land_files(conn, task, group, span, target)
            group = []
        group.append(found)
        settled = [*settled, clip(found.file.span, span)]
    if group:
        rows += land_files(conn, task, group, span, target)
    return rows, settled


def land_files(
    conn: Connection,
    task: ArchiveTask,
    group: Sequence[ArchiveCandles],
    limits: Span,
    target: Landing,
) -> int:
    """Land the rows of adjacent files that open in ``limits``; return how many rows came.

    Minutes the files lack are asked for at the venue. What it has of them is landed first, under
    its own name, so that only what both lack is written down as absent.
    """
    span = clip(Span(group[0].file.span.start_ms, group[-1].file.span.end_ms), limits)
    batch = Batch(task.source.venue.name, task.symbol, span, "archive", task.server_time_ms)
    rows = _inside(join_candles([found.rows for found in group]), span)
    traits, count = task.source.traits, 0
    holes = find_gaps(rows.open_ms, M1, span)
    windows = recheck_windows(holes, target.settings.page_limit)
    again = fetch_windows(task.source, task.symbol, windows, target.settings.page_limit)
    for piece in _missing_pieces(task, again, holes):
        rest = replace(batch, span=piece.span, source="rest")
        count += land_rows(conn, replace(again, rows=piece.rows), rest, target, traits=traits)
    unplaced = [line for found in group for line in found.unplaced]
    with conn.transaction():
        for found in group:
            _note_file(conn, found, batch)
        seen = merge_spans([*again.seen, *holes_in_files(group)])
        landed = Fetched(join_candles([rows, _unplaced(unplaced)]), tuple(seen))
        count += land_rows(conn, landed, batch, target, traits=traits)
    return count


def read_archive(task: ArchiveTask, span: Span) -> list[ArchiveCandles]:
    """Return every published file that holds a part of ``span``; a missing month by its days."""
    return list(_read_files(task, span, []))


def _read_files(task: ArchiveTask, span: Span, settled: Sequence[Span]) -> Iterator[ArchiveCandles]:
    """Yield every file that is published and not settled; a month that is not, by its days."""
    files = deque(
        plan_files(task.archive.market, task.symbol, M1, span, now_ms=task.server_time_ms)
    )
    while files:
        file = files.popleft()
        if not subtract_spans(clip(file.span, span), settled):
            continue
        found = task.archive.read_candles(file)
        if found is not None:
            yield found
        elif file.period == "monthly":
            files.extendleft(reversed(split_into_days(file)))


def _joins(group: Sequence[ArchiveCandles], found: ArchiveCandles, batch_days: int) -> bool:
    first, last, file = group[0].file, group[-1].file, found.file
    return (
        file.period == last.period == "daily"
        and file.span.start_ms == last.span.end_ms
        and file.span.end_ms - first.span.start_ms <= batch_days * DAY_MS
        # No batch crosses the end of a month: the warehouse loads an empty month as a whole.
        and file.span.end_ms <= next_month_ms(first.span.start_ms)
    )


def touch(one: Span, other: Span) -> bool:
    """Tell whether two spans share any instant."""
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


def clip(span: Span, limits: Span) -> Span:
    """Return what of ``span`` lies inside ``limits``; the two must touch."""
    return Span(max(span.start_ms, limits.start_ms), min(span.end_ms, limits.end_ms))


@dataclass(frozen=True, slots=True)
class _Piece:
    span: Span
    rows: CandleRows


def _missing_pieces(task: ArchiveTask, again: Fetched, holes: Sequence[Span]) -> list[_Piece]:
    """Return what the venue has of the minutes that the files lack, whole holes at a time."""
    pieces = []
    for hole in holes:
        found = _inside(again.rows, hole)
        if len(found):
            log.warning(
                "%s %s: the archive lacks %s, the venue has %d candles of it",
                task.source.venue.name,
                task.symbol,
                hole,
                len(found),
            )
            pieces.append(_Piece(hole, found))
    return pieces


def holes_in_files(group: Sequence[ArchiveCandles]) -> list[Span]:
    """Return the holes between the candles of single files; a file is one answer."""
    in_order = [found.rows.take(np.argsort(found.rows.open_ms, kind="stable")) for found in group]
    return [hole for rows in in_order for hole in holes_between(rows)]


def _note_file(conn: Connection, found: ArchiveCandles, batch: Batch) -> None:
    file = found.file
    record_file(
        conn,
        path=file.path,
        venue=batch.venue,
        symbol=batch.symbol,
        dataset="candle_1m",
        timeframe=M1.label,
        span=file.span,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        rows=len(found.rows),
    )


def _inside(rows: CandleRows, span: Span) -> CandleRows:
    return rows.take((rows.open_ms >= span.start_ms) & (rows.open_ms < span.end_ms))


def _unplaced(lines: Sequence[bytes]) -> CandleRows:
    """Return lines nobody can place in time as rows that the gate will refuse and keep."""
    times = np.full(len(lines), NOT_STATED, dtype=np.int64)
    return CandleRows(times, times, np.full((len(lines), len(VALUE_COLUMNS)), np.nan), list(lines))
