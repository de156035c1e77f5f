"""How far the fits of a timeframe are: what each has seen, and what it can be read from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.market.span import Span, to_ms
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection
from include.warehouse.statements import fetch_value, statement


@dataclass(frozen=True, slots=True)
class FitProgress:
    """What the current fit of an instrument has seen; ``span`` is None for the oldest fits.

    ``parent_moved``: its parent's channel tells something else now than when it was fitted.
    """

    data_xid: int
    span: Span | None
    parent_moved: bool


def fit_progress(
    connection: Connection, timeframe: Timeframe, parent: Timeframe | None
) -> dict[int, FitProgress]:
    """Return by instrument how far its current fit of ``timeframe`` is."""
    values = {"timeframe": timeframe.label, "parent": parent.label if parent else None}
    return {
        instrument_id: FitProgress(
            data_xid, Span(to_ms(start), to_ms(end)) if start is not None else None, moved
        )
        for instrument_id, data_xid, start, end, moved in connection.execute(
            statement("model/fit_progress"), values
        )
    }


def newest_changes(
    connection: Connection, stage: str, dataset: str, upto_xid: int
) -> dict[int, int]:
    """Return by instrument the newest change below ``upto_xid`` that ``stage`` awaits: its xid."""
    values = {"stage": stage, "dataset": dataset, "upto_xid": str(upto_xid)}
    return dict(connection.execute(statement("model/newest_changes"), values).fetchall())


def unfitted(
    connection: Connection, timeframe: Timeframe, instrument_ids: Collection[int], upto_xid: int
) -> list[int]:
    """Return those of ``instrument_ids`` whose current fit has not seen all below ``upto_xid``."""
    values = {
        "timeframe": timeframe.label,
        "instrument_ids": list(instrument_ids),
        "upto_xid": str(upto_xid),
    }
    return [row[0] for row in connection.execute(statement("model/unfitted"), values)]


def coverage_ends(
    connection: Connection, dataset: str, instrument_ids: Sequence[int]
) -> dict[int, int]:
    """Return by instrument where its proven candles end, epoch milliseconds."""
    values = {"dataset": dataset, "instrument_ids": list(instrument_ids)}
    rows = connection.execute(statement("ledger/coverage_ends"), values)
    return {instrument_id: to_ms(end) for instrument_id, end in rows}


def begin_reading(connection: Connection) -> tuple[datetime, int]:
    """Fix one snapshot for the open transaction; return its instant and the changes it has seen.

    The second is a bound: every change of a transaction below it. Call it first.
    """
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    row = connection.execute(statement("model/begin_reading")).fetchone()
    if row is None:
        raise LookupError("expected the instant of the snapshot, was nothing")
    return row[0], int(row[1])


def rows_on_the_way(connection: Connection) -> int:
    """Return how many landed rows wait to be checked or loaded."""
    return int(fetch_value(connection, statement("model/rows_on_the_way"), {}))
