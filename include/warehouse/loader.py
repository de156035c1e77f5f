"""Loads checked candles, and merges the coarse ones the cascade computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pandas as pd
from psycopg import errors
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from include.market.errors import InvalidInputError, StaleFenceError
from include.market.span import Span, merge_spans, subtract_spans, to_ms
from include.market.timeframe import M1, TIMEFRAMES, Timeframe, parse_timeframe
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.fence import hold_fence
from include.warehouse.gaps import (
    EXPLAINED_REASONS,
    Gap,
    as_open_gap,
    replace_gaps,
    settle_gaps,
)
from include.warehouse.landing import Landing, lock_landing
from include.warehouse.ledger import coverage
from include.warehouse.merge import (
    Batch,
    LoadReceipt,
    candle_table,
    dataset_of,
    lock_series,
    merge_staged,
)
from include.warehouse.staging import (
    StagedRows,
    bucket_spans,
    copy_staged,
    stage_natural,
    stage_resolved,
)
from include.warehouse.statements import statement

_RETRIES: Final = 4


@dataclass(frozen=True, slots=True)
class _Work:
    """One load, ready to be tried: the rows, and all that is told of them."""

    landing: Landing
    timeframe: Timeframe
    rows: StagedRows
    batch: Batch
    gaps: Sequence[Gap]


def load_scope(landing: Landing) -> str:
    """Return the fence's scope of loading ``landing``; take the token for it before the load."""
    return f"landing/{landing.landing_id}"


def load_candles(
    connection: Connection,
    landing: Landing,
    frame: pd.DataFrame,
    *,
    source: str,
    run_id: str,
    fencing_token: int,
    gaps: Sequence[Gap] = (),
) -> LoadReceipt:
    """Load the accepted rows of a checked landing, in one transaction that it commits itself.

    Args:
        connection: idle, or in a transaction that only read (which is ended).
        landing: as ``pending_landings`` gave it; speaks for ``landing.span``, half-open.
        frame: a candle frame, in any order; of rows with one key the last one counts.
        source: way the rows came.
        run_id: the run that loads them.
        fencing_token: from ``take_fence(connection, load_scope(landing))``.
        gaps: reasons for what is absent; an absent candle nobody gives a reason for is written
            down as ``unknown``.

    Of two values for a candle the one landed later wins, whatever order they are loaded in.
    Deadlocks and serialization failures are tried again here, five times in all.

    Raises:
        StaleFenceError: a newer try took the fence, or the landing holds other content by now.
        InvalidInputError: the landing was not checked, or is held.
        ContractError: the frame has other columns, or a constraint refused a row.
        RetryableError: the database was lost or too busy; nothing was stored.
    """
    action = f"load of landing {landing.landing_id} ({landing.symbol} {landing.span})"
    timeframe = parse_timeframe(landing.timeframe)
    rows = stage_natural(frame, venue=landing.venue, symbol=landing.symbol)
    batch = Batch(
        timeframe=timeframe,
        span=landing.span,
        source=source,
        run_id=run_id,
        rows=rows.count,
        observed_at=landing.landed_at,
        venue=landing.venue,
        symbol=landing.symbol,
        landing_id=landing.landing_id,
        payload_sha256=landing.payload_sha256,
        fencing_token=fencing_token,
    )
    work = _Work(landing, timeframe, rows, batch, gaps)
    begin_own_transaction(connection, action)
    with database_errors(action):
        for _ in range(_RETRIES):
            with suppress(errors.DeadlockDetected, errors.SerializationFailure):
                return _load(connection, work)
        return _load(connection, work)


def merge_coarse(
    connection: Connection,
    timeframe: Timeframe,
    frame: pd.DataFrame,
    *,
    run_id: str,
    source: str = "cascade",
    spans: Mapping[int, Sequence[Span]] | None = None,
) -> LoadReceipt:
    """Merge computed candles into a coarse table, in the caller's transaction.

    ``frame`` is a coarse frame with a column ``instrument_id``, in any order. ``spans`` says, per
    instrument, which whole buckets were rolled up, those without any child included; without it,
    those of the frame. Buckets whose minutes are all proven become coverage of this dataset.

    Raises:
        ContractError: the frame has other columns, or a constraint refused a row.
        RetryableError: the database was lost or too busy; roll back.
    """
    rows = stage_resolved(frame)
    rolled_up = bucket_spans(frame, timeframe) if spans is None else spans
    with database_errors(f"merge of {rows.count} candles {timeframe.label}"):
        receipt = LoadReceipt(None, 0, 0, 0, 0)
        spoken_for = merge_spans(part for parts in rolled_up.values() for part in parts)
        if spoken_for:
            span = Span(spoken_for[0].start_ms, spoken_for[-1].end_ms)
            _ensure_partitions(connection, [timeframe], span)
            owners = frame["instrument_id"].unique().tolist()
            lock_series(connection, dataset_of(timeframe), owners)
            copy_staged(connection, rows)
            receipt = merge_staged(connection, Batch(timeframe, span, source, run_id, rows.count))
        for instrument_id, parts in rolled_up.items():
            _cover_buckets(connection, timeframe, instrument_id, parts, load_id=receipt.load_id)
    return receipt


