"""Fetch a span of candles and land it, batch by batch. Shared by backfill and incremental fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from include.exchanges.base import CandleSource
from include.jobs.storage import OpenPath, payload_sha256, write_frame
from include.market.settings import Settings
from include.market.span import Span, subtract_spans
from include.market.timeframe import DAY_MS, M1
from include.quality.gaps import find_gaps
from include.warehouse.engine import Connection
from include.warehouse.landing import landed_spans, register_landing

SETTLE_MS = 10 * M1.length_ms
"""Absence in the newest minutes may only mean that the venue is late."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where and for whom to land."""

    open_path: OpenPath
    settings: Settings
    run_id: str


def land_candles(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    span: Span,
    target: Landing,
) -> int:
    """Land the closed 1m candles opening in ``span``; return how many rows came.

    Every batch is committed as it lands, and one this run has landed already is left alone, so an
    interrupted task goes on where it stopped.
    """
    rows = 0
    done = landed_spans(conn, venue=source.venue.name, symbol=symbol, run_id=target.run_id)
    for batch in split_batches(span, target.settings.batch_days):
        if subtract_spans(batch, done):
            rows += _land_batch(conn, source, symbol, batch, target)
    return rows


def split_batches(span: Span, batch_days: int) -> Iterator[Span]:
    """Cut ``span`` into pieces of ``batch_days`` that end at UTC midnights."""
    step_ms = batch_days * DAY_MS
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        end_ms = min(start_ms - start_ms % DAY_MS + step_ms, span.end_ms)
        yield Span(start_ms, end_ms)
        start_ms = end_ms


def _land_batch(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    span: Span,
    target: Landing,
) -> int:
    # The clock first: a candle that closes while we fetch must not pass for final.
    server_time_ms = source.server_time_ms()
    frame = fetch_twice(source, symbol, span, target.settings.page_limit)
    span = without_unsettled_tail(span, frame, server_time_ms)
    if not span:
        return 0
    digest = payload_sha256(frame)
    url = "/".join(
        (
            target.settings.landing_url.rstrip("/"),
            source.venue.name,
            "candle_1m",
            symbol,
            f"{span.start_time:%Y%m%dT%H%M}-{span.end_time:%Y%m%dT%H%M}-{digest[:12]}-"
            # Per run, so that a repeated range is compared again and the ledger proves it equal.
            f"{hashlib.sha256(target.run_id.encode()).hexdigest()[:8]}.parquet",
        )
    )
    write_frame(target.open_path(url), frame, server_time_ms=server_time_ms)
    with conn.transaction():
        register_landing(
            conn,
            venue=source.venue.name,
            symbol=symbol,
            timeframe=M1.label,
            span=span,
            path=url,
            rows=len(frame),
            payload_sha256=digest,
            source="rest",
            run_id=target.run_id,
        )
    return len(frame)


def fetch_twice(source: CandleSource, symbol: str, span: Span, page_limit: int) -> pd.DataFrame:
    """Return a landed frame of ``span`` in which every absent candle was asked for twice."""
    frame = _fetch(source, symbol, span, page_limit)
    for window in recheck_windows(find_gaps(_open_ms(frame), M1, span), page_limit):
        again = _fetch(source, symbol, window, page_limit)
        known = set(_open_ms(frame))
        found = again[[instant not in known for instant in _open_ms(again)]]
        found = found[
            (found["open_time"] >= span.start_time) & (found["open_time"] < span.end_time)
        ]
        if not found.empty:
            frame = pd.concat([frame, found], ignore_index=True)
    return frame.sort_values("open_time", kind="stable", ignore_index=True)


def recheck_windows(holes: list[Span], page_limit: int) -> list[Span]:
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


def without_unsettled_tail(span: Span, frame: pd.DataFrame, server_time_ms: int) -> Span:
    """Return ``span`` ended after its last candle where what is absent may still come."""
    if span.end_ms <= server_time_ms - SETTLE_MS:
        return span
    last_end_ms = max((instant + M1.length_ms for instant in _open_ms(frame)), default=0)
    settled_ms = max(last_end_ms, M1.floor_ms(server_time_ms - SETTLE_MS), span.start_ms)
    return Span(span.start_ms, min(span.end_ms, settled_ms))


def _fetch(source: CandleSource, symbol: str, span: Span, page_limit: int) -> pd.DataFrame:
    pages = source.candles(symbol, M1, span, page_limit=page_limit)
    return pd.concat([page.frame for page in pages], ignore_index=True)


def _open_ms(frame: pd.DataFrame) -> list[int]:
    return [int(value) // 1000 for value in frame["open_time"].astype("int64")]
