"""Loads rows into any declared table: the one entry that needs to know nothing of candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
from psycopg import errors, sql
from sqlalchemy import Table

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.warehouse import instrument_rows
from include.warehouse.admission import create_named, find_owners
from include.warehouse.arriving import ArrivedRows, Rows, arrange_rows
from include.warehouse.clauses import staging_statement
from include.warehouse.encoding import encode_copy
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.fence import hold_fence
from include.warehouse.judgement import LoadReceipt, Told, lock_series, merge_told
from include.warehouse.quarantine import as_document
from include.warehouse.schema import LoadableTable, loadable
from include.warehouse.statements import fetch_value, statement

_TRIES: Final = 5
# Partitions are made for no other time; rows beyond it are refused by their tables.
_FIRST_MONTH: Final = np.datetime64("2000-01", "M")
_END_MONTH: Final = np.datetime64("2100-01", "M")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of rows as a whole, wherever they are to be stored.

    ``source`` is a name of market.source. ``span`` (half-open) is what they speak for; rows outside
    are quarantined. Without it they speak for the time they cover. ``observed_at`` is when they
    were read, None for now. ``venue`` and ``symbol`` stand for rows that do not state their own.
    ``fencing_token`` is from ``take_fence(connection, scope)``: both or neither.
    """

    source: str
    run_id: str
    span: Span | None = None
    observed_at: datetime | None = None
    venue: str | None = None
    symbol: str | None = None
    payload_sha256: str | None = None
    scope: str | None = None
    fencing_token: int | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """One load, ready to be tried."""

    table: LoadableTable
    rows: ArrivedRows
    span: Span
    delivery: Delivery


def load_rows(
    connection: Connection, table: str | Table, rows: Rows, delivery: Delivery
) -> LoadReceipt:
    """Load rows under their natural keys, in one transaction that it commits itself.

    Args:
        connection: idle, or in a transaction that only read (which is ended).
        table: name of a declared table, e.g. ``market.trade``, or a declaration itself.
        rows: with the columns the table's references arrive as (or the foreign keys themselves),
            and its own; of rows with one key the last counts. What they do not bring is left as it
            is stored.
        delivery: what is known of them as a whole.

    Names that mean nothing are first looked up in what the venue lists; what stays unknown waits
    in quarantine (``parked.retry_parked``). Rows that the table refuses are quarantined with the
    name of the rule. Deadlocks and serialization failures are tried again here, five times in all.

    Raises:
        InvalidInputError: no such table is declared, or market.source does not know the source.
        ContractError: the rows have other columns, or a constraint between rows was broken.
        StaleFenceError: a newer try took the fence.
        RetryableError: the database was lost or too busy; nothing was stored.
    """
    if table == instrument_rows.TABLE:
        return instrument_rows.load_instruments(connection, rows, delivery)
    known = loadable(table)
    action = f"load of {len(rows)} rows into {known.full_name}"
    if (delivery.scope is None) != (delivery.fencing_token is None):
        raise InvalidInputError(f"{action}: give both scope and fencing_token, or neither")
    work = _prepare(known, rows, delivery)
    begin_own_transaction(connection, action)
    with database_errors(action):
        for tries_left in reversed(range(_TRIES)):
            try:
                return _load(connection, work)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                if not tries_left:
                    raise
    raise AssertionError("unreachable")


def copy_rows(connection: Connection, table: LoadableTable, rows: ArrivedRows) -> None:
    """Create the staging table for the open transaction and fill it."""
    connection.execute(staging_statement(table))
    copy = sql.SQL("COPY pg_temp.staged_rows ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    with connection.cursor() as cursor, cursor.copy(copy) as target:
        for part in encode_copy(list(rows.columns.values())):
            target.write(part)


def _prepare(table: LoadableTable, rows: Rows, delivery: Delivery) -> _Work:
    given = set(rows.column_names if isinstance(rows, pa.Table) else rows.columns)
    names = {column.name for column in table.arriving}
    constants = {
        name: value
        for name, value in (("venue", delivery.venue), ("symbol", delivery.symbol))
        if value is not None and name in names - given
    }
    arrived = arrange_rows(table, rows, constants)
    span = delivery.span
    if span is None and table.dated_by is not None and table.dated_by in arrived.columns:
        span = arrived.span_of(table.dated_by)
    if span is None:
        instant_ms = to_ms(delivery.observed_at or datetime.now(UTC))
        span = Span(instant_ms, instant_ms)
    return _Work(table.only(given), arrived, span, delivery)


def _load(connection: Connection, work: _Work) -> LoadReceipt:
    # Attaching a partition locks the tables its foreign keys point to, so it is done and
    # committed before this load writes to any of them.
    with connection.transaction():
        _ensure_partitions(connection, work)
    told, delivery = _told(work), work.delivery
    with connection.transaction():
        if delivery.scope is not None:
            hold_fence(connection, delivery.scope, delivery.fencing_token or 0)
        copy_rows(connection, work.table, work.rows)
        create_named(connection, work.table)
        lock_series(connection, work.table.name, find_owners(connection, work.table))
        receipt = merge_told(connection, work.table, told)
        _keep_refused(connection, work, receipt.load_id)
    return receipt


def _told(work: _Work) -> Told:
    delivery = work.delivery
    return Told(
        span=work.span,
        source=delivery.source,
        run_id=delivery.run_id,
        rows=work.rows.count,
        observed_at=delivery.observed_at,
        venue=delivery.venue,
        symbol=delivery.symbol,
        payload_sha256=delivery.payload_sha256,
        fencing_token=delivery.fencing_token,
        refused=len(work.rows.refused),
    )


def _ensure_partitions(connection: Connection, work: _Work) -> None:
    """Create the months the rows lie in, one by one: a stray date must not make a century."""
    if work.table.time is None or not _is_partitioned(connection, work.table):
        return
    times = work.rows.columns[work.table.time].drop_null().cast(pa.int64()).to_numpy()
    inside = times[(times >= work.span.start_ms * 1000) & (times < work.span.end_ms * 1000)]
    months = np.unique(inside.view("datetime64[us]").astype("datetime64[M]"))
    for month in months[(months >= _FIRST_MONTH) & (months < _END_MONTH)]:
        first = month.astype("datetime64[us]").item().replace(tzinfo=UTC)
        connection.execute(
            statement("market/ensure_partitions"),
            {
                "table": work.table.full_name,
                "from_time": first,
                "to_time": first.replace(day=2),
            },
        )


def _is_partitioned(connection: Connection, table: LoadableTable) -> bool:
    query = sql.SQL("SELECT relkind = 'p' FROM pg_class WHERE oid = %(table)s::regclass")
    return bool(fetch_value(connection, query, {"table": table.full_name}))


def _keep_refused(connection: Connection, work: _Work, load_id: int | None) -> None:
    if not work.rows.refused:
        return
    shared: Mapping[str, object] = {
        "dataset": work.table.name,
        "venue": work.delivery.venue,
        "symbol": work.delivery.symbol,
        "load_id": load_id,
        "landing_id": None,
    }
    with connection.cursor() as cursor:
        cursor.executemany(
            statement("ledger/quarantine_refused"),
            [
                {
                    **shared,
                    "payload": as_document(row.raw),
                    "rule": row.rule,
                    "detail": row.detail.replace("\x00", "\\x00"),
                }
                for row in work.rows.refused
            ],
        )
