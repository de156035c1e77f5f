"""Loads the rows that waited in quarantine once their names mean something.

A row whose symbol nobody knew is kept whole, with the load that brought it. When reference data
has given the symbol a meaning the row is loaded as if it came only now, but with its source and
the time it was observed: of two values for one key the same one wins as if it had never waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from include.market.span import Span, to_ms
from include.market.timeframe import TIMEFRAMES, parse_timeframe
from include.warehouse.admission import admit_named, find_owners
from include.warehouse.clauses import staging_statement
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.judgement import LoadReceipt, Told, lock_series, merge_told
from include.warehouse.landing import get_landing
from include.warehouse.merge import candle_table, dataset_of
from include.warehouse.resolution import reference_joins, resolved_reference
from include.warehouse.schema import LoadableTable, loadable
from include.warehouse.series import find_series
from include.warehouse.settlement import SettledPart, settle
from include.warehouse.statements import statement
from include.warehouse.tables import METADATA


@dataclass(frozen=True, slots=True)
class ParkedReceipt:
    """What became of waiting rows: ``released`` is the sum of the other four."""

    released: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0

    def plus(self, receipt: LoadReceipt | ParkedReceipt) -> ParkedReceipt:
        """Return the totals with another receipt added."""
        names = [one.name for one in fields(self) if one.name != "released"]
        sums = {name: getattr(self, name) + getattr(receipt, name) for name in names}
        released = sum(getattr(receipt, name) for name in names)
        return ParkedReceipt(self.released + released, **sums)


@dataclass(frozen=True, slots=True)
class _Origin:
    """The load that parked rows, as far as a later load of them repeats it."""

    load_id: int
    source: str
    span_start: datetime
    span_end: datetime
    observed_at: datetime
    payload_sha256: str | None
    landing_id: int | None
    months: Sequence[datetime | None]


def retry_parked(connection: Connection, *, run_id: str) -> ParkedReceipt:
    """Load the waiting rows that resolve by now; commits for each (dataset, venue, symbol).

    Call it after reference data came. Again is harmless, and so is a second session beside it.

    Args:
        connection: idle, or in a transaction that only read (which is ended).
        run_id: the run that asks; what it loads is receipted under it.

    Raises:
        RetryableError: the database was lost or too busy; what was committed stays.
    """
    action = "release of waiting rows"
    begin_own_transaction(connection, action)
    total = ParkedReceipt()
    with database_errors(action):
        with connection.transaction():
            groups = connection.execute(statement("ledger/parked_groups")).fetchall()
        for dataset, venue, symbol in groups:
            # A table that is declared no more keeps its rows waiting.
            if f"market.{dataset}" in METADATA.tables:
                group = {"dataset": dataset, "venue": venue, "symbol": symbol}
                total = total.plus(_release(connection, group, run_id))
    return total


def _release(connection: Connection, group: dict[str, Any], run_id: str) -> ParkedReceipt:
    table = loadable(f"market.{group['dataset']}")
    with connection.transaction():
        _ensure_months(connection, table, _origins(connection, group))
    total = ParkedReceipt()
    with connection.transaction():
        connection.execute(statement("ledger/lock_parked"), group)
        # Read again: whoever held the lock before may have released them.
        for origin in _origins(connection, group):
            key = group | {"load_id": origin.load_id}
            staged = _stage(connection, table, key)
            if staged:
                total = total.plus(_load(connection, table, group, origin, staged, run_id))
            connection.execute("DROP TABLE IF EXISTS pg_temp.staged_rows, pg_temp.parked_rows")
    return total


def _origins(connection: Connection, group: dict[str, Any]) -> list[_Origin]:
    return [_Origin(*row) for row in connection.execute(statement("ledger/parked_loads"), group)]


def _ensure_months(
    connection: Connection, table: LoadableTable, origins: Sequence[_Origin]
) -> None:
    """Create the months the rows lie in; of candles those of all timeframes, as a load does."""
    if table.time is None:
        return
    labels = [f"market.{dataset_of(one)}" for one in TIMEFRAMES.values()]
    tables = labels if table.full_name in labels else [table.full_name]
    months = {month for origin in origins for month in origin.months if month is not None}
    for name in tables if _is_partitioned(connection, table) else []:
        for month in sorted(months):
            values = {"table": name, "from_time": month, "to_time": month + timedelta(days=1)}
            connection.execute(statement("market/ensure_partitions"), values)


def _is_partitioned(connection: Connection, table: LoadableTable) -> bool:
    query = "SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass"
    row = connection.execute(query, (table.full_name,)).fetchone()
    return row is not None and bool(row[0])


def _stage(connection: Connection, table: LoadableTable, key: dict[str, Any]) -> int:
    """Stage the rows of one load that mean something by now; return how many."""
    connection.execute(staging_statement(table))
    connection.execute(statement("ledger/stage_parked"), key)
    connection.execute(statement("ledger/name_parked"), key)
    admit_named(connection, table)
    connection.execute(
        statement("market/drop_unresolved").format(
            references=reference_joins(table), unresolved=_unresolved(table)
        )
    )
    connection.execute(statement("ledger/count_attempt"))
    row = connection.execute("SELECT count(*) FROM pg_temp.staged_rows").fetchone()
    return 0 if row is None else int(row[0])


def _unresolved(table: LoadableTable) -> sql.Composed:
    conditions = []
    for reference in table.references:
        missing = sql.SQL("{} IS NULL").format(resolved_reference(table, reference))
        if reference.nullable:
            names = [sql.Identifier("arrived", name) for name in reference.arrives_as]
            named = sql.SQL("num_nonnulls({}) > 0").format(sql.SQL(", ").join(names))
            missing = sql.SQL("({} AND {})").format(missing, named)
        conditions.append(missing)
    return sql.SQL(" OR ").join(conditions)


def _load(
    connection: Connection,
    table: LoadableTable,
    group: dict[str, Any],
    origin: _Origin,
    staged: int,
    run_id: str,
) -> LoadReceipt:
    lock_series(connection, table.name, find_owners(connection, table))
    told = Told(
        span=Span(to_ms(origin.span_start), to_ms(origin.span_end)),
        source=origin.source,
        run_id=run_id,
        rows=staged,
        observed_at=origin.observed_at,
        venue=group["venue"],
        symbol=group["symbol"],
        landing_id=origin.landing_id,
        payload_sha256=origin.payload_sha256,
    )
    receipt = merge_told(connection, table, told)
    connection.execute(statement("ledger/release_parked"), {"load_id": receipt.load_id})
    if origin.landing_id is not None and receipt.load_id is not None:
        _settle(connection, origin.landing_id, receipt.load_id)
    return receipt


def _settle(connection: Connection, landing_id: int, load_id: int) -> None:
    """Write down what the landing proves of series that meant nothing when it was loaded."""
    landing = get_landing(connection, landing_id)
    if landing.state != "loaded":
        return
    timeframe = parse_timeframe(landing.timeframe)
    find_holes = statement("market/find_holes").format(table=candle_table(timeframe))
    [series] = find_series(connection, [landing])
    parts = []
    for instrument_id, spans in series.items():
        for span in spans:
            values = {
                "instrument_id": instrument_id,
                "span_start": span.start_time,
                "span_end": span.end_time,
                "length": timeframe.interval,
            }
            found = connection.execute(find_holes, values)
            holes = [Span(to_ms(start), to_ms(end)) for start, end in found]
            parts.append(SettledPart(instrument_id, span, holes, (), load_id))
    settle(connection, dataset_of(timeframe), parts)
