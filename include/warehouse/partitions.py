"""Monthly partitions, made before anything is written into them."""

from __future__ import annotations

from collections.abc import Iterable

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection
from include.warehouse.merge import dataset_of
from include.warehouse.statements import statement


def ensure_partitions(connection: Connection, timeframes: Iterable[Timeframe], span: Span) -> None:
    """Create the absent months of ``span`` (half-open) in the candle tables.

    Attaching one locks the tables its foreign keys point to, so do it in a transaction that has
    not written to any of them.
    """
    for timeframe in timeframes:
        connection.execute(
            statement("market/ensure_partitions"),
            {
                "table": f"market.{dataset_of(timeframe)}",
                "from_time": span.start_time,
                "to_time": span.end_time,
            },
        )
