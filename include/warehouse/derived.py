"""What is computed from stored candles: what must be read for it, and how its rows are told of.

Nothing here but ``make_months`` commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from include.cascade.series import SeriesCandles
from include.cascade.units import UnitChange
from include.market.span import Span, to_ms
from include.market.timeframe import M1
from include.warehouse.candles import read_columns
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.many_candles import OwnedSpan, read_many
from include.warehouse.statements import fetch_value, statement

SOURCE: Final = "cascade"


def read_minutes(connection: Connection, spans: Sequence[OwnedSpan]) -> SeriesCandles:
    """Return the 1m candles of instruments within spans; those of one instrument are disjoint."""
    if len(spans) != 1:
        return read_many(connection, M1, spans)
    # A long stretch of one series: the months of it can be packed side by side.
    [(owner, span)] = spans
    columns = read_columns(connection, M1, owner, span)
    owners = np.full(len(columns), owner, dtype=np.int64)
    return SeriesCandles(owners, columns.open_us, columns.cells)


def unit_changes(
    connection: Connection, instrument_ids: Iterable[int]
) -> dict[int, list[UnitChange]]:
    """Return the changes of unit of every instrument asked for, oldest first."""
    changes: dict[int, list[UnitChange]] = {one: [] for one in instrument_ids}
    values = {"instrument_ids": list(changes)}
    for instrument_id, at, factor in connection.execute(statement("market/unit_steps"), values):
        changes[instrument_id].append(UnitChange(to_ms(at), factor))
    return changes


def write_receipt(
    connection: Connection, dataset: str, span: Span, *, run_id: str, counts: Mapping[str, int]
) -> tuple[int, datetime]:
    """Write the receipt of computed rows; return its load_id and the instant they count from.

    ``counts`` are of rows inserted, updated and unchanged.
    """
    row = connection.execute(
        statement("ledger/write_load"),
        {
            **dict.fromkeys(("venue", "symbol", "payload_sha256", "fencing_token", "step")),
            "observed_at": None,
            "dataset": dataset,
            "source": SOURCE,
            "run_id": run_id,
            "span_start": span.start_time,
            "span_end": span.end_time,
            **{f"rows_{name}": count for name, count in counts.items()},
            "rows_in": sum(counts.values()),
            "rows_accepted": sum(counts.values()),
            "rows_quarantined": 0,
        },
    ).fetchone()
    if row is None:
        raise LookupError(f"the receipt of {dataset} was not given a number")
    return row


def tell_withdrawn(
    connection: Connection, dataset: str, load_id: int, spans: Mapping[int, Sequence[Span]]
) -> None:
    """File a change for the spans of every instrument whose rows went away."""
    connection.execute(
        statement("ledger/tell_withdrawn"),
        {"dataset": dataset, "load_id": load_id, **span_arrays(spans)},
    )


def has_months(connection: Connection, table: str, spans: Iterable[Span]) -> bool:
    """Tell whether ``table`` has a partition for every month of ``spans``."""
    told = span_arrays({0: [span for span in spans if span]})
    return bool(fetch_value(connection, statement("market/known_months"), {"table": table, **told}))


def span_arrays(spans: Mapping[int, Sequence[Span]]) -> dict[str, list[Any]]:
    """Return spans as the three arrays that statements unnest."""
    pairs = [(owner, span) for owner, parts in spans.items() for span in parts]
    return {
        "instrument_ids": [owner for owner, _ in pairs],
        "span_starts": [span.start_time for _, span in pairs],
        "span_ends": [span.end_time for _, span in pairs],
    }


def make_months(connection: Connection, table: str, spans: Iterable[Span]) -> None:
    """Create the partitions of ``table`` that ``spans`` lack, in a transaction of its own."""
    action = f"making months of {table}"
    begin_own_transaction(connection, action)
    with database_errors(action), connection.transaction():
        for span in spans:
            values = {"table": table, "from_time": span.start_time, "to_time": span.end_time}
            connection.execute(statement("market/ensure_partitions"), values)
