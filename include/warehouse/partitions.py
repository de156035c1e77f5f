"""Monthly partitions, made before anything is written into them."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import errors

from include.market.errors import InvalidInputError
from include.market.span import Span, from_ms
from include.market.timeframe import VARIABLE, Timeframe
from include.warehouse.engine import Connection
from include.warehouse.merge import dataset_of
from include.warehouse.statements import statement


def ensure_partitions(connection: Connection, timeframes: Iterable[Timeframe], span: Span) -> None:
    """Create the absent months of the candles that hold ``span`` (half-open), in their tables.

    Attaching one locks the tables its foreign keys point to, so do it in a transaction that has
    not written to any of them.

    Raises:
        InvalidInputError: the warehouse has no table for a timeframe.
    """
    for timeframe in timeframes:
        # A week may have begun in the month before.
        start_ms = timeframe.floor_ms(span.start_ms) if span else span.start_ms
        try:
            connection.execute(
                statement("market/ensure_partitions"),
                {
                    "table": f"market.{dataset_of(timeframe)}",
                    "from_time": from_ms(start_ms),
                    "to_time": span.end_time,
                },
            )
        except errors.UndefinedTable:
            raise InvalidInputError(
                f"the warehouse has no table market.{dataset_of(timeframe)}: make it by "
                f"python -m include.warehouse.migrate (make up does) while {VARIABLE} names "
                f"{timeframe.label}"
            ) from None
