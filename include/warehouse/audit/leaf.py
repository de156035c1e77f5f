"""The tables an audit reads: plain ones, and the months of partitioned ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import sql

from include.market.timeframe import Timeframe, timeframe_of
from include.warehouse.engine import Connection
from include.warehouse.statements import statement

SCHEMAS: Final = ("market", "ledger", "model", "report")
# The column that says when a row is of, the better ones first.
_TIME_COLUMNS: Final = (
    "open_time",
    "trade_time",
    "funding_time",
    "opens_at",
    "span_start",
    "start_time",
    "recorded_at",
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A table with rows of its own; ``from_time`` and ``to_time`` bound a month, else are None."""

    schema: str
    name: str
    dataset: str
    from_time: datetime | None
    to_time: datetime | None
    instrument_column: str | None
    time_column: str | None

    @property
    def relation(self) -> str:
        """Return the table people know it by: its own name, or what it is a month of."""
        return f"{self.schema}.{self.dataset}"

    @property
    def table(self) -> sql.Identifier:
        """Return the leaf itself as an identifier."""
        return sql.Identifier(self.schema, self.name)

    @property
    def timeframe(self) -> Timeframe | None:
        """Return the timeframe of a table of candles, None for another table."""
        return timeframe_of(self.dataset)

    @property
    def length(self) -> str:
        """Return how long one of its rows lasts, as SQL reads it; zero for other than candles."""
        return self.timeframe.interval if self.timeframe else "0"

    def instrument_and_time(self, owner: str | None = None) -> dict[str, sql.Composable]:
        """Return the columns by which a finding is named, NULL where the table has none."""
        return {
            "instrument": _column(self.instrument_column, owner, "integer"),
            "time": _column(self.time_column, owner, "timestamptz"),
        }


def _column(name: str | None, owner: str | None, kind: str) -> sql.Composable:
    if name is None:
        return sql.SQL("NULL::{}").format(sql.SQL(kind))
    return sql.Identifier(owner, name) if owner else sql.Identifier(name)


def list_leaves(connection: Connection) -> list[Leaf]:
    """Return every table of ours that holds rows, months after one another."""
    rows = connection.execute(
        statement("audit/list_leaves"),
        {"schemas": list(SCHEMAS), "time_columns": list(_TIME_COLUMNS)},
    )
    return [Leaf(*row) for row in rows]
