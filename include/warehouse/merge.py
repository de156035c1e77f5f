"""Merges staged candles: the table of a timeframe, through the judgement all tables share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache

from psycopg import sql

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection
from include.warehouse.judgement import LoadReceipt, Told, lock_series, merge_told
from include.warehouse.schema import LoadableTable, loadable

__all__ = [
    "Batch",
    "LoadReceipt",
    "candle_table",
    "dataset_of",
    "lock_series",
    "merge_staged",
]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is known of the staged rows as a whole.

    ``span`` (half-open) is what the batch speaks for; ``observed_at`` is when it was read, None
    for rows computed just now. Rows we computed have no venue, symbol, landing or payload.
    ``rows`` is how many are staged; ``already_same`` is how many more were found equal to what
    is stored without being staged, under the series' locks: they count as unchanged.

    ``keys_distinct`` and ``constraints_hold`` are proofs of the caller that no key occurs twice
    and that every row meets the constraints of the table: the judge then need not look. A row
    that breaks a constraint nobody looked for fails the whole batch.
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
    already_same: int = 0
    keys_distinct: bool = False
    constraints_hold: bool = False

    @property
    def dataset(self) -> str:
        """Name of the table, as the ledger writes it."""
        return dataset_of(self.timeframe)


def dataset_of(timeframe: Timeframe) -> str:
    """Return the ledger's name of the candle table of ``timeframe``."""
    return timeframe.dataset


def candle_table(timeframe: Timeframe) -> sql.Identifier:
    """Return the candle table of ``timeframe`` as an identifier."""
    return sql.Identifier("market", dataset_of(timeframe))


@cache
def loadable_candles(timeframe: Timeframe) -> LoadableTable:
    """Return what the schema dictionary says of the candle table of ``timeframe``."""
    return loadable(f"market.{dataset_of(timeframe)}")


def merge_staged(connection: Connection, batch: Batch) -> LoadReceipt:
    """Move the staged candles into their table, with revisions, receipt and changes.

    The caller holds the series' locks. Without rows only the receipt is written, and nothing need
    be staged. A venue's row that the table's constraints refuse is quarantined; one we computed
    is our fault and fails the batch.

    Raises:
        InvalidInputError: market.source does not know the batch's source.
        RetryableError: somebody wrote these candles without the lock meanwhile.
    """
    stated = {one.name: getattr(batch, one.name) for one in fields(Batch)}
    del stated["timeframe"]
    stated["constraints_hold"] |= batch.venue is None
    return merge_told(connection, loadable_candles(batch.timeframe), Told(**stated))
