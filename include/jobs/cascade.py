"""Roll up what changed: one arrow at a time, or all of them in the transaction of a live minute."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from psycopg.pq import TransactionStatus

from include.cascade.due import DueBuckets, find_due, touched_spans
from include.cascade.rollup import roll_up_series
from include.cascade.series import SeriesCandles
from include.market.span import Span, merge_spans
from include.market.timeframe import CASCADE, DAY_MS, Timeframe
from include.warehouse.candles import read_columns
from include.warehouse.coarse import store_coarse
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import (
    Change,
    changes_in_flight,
    move_cursor,
    read_changes,
    try_lock_stage,
)
from include.warehouse.live_cascade import coverage_of_many, retired_spans
from include.warehouse.many_candles import OwnedSpan, group_by_span, read_many
from include.warehouse.partitions import ensure_partitions

HIDDEN_S: Final = 20.0
"""How long to wait, in seconds, for changes that an older open transaction hides."""
CHUNK_MS: Final = 90 * DAY_MS
"""Longest stretch of one series read at once, but for a bucket that is longer itself."""
CHILDREN_AT_ONCE: Final = 150_000
"""Most children held in memory at once, but for a chunk that has more."""
CHANGES_AT_ONCE: Final = 400
"""Changes done in one transaction, so that a long backlog is no long transaction."""
LIVE_CHILDREN: Final = 50_000
"""Most children whose changes a live minute does for others in its own transaction."""

Written = dict[str, int]


def cascade_changes(
    conn: Connection, source: Timeframe, target: Timeframe, *, run_id: str
) -> Written:
    """Rebuild every ``target`` bucket that a change of ``source`` touches; return rows written.

    A bucket is built once all of it is covered, so none is ever stored half formed; one whose last
    child is gone goes away, with its revision kept. The rows and the stage's cursor move in one
    transaction. Changes that an older open transaction still hides are waited for a little: their
    event has been, and the next may be long in coming.
    """
    stage = _stage_of(target)
    token = take_fence(conn, stage)
    deadline = time.monotonic() + HIDDEN_S
    totals: Counter[str] = Counter(inserted=0, updated=0, withdrawn=0)
    while True:
        done, written = _cascade_once(conn, source, target, token, run_id)
        totals.update(written)
        if done >= CHANGES_AT_ONCE:
            continue
        if not changes_in_flight(conn, stage, source.dataset) or time.monotonic() >= deadline:
            return dict(totals)
        time.sleep(0.5)


def cascade_all(conn: Connection, *, run_id: str) -> dict[str, Written]:
    """Roll up through every level in one transaction; return rows written by timeframe.

    Within a transaction of the caller, which has stored a live minute, what that transaction wrote
    is done, and what others wrote as far as it is little: a minute and its coarse candles become
    visible together, whatever else is open or waits. The stages do the rest; they skip what is
    done here. Without one, everything is done that they would do.

    A stage that is at work this very moment is left to itself, and is absent from the result.

    Raises:
        RetryableError: the database was lost or too busy; roll back.
    """
    is_own = conn.info.transaction_status == TransactionStatus.INTRANS
    written: dict[str, Written] = {}
    with conn.transaction():
        for source, target in CASCADE:
            if try_lock_stage(conn, _stage_of(target)):
                written[target.label] = _cascade_ahead(
                    conn, source, target, run_id, patient=not is_own
                )
    return written


def cascade_live(conn: Connection, *, run_id: str) -> dict[str, Written]:
    """Roll up what little was loaded just now through every level, in one transaction.

    Returns the rows written, by the timeframes of which any was. A backlog, and what an older open
    transaction hides, is left to the stages.
    """
    with conn.transaction():
        written = cascade_all(conn, run_id=run_id)
    return {label: counts for label, counts in written.items() if any(counts.values())}


def _stage_of(target: Timeframe) -> str:
    return f"cascade_{target.name}"


def _cascade_once(
    conn: Connection, source: Timeframe, target: Timeframe, token: int, run_id: str
) -> tuple[int, Written]:
    """Do the oldest changes that wait; return how many, and the rows written."""
    stage = _stage_of(target)
    with conn.transaction():
        todo = read_changes(conn, stage, source.dataset, limit=CHANGES_AT_ONCE)
        due = _find_due(conn, todo.changes, source, target)
        # Held only now: a held fence has a transaction id, and while that is open no stage may
        # read what others have committed since.
        hold_fence(conn, stage, token)
        written = _rebuild(conn, due, source, target, run_id)
        move_cursor(conn, stage, todo.upto_xid)
    return len(todo.changes), written


def _cascade_ahead(
    conn: Connection, source: Timeframe, target: Timeframe, run_id: str, *, patient: bool
) -> Written:
    """Do the transaction's own changes, and the settled ones unless they are too many."""
    stage = _stage_of(target)
    todo = read_changes(conn, stage, source.dataset, own=True)
    due = _find_due(conn, [*todo.changes, *todo.own], source, target)
    upto_xid = todo.upto_xid
    if not patient and _children_of(due.rebuilt, source) > LIVE_CHILDREN:
        due = _find_due(conn, todo.own, source, target)
        upto_xid = todo.done_xid
    written = _rebuild(conn, due, source, target, run_id)
    move_cursor(conn, stage, upto_xid, ahead_of=source.dataset)
    return written


