"""Roll up what changed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable

from include.cascade.rollup import roll_up, settled_buckets, touched_span
from include.market.span import Span, merge_spans
from include.market.timeframe import DAY_MS, Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import Change, changes_in_flight, coverage, move_cursor, read_changes
from include.warehouse.loader import merge_coarse

HIDDEN_S = 20.0
"""How long to wait, in seconds, for changes that an older open transaction hides."""
CHUNK_MS = 90 * DAY_MS
"""Longest stretch of children held in memory at once."""


def cascade_changes(
    conn: Connection, source: Timeframe, target: Timeframe, *, run_id: str
) -> dict[str, int]:
    """Rebuild every ``target`` bucket that a change of ``source`` touches; return rows written.

    A bucket is built once all of it is covered, so none is ever stored half formed. The rows and
    the stage's cursor move in one transaction. Changes that an older open transaction still hides
    are waited for a little: their event has been, and the next may be long in coming.
    """
    stage = f"cascade_{target.label}"
    token = take_fence(conn, stage)
    deadline = time.monotonic() + HIDDEN_S
    totals = Counter(_cascade_once(conn, source, target, token, run_id))
    while changes_in_flight(conn, stage, f"candle_{source.label}") and time.monotonic() < deadline:
        time.sleep(0.5)
        totals.update(_cascade_once(conn, source, target, token, run_id))
    return dict(totals)


def _cascade_once(
    conn: Connection, source: Timeframe, target: Timeframe, token: int, run_id: str
) -> dict[str, int]:
    stage = f"cascade_{target.label}"
    inserted = updated = 0
    with conn.transaction():
        todo = read_changes(conn, stage, f"candle_{source.label}")
        settled = _settled_spans(conn, todo.changes, source, target)
        # Held only now: a held fence has a transaction id, and while that is open no stage may
        # read what others have committed since.
        hold_fence(conn, stage, token)
        for instrument_id, span in settled:
            children = read_candles(conn, source, instrument_id, span)
            coarse = roll_up(children, source, target).assign(instrument_id=instrument_id)
            receipt = merge_coarse(
                conn, target, coarse, run_id=run_id, spans={instrument_id: [span]}
            )
            inserted += receipt.inserted
            updated += receipt.updated
        move_cursor(conn, stage, todo.upto_xid)
    return {"inserted": inserted, "updated": updated}


def touched_spans(changes: Iterable[Change], target: Timeframe) -> dict[int, list[Span]]:
    """Return per instrument the whole ``target`` buckets that ``changes`` touch, merged."""
    spans: dict[int, list[Span]] = defaultdict(list)
    for change in changes:
        spans[change.instrument_id].append(touched_span(change.span, target))
    return {instrument_id: merge_spans(found) for instrument_id, found in spans.items()}


def _settled_spans(
    conn: Connection, changes: Iterable[Change], source: Timeframe, target: Timeframe
) -> list[tuple[int, Span]]:
    """Return what to rebuild: instrument and span of whole, wholly covered buckets."""
    found: list[tuple[int, Span]] = []
    for instrument_id, spans in touched_spans(changes, target).items():
        covered = coverage(conn, f"candle_{source.label}", instrument_id)
        for span in spans:
            settled = settled_buckets(covered, span, target)
            found += [(instrument_id, chunk) for chunk in _chunks(settled)]
    return found


def _chunks(spans: Iterable[Span]) -> Iterable[Span]:
    # CHUNK_MS is whole days, so a cut never falls inside a bucket.
    for span in spans:
        start_ms = span.start_ms
        while start_ms < span.end_ms:
            end_ms = min(start_ms - start_ms % DAY_MS + CHUNK_MS, span.end_ms)
            yield Span(start_ms, end_ms)
            start_ms = end_ms
