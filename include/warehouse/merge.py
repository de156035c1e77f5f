"""The one way candles enter a table: judge every staged row, keep what it replaces, count.

Runs in the caller's transaction, on rows that ``staging`` has copied. Every row gets exactly one
fate, so the counts of a load always add up:

==================  ====================================================  ===========
fate                meaning                                               counted as
==================  ====================================================  ===========
new                 no candle was stored under this key                   inserted
revised             other values were stored                              updated
same                equal values are stored                               unchanged
repeat              equal to a later row of the same batch                unchanged
duplicate_key       a later row of the batch has other values             quarantined
superseded          a newer observation with other values is stored       quarantined
unknown_instrument  no alias of the symbol is valid at the row's time     quarantined
outside_span        the row lies outside the span the batch speaks for    quarantined
==================  ====================================================  ===========
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import sql

from include.market.candle import VALUE_COLUMNS
from include.market.errors import RetryableError
from include.market.span import Span
from include.market.timeframe import M1, Timeframe
from include.warehouse.engine import Connection
from include.warehouse.staging import CHILD_COLUMNS
from include.warehouse.statements import statement

REFUSED_FATES: Final = ("unknown_instrument", "outside_span", "duplicate_key", "superseded")


@dataclass(frozen=True, slots=True)
class LoadReceipt:
    """What became of the rows handed in; they add up. ``load_id`` is None for an empty merge."""

    load_id: int | None
    inserted: int
    updated: int
    unchanged: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What is known of the staged rows as a whole.

    ``span`` (half-open) is what the batch speaks for; ``observed_at`` is when it was read, None
    for rows computed just now. Rows we computed have no venue, symbol, landing or payload.
    """

    timeframe: Timeframe
    span: Span
    source: str
    run_id: str
    rows: int
    observed_at: datetime | None = None
    venue: str | None = None
    symbol: str | None = None
    landing_id: int | None = None
    payload_sha256: str | None = None
    fencing_token: int | None = None

    @property
    def dataset(self) -> str:
        """Name of the table, as the ledger writes it."""
        return dataset_of(self.timeframe)


def dataset_of(timeframe: Timeframe) -> str:
    """Return the ledger's name of the candle table of ``timeframe``."""
    return f"candle_{timeframe.label}"


def candle_table(timeframe: Timeframe) -> sql.Identifier:
    """Return the candle table of ``timeframe`` as an identifier."""
    return sql.Identifier("market", dataset_of(timeframe))


def lock_series(connection: Connection, dataset: str, instrument_ids: Sequence[int]) -> None:
    """Keep other writers of these series waiting until the transaction ends."""
    connection.execute(
        statement("ledger/lock_series"),
        {"dataset": dataset, "instrument_ids": sorted(instrument_ids)},
    )


def merge_staged(connection: Connection, batch: Batch) -> LoadReceipt:
    """Move the staged rows into their table, with revisions, receipt and changes.

    The caller holds the series' locks.

    Raises:
        RetryableError: somebody wrote these candles without the lock meanwhile.
    """
    fates = _judge(connection, batch)
    refused = sum(fates.get(fate, 0) for fate in REFUSED_FATES)
    inserted, updated = fates.get("new", 0), fates.get("revised", 0)
    unchanged = fates.get("same", 0) + fates.get("repeat", 0)
    values = {
        "dataset": batch.dataset,
        "venue": batch.venue,
        "symbol": batch.symbol,
        "source": batch.source,
        "run_id": batch.run_id,
        "span_start": batch.span.start_time,
        "span_end": batch.span.end_time,
        "rows_in": batch.rows,
        "rows_inserted": inserted,
        "rows_updated": updated,
        "rows_unchanged": unchanged,
        "rows_quarantined": refused,
        "payload_sha256": batch.payload_sha256,
        "fencing_token": batch.fencing_token,
        "observed_at": batch.observed_at,
        "landing_id": batch.landing_id,
    }
    row = connection.execute(statement("ledger/write_load"), values).fetchone()
    load_id, recorded_at = row if row is not None else (None, None)
    values |= {"load_id": load_id, "recorded_at": recorded_at}
    if refused:
        connection.execute(statement("ledger/quarantine_judged"), values)
    if inserted or updated:
        _store(connection, batch, values)
    connection.execute("DROP TABLE pg_temp.candle_staging, pg_temp.candle_judged")
    return LoadReceipt(load_id, inserted, updated, unchanged, refused)


def _judge(connection: Connection, batch: Batch) -> dict[str, int]:
    values = {
        "span_start": batch.span.start_time,
        "span_end": batch.span.end_time,
        "observed_at": batch.observed_at,
        "dataset": batch.dataset,
        "length": timedelta(milliseconds=batch.timeframe.length_ms),
    }
    connection.execute(_with_columns("market/judge_candles", batch.timeframe), values)
    fates = dict(connection.execute(statement("market/count_fates")).fetchall())
    if "duplicate_key" in fates:
        repeats = connection.execute(_with_columns("market/forgive_repeats", batch.timeframe))
        fates["repeat"] = repeats.rowcount
        fates["duplicate_key"] -= repeats.rowcount
    return fates


def _store(connection: Connection, batch: Batch, values: dict[str, Any]) -> None:
    query = _with_columns("market/merge_candles", batch.timeframe)
    length = timedelta(milliseconds=batch.timeframe.length_ms)
    names = {"timeframe": batch.timeframe.label, "length": length}
    stored = connection.execute(query, values | names).fetchone()
    if stored != (values["rows_inserted"], values["rows_updated"]):
        raise RetryableError(
            f"load {values['load_id']} of {batch.dataset}: expected "
            f"{values['rows_inserted']} new and {values['rows_updated']} revised candles, stored "
            f"{stored}; somebody writes without the lock, try again"
        )


def _with_columns(name: str, timeframe: Timeframe) -> sql.Composed:
    """Fill in the table and its value columns; coarse tables also count their children."""
    names = VALUE_COLUMNS if timeframe == M1 else (*VALUE_COLUMNS, *CHILD_COLUMNS)
    return statement(name).format(
        table=candle_table(timeframe),
        values=_listed(names),
        staged=_listed(names, "staged"),
        stored=_listed(names, "stored"),
        excluded=_listed(names, "excluded"),
        winner=_listed(names, "winner"),
        loser=_listed(names, "loser"),
        replaced=sql.SQL(", ").join(
            sql.SQL("old.{} AS {}").format(sql.Identifier(name), sql.Identifier(f"old_{name}"))
            for name in names
        ),
        old_values=_listed([f"old_{name}" for name in names]),
        assignments=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in names
        ),
    )


def _listed(names: Sequence[str], owner: str | None = None) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.Identifier(owner, name) if owner else sql.Identifier(name) for name in names
    )