def _find_due(
    conn: Connection, changes: Iterable[Change], source: Timeframe, target: Timeframe
) -> DueBuckets:
    changed: dict[int, list[Span]] = defaultdict(list)
    for change in changes:
        changed[change.instrument_id].append(change.span)
    if not changed:
        return DueBuckets()
    hulls: dict[int, Span] = {}
    # Instruments of one live minute mostly share their spans.
    known: dict[tuple[Span, ...], Span] = {}
    before, hull = list[Span](), Span(0, 0)
    for instrument_id, spans in changed.items():
        if spans != before:
            before, key = spans, tuple(spans)
            if key not in known:
                touched = touched_spans(spans, target)
                known[key] = Span(touched[0].start_ms, touched[-1].end_ms)
            hull = known[key]
        hulls[instrument_id] = hull
    covered = coverage_of_many(conn, (source.dataset, target.dataset), hulls)
    retired = retired_spans(conn, (source, target))
    return find_due(changed, covered[source.dataset], covered[target.dataset], retired, target)


def _rebuild(
    conn: Connection, due: DueBuckets, source: Timeframe, target: Timeframe, run_id: str
) -> Written:
    written = Counter(inserted=0, updated=0, withdrawn=0)
    for span in merge_spans(group_by_span(due.rebuilt)):
        ensure_partitions(conn, [target], span)
    proven: dict[int, list[Span]] = defaultdict(list)
    for instrument_id, span in due.proven:
        proven[instrument_id].append(span)
    for batch in _batches(due.rebuilt, source, target):
        children = _read_children(conn, source, batch)
        receipt = store_coarse(
            conn,
            target,
            roll_up_series(children, source, target),
            batch,
            proven=[part for owned in batch for part in _clip(owned, proven[owned[0]])],
            run_id=run_id,
        )
        written.update(
            inserted=receipt.inserted, updated=receipt.updated, withdrawn=receipt.withdrawn
        )
    return dict(written)


def _clip(owned: OwnedSpan, parts: Sequence[Span]) -> Iterator[OwnedSpan]:
    instrument_id, whole = owned
    for part in parts:
        start_ms = max(part.start_ms, whole.start_ms)
        end_ms = min(part.end_ms, whole.end_ms)
        if start_ms < end_ms:
            yield instrument_id, _cut(part, start_ms, end_ms)


def _cut(span: Span, start_ms: int, end_ms: int) -> Span:
    """Return this part of ``span``; all of it is itself, by which instruments go on sharing it."""
    is_whole = start_ms == span.start_ms and end_ms == span.end_ms
    return span if is_whole else Span(start_ms, end_ms)


def _batches(
    rebuilt: Iterable[OwnedSpan], source: Timeframe, target: Timeframe
) -> Iterator[list[OwnedSpan]]:
    """Yield spans of whole buckets that are read, rolled up and stored together."""
    batch: list[OwnedSpan] = []
    held = 0
    for instrument_id, span in rebuilt:
        for chunk in _chunks(span, target):
            children = (chunk.end_ms - chunk.start_ms) // source.length_ms
            if batch and held + children > CHILDREN_AT_ONCE:
                yield batch
                batch, held = [], 0
            batch.append((instrument_id, chunk))
            held += children
    if batch:
        yield batch


def _chunks(span: Span, target: Timeframe) -> Iterator[Span]:
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        # A cut never falls inside a bucket, and never before the first one ends.
        cut_ms = max(target.floor_ms(start_ms + CHUNK_MS), target.end_ms(start_ms))
        end_ms = min(cut_ms, span.end_ms)
        yield _cut(span, start_ms, end_ms)
        start_ms = end_ms


def _children_of(rebuilt: Iterable[OwnedSpan], source: Timeframe) -> int:
    return sum((span.end_ms - span.start_ms) // source.length_ms for _, span in rebuilt)


def _read_children(
    conn: Connection, source: Timeframe, batch: Sequence[OwnedSpan]
) -> SeriesCandles:
    if len(batch) > 1:
        return read_many(conn, source, batch)
    # A long stretch of one series: the months of it can be packed side by side.
    [(instrument_id, span)] = batch
    columns = read_columns(conn, source, instrument_id, span)
    owners = np.full(len(columns), instrument_id, dtype=np.int64)
    return SeriesCandles(owners, columns.open_us, columns.cells)
