"""Loads checked candles, and merges the coarse ones the cascade computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
from psycopg import errors

from include.market.errors import InvalidInputError, StaleFenceError
from include.market.span import Span, merge_spans, to_ms
from include.market.timeframe import M1, TIMEFRAMES, Timeframe, parse_timeframe
from include.warehouse.coarse import as_series, store_coarse
from include.warehouse.columns import CandleColumns, columns_of
from include.warehouse.compare import Comparison, compare_with_stored
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.fence import hold_fence
from include.warehouse.gaps import Gap
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
from include.warehouse.partitions import ensure_partitions
from include.warehouse.series import Series, find_series
from include.warehouse.settlement import SettledPart, settle
from include.warehouse.staging import bucket_spans, copy_staged, stage_natural
from include.warehouse.statements import statement

_RETRIES: Final = 4


@dataclass(frozen=True, slots=True)
class _Work:
    """One load, ready to be tried: the rows, and all that is told of them."""

    landing: Landing
    timeframe: Timeframe
    frame: pd.DataFrame
    columns: CandleColumns
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
    columns = columns_of(frame)
    batch = Batch(
        timeframe=timeframe,
        span=landing.span,
        source=source,
        run_id=run_id,
        rows=len(columns),
        observed_at=landing.landed_at,
        venue=landing.venue,
        symbol=landing.symbol,
        landing_id=landing.landing_id,
        payload_sha256=landing.payload_sha256,
        fencing_token=fencing_token,
    )
    work = _Work(landing, timeframe, frame, columns, batch, gaps)
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
    those of the frame; what is stored in them and was not computed again is withdrawn. Buckets
    whose minutes are all proven become coverage of this dataset.

    Raises:
        ContractError: the frame has other columns, or a constraint refused a row.
        RetryableError: the database was lost or too busy; roll back.
    """
    rolled_up = bucket_spans(frame, timeframe) if spans is None else spans
    rebuilt = [(owner, span) for owner, parts in rolled_up.items() for span in parts]
    with database_errors(f"merge of {len(frame)} candles {timeframe.label}"):
        for span in merge_spans(span for _, span in rebuilt):
            ensure_partitions(connection, [timeframe], span)
        proven = [
            (owner, span)
            for owner, parts in rolled_up.items()
            for span in _proven_buckets(connection, timeframe, owner, parts)
        ]
    return store_coarse(
        connection,
        timeframe,
        as_series(frame),
        rebuilt,
        proven=proven,
        run_id=run_id,
        source=source,
    )


def _load(connection: Connection, work: _Work) -> LoadReceipt:
    if len(work.columns):
        # Not for a landing that only proves absence: an empty month is best filled as a whole.
        with connection.transaction():
            ensure_partitions(connection, TIMEFRAMES.values(), work.landing.span)
    with connection.transaction():
        hold_fence(connection, load_scope(work.landing), work.batch.fencing_token or 0)
        _require_checked(lock_landing(connection, work.landing.landing_id), work.landing)
        [series] = find_series(connection, [work.landing])
        lock_series(connection, work.batch.dataset, list(series))
        known = compare_with_stored(connection, work.timeframe, work.columns, series)
        receipt = _merge(connection, work, known)
        if known is None or receipt.quarantined or receipt.inserted != known.new:
            # Something was refused, or belongs to an instrument that this very load made known.
            known = None
            [series] = find_series(connection, [work.landing])
        _settle(connection, work, series, known, receipt.load_id or 0)
        connection.execute(
            statement("ledger/mark_loaded"),
            {"landing_id": work.landing.landing_id, "load_id": receipt.load_id},
        )
    return receipt


def _merge(connection: Connection, work: _Work, known: Comparison | None) -> LoadReceipt:
    """Stage and merge what is new or differs; everything where the rows were not compared."""
    frame, batch = work.frame, work.batch
    if known is not None and known.same:
        frame = frame[known.staged]
        batch = replace(batch, rows=len(frame), already_same=known.same)
    if known is not None:
        batch = replace(batch, keys_distinct=True, constraints_hold=work.columns.obey_rules())
    if batch.rows:
        landing = work.landing
        copy_staged(connection, stage_natural(frame, venue=landing.venue, symbol=landing.symbol))
    return merge_staged(connection, batch)


def _require_checked(current: Landing, given: Landing) -> None:
    if (current.payload_sha256, current.span) != (given.payload_sha256, given.span):
        raise StaleFenceError(
            f"landing {given.landing_id} holds other content by now: read pending_landings again"
        )
    if current.state not in ("checked", "loaded"):
        raise InvalidInputError(
            f"landing {given.landing_id} is {current.state}: only checked landings are loaded"
        )


def _settle(
    connection: Connection, work: _Work, series: Series, known: Comparison | None, load_id: int
) -> None:
    """Write down what is absent from the landing's series, and cover the rest of them."""
    parts = [
        SettledPart(
            instrument_id,
            span,
            _find_holes(connection, work.timeframe, instrument_id, span)
            if known is None
            else known.holes(work.timeframe, instrument_id, span),
            work.gaps,
            load_id,
        )
        for instrument_id, spans in series.items()
        for span in spans
    ]
    settle(connection, work.batch.dataset, parts)


def _find_holes(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span
) -> list[Span]:
    values = {
        "instrument_id": instrument_id,
        "span_start": span.start_time,
        "span_end": span.end_time,
        "length": timeframe.interval,
    }
    query = statement("market/find_holes").format(table=candle_table(timeframe))
    return [Span(to_ms(start), to_ms(end)) for start, end in connection.execute(query, values)]


def _proven_buckets(
    connection: Connection, timeframe: Timeframe, instrument_id: int, spans: Sequence[Span]
) -> list[Span]:
    """Return the whole buckets of ``spans`` whose minutes are all proven."""
    return [
        Span(start_ms, end_ms)
        for base in coverage(connection, dataset_of(M1), instrument_id)
        for span in spans
        if (start_ms := timeframe.ceil_ms(max(span.start_ms, base.start_ms)))
        < (end_ms := timeframe.floor_ms(min(span.end_ms, base.end_ms)))
    ]
