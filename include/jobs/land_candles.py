"""Fetch a span of candles and land it, batch by batch. Shared by backfill and incremental fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from include.exchanges.base import CandleSource
from include.exchanges.rows import CandleRows
from include.exchanges.traits import VenueTraits
from include.jobs.ask_twice import Fetched, fetch_twice
from include.jobs.storage import OpenPath, payload_sha256, write_rows
from include.market.settings import Settings
from include.market.span import Span, next_month_ms, subtract_spans
from include.market.timeframe import DAY_MS, M1
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


@dataclass(frozen=True, slots=True)
class Batch:
    """What one landed file speaks for, which way it came, and the venue's clock before it was.

    ``origin`` names venue and symbol that stated the rows, where those are others.
    """

    venue: str
    symbol: str
    span: Span
    source: str
    server_time_ms: int
    origin: str | None = None


def land_candles(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    span: Span,
    target: Landing,
    *,
    server_time_ms: int,
) -> int:
    """Land the closed 1m candles opening in ``span``; return how many rows came.

    ``server_time_ms`` is the venue's clock, read before: a candle that closes while we fetch must
    not pass for final. Every batch is committed as it lands, and one this run has landed already
    is left alone, so an interrupted task goes on where it stopped.
    """
    rows = 0
    done = landed_spans(conn, venue=source.venue.name, symbol=symbol, run_id=target.run_id)
    for batch in split_batches(span, target.settings.batch_days):
        if subtract_spans(batch, done):
            rows += _land_batch(conn, source, symbol, batch, target, server_time_ms)
    return rows


def split_batches(span: Span, batch_days: int) -> Iterator[Span]:
    """Cut ``span`` into pieces of ``batch_days`` that end at UTC midnights.

    None crosses the end of a month: the warehouse loads an empty month as a whole.
    """
    step_ms = batch_days * DAY_MS
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        midnight_ms = start_ms - start_ms % DAY_MS + step_ms
        end_ms = min(midnight_ms, next_month_ms(start_ms), span.end_ms)
        yield Span(start_ms, end_ms)
        start_ms = end_ms


def _land_batch(
    conn: Connection,
    source: CandleSource,
    symbol: str,
    span: Span,
    target: Landing,
    server_time_ms: int,
) -> int:
    found = fetch_twice(source, symbol, span, target.settings.page_limit)
    span = without_unsettled_tail(span, found.rows, server_time_ms)
    if not span:
        return 0
    found = replace(found, rows=found.rows.take(found.rows.open_ms < span.end_ms))
    batch = Batch(source.venue.name, symbol, span, "rest", server_time_ms)
    return land_rows(conn, found, batch, target, traits=source.traits)


def land_rows(
    conn: Connection,
    found: Fetched,
    batch: Batch,
    target: Landing,
    *,
    traits: VenueTraits,
) -> int:
    """Write one batch to the landing zone and into the work list; return its number of rows."""
    rows = found.rows
    digest = payload_sha256(rows)
    url = "/".join(
        (
            target.settings.landing_url.rstrip("/"),
            # Colons and slashes of other venues' names would be folders or drives somewhere.
            quote(batch.venue, safe=""),
            "candle_1m",
            quote(batch.symbol, safe=""),
            f"{batch.span.start_time:%Y%m%dT%H%M}-{batch.span.end_time:%Y%m%dT%H%M}-{digest[:12]}-"
            # Per run, so that a repeated range is compared again and the ledger proves it equal.
            f"{hashlib.sha256(target.run_id.encode()).hexdigest()[:8]}.parquet",
        )
    )
    path = target.open_path(url)
    write_rows(
        path,
        rows,
        server_time_ms=batch.server_time_ms,
        traits=traits,
        unproven=found.unproven(batch.span),
    )
    with conn.transaction():
        register_landing(
            conn,
            venue=batch.venue,
            symbol=batch.symbol,
            timeframe=M1.label,
            span=batch.span,
            path=url,
            rows=len(rows),
            payload_sha256=digest,
            source=batch.source,
            run_id=target.run_id,
            origin=batch.origin,
        )
    return len(rows)


def without_unsettled_tail(span: Span, rows: CandleRows, server_time_ms: int) -> Span:
    """Return ``span`` ended where what is absent may still come.

    The last candle before such an absence waits with it: were the venue's clock ahead of its
    candles, it would be the one still forming.
    """
    if span.end_ms <= server_time_ms - SETTLE_MS:
        return span
    last_end_ms = int(rows.open_ms.max()) + M1.length_ms if len(rows) else 0
    if last_end_ms < span.end_ms:
        last_end_ms -= M1.length_ms
    settled_ms = max(last_end_ms, M1.floor_ms(server_time_ms - SETTLE_MS), span.start_ms)
    return Span(span.start_ms, min(span.end_ms, settled_ms))