def _load(connection: Connection, work: _Work) -> LoadReceipt:
    # Attaching a partition locks the tables its foreign keys point to, so it is done and
    # committed before this load writes to any of them.
    with connection.transaction():
        _ensure_partitions(connection, list(TIMEFRAMES.values()), work.landing.span)
    with connection.transaction():
        hold_fence(connection, load_scope(work.landing), work.batch.fencing_token or 0)
        _require_checked(lock_landing(connection, work.landing.landing_id), work.landing)
        series = _find_series(connection, work)
        lock_series(connection, work.batch.dataset, list(series))
        copy_staged(connection, work.rows)
        receipt = merge_staged(connection, work.batch)
        for instrument_id, spans in series.items():
            for span in spans:
                _settle(connection, work, instrument_id, span, load_id=receipt.load_id)
        connection.execute(
            statement("ledger/mark_loaded"),
            {"landing_id": work.landing.landing_id, "load_id": receipt.load_id},
        )
    return receipt


def _ensure_partitions(connection: Connection, timeframes: Sequence[Timeframe], span: Span) -> None:
    for timeframe in timeframes:
        connection.execute(
            statement("market/ensure_partitions"),
            {
                "table": f"market.{dataset_of(timeframe)}",
                "from_time": span.start_time,
                "to_time": span.end_time,
            },
        )


def _require_checked(current: Landing, given: Landing) -> None:
    if (current.payload_sha256, current.span) != (given.payload_sha256, given.span):
        raise StaleFenceError(
            f"landing {given.landing_id} holds other content by now: read pending_landings again"
        )
    if current.state not in ("checked", "loaded"):
        raise InvalidInputError(
            f"landing {given.landing_id} is {current.state}: only checked landings are loaded"
        )


def _find_series(connection: Connection, work: _Work) -> dict[int, list[Span]]:
    """Return which instruments the symbol meant within the landing's span, and when."""
    landing, timeframe = work.landing, work.timeframe
    whole = Span(
        timeframe.ceil_ms(landing.span.start_ms),
        max(timeframe.ceil_ms(landing.span.start_ms), timeframe.floor_ms(landing.span.end_ms)),
    )
    found = connection.execute(
        statement("market/find_series"),
        {
            "venue": landing.venue,
            "symbol": landing.symbol,
            "span_start": whole.start_time,
            "span_end": whole.end_time,
        },
    )
    series: dict[int, list[Span]] = {}
    for instrument_id, start, end in found:
        span = Span(timeframe.ceil_ms(to_ms(start)), timeframe.ceil_ms(to_ms(end)))
        series.setdefault(instrument_id, []).extend([span] if span else [])
    return series


def _settle(
    connection: Connection, work: _Work, instrument_id: int, span: Span, *, load_id: int | None
) -> None:
    """Write down what is absent from ``span``, and cover the rest of it."""
    values = {
        "dataset": work.batch.dataset,
        "instrument_id": instrument_id,
        "span_start": span.start_time,
        "span_end": span.end_time,
        "length": timedelta(milliseconds=work.timeframe.length_ms),
    }
    find_holes = statement("market/find_holes").format(table=candle_table(work.timeframe))
    holes = [
        Span(to_ms(start), to_ms(end)) for start, end in connection.execute(find_holes, values)
    ]
    known = [
        as_open_gap(row) for row in connection.execute(statement("ledger/touched_gaps"), values)
    ]
    settlement = settle_gaps(known, work.gaps, holes, span)
    if known or settlement.still_open:
        replace_gaps(
            connection, work.batch.dataset, instrument_id, known=known, settlement=settlement
        )
    unproven = [gap.span for gap in settlement.still_open if gap.reason not in EXPLAINED_REASONS]
    proven = subtract_spans(span, unproven)
    _extend_coverage(connection, work.batch.dataset, instrument_id, proven, load_id=load_id)


def _cover_buckets(
    connection: Connection,
    timeframe: Timeframe,
    instrument_id: int,
    spans: Sequence[Span],
    *,
    load_id: int | None,
) -> None:
    proven = [
        Span(start_ms, end_ms)
        for base in coverage(connection, dataset_of(M1), instrument_id)
        for span in spans
        if (start_ms := timeframe.ceil_ms(max(span.start_ms, base.start_ms)))
        < (end_ms := timeframe.floor_ms(min(span.end_ms, base.end_ms)))
    ]
    _extend_coverage(connection, dataset_of(timeframe), instrument_id, proven, load_id=load_id)


def _extend_coverage(
    connection: Connection,
    dataset: str,
    instrument_id: int,
    proven: Sequence[Span],
    *,
    load_id: int | None,
) -> None:
    if not proven:
        return
    values = {
        "dataset": dataset,
        "instrument_id": instrument_id,
        "proven": Multirange([Range(span.start_time, span.end_time) for span in proven]),
        "load_id": load_id,
    }
    # Absence that has been proven is news too: a bucket may be settled by it alone.
    connection.execute(statement("ledger/note_new_coverage"), values)
    connection.execute(statement("ledger/extend_coverage"), values)
