"""What came of holding two accounts of the same candles against each other, and who was told.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, STATED_COLUMNS
from include.market.span import Span, from_ms, to_ms
from include.market.timeframe import Timeframe
from include.quality.reconciliation import Comparison
from include.warehouse.engine import Connection, database_errors
from include.warehouse.merge import candle_table
from include.warehouse.statements import statement

HARMLESS: Final = ("rounding", "incomplete_left", "incomplete_right")
"""Kinds that are counted and not kept one by one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Which two accounts of which candles were compared."""

    instrument_id: int
    timeframe: Timeframe
    span: Span
    left_source: str
    right_source: str


@dataclass(frozen=True, slots=True)
class Untold:
    """Differences of one kind between two accounts of a series that nobody was told of."""

    ids: list[int]
    name: str
    timeframe: str
    left_source: str
    right_source: str
    kind: str
    first_at: datetime
    count: int


def store_comparison(
    connection: Connection, pair: Pair, found: Comparison, *, at: datetime, most: int
) -> None:
    """Write what a comparison came to, at most ``most`` of its differences one by one.

    Differences of the pair's span that were found before and are no longer there end.
    """
    kept = [each for each in found.differences if each.kind not in HARMLESS]
    key = {
        "instrument_id": pair.instrument_id,
        "timeframe": pair.timeframe.label,
        "left_source": pair.left_source,
        "right_source": pair.right_source,
    }
    span = {"span_start": pair.span.start_time, "span_end": pair.span.end_time}
    counts = {
        "compared": found.compared,
        "equal": found.equal,
        "rounding": found.count("rounding"),
        "incomplete": found.count("incomplete_left", "incomplete_right"),
        "differing": len(kept),
    }
    all_times = [from_ms(each.open_ms) for each in kept]
    shown = kept[:most]
    rows = {
        "open_time": all_times[:most],
        "kind": [each.kind for each in shown],
        "columns": [",".join(each.columns) for each in shown],
        "left_values": [_as_json(each.left) for each in shown],
        "right_values": [_as_json(each.right) for each in shown],
    }
    with database_errors(f"storing a comparison of instrument {pair.instrument_id}"):
        connection.execute(statement("ledger/write_reconciliation_run"), key | span | counts)
        connection.execute(
            statement("ledger/end_differences"), key | span | {"at": at, "open_time": all_times}
        )
        if shown:
            connection.execute(statement("ledger/note_differences"), key | rows | {"at": at})


def untold_differences(connection: Connection, venue: str) -> list[Untold]:
    """Return a venue's differences in force that nobody was told of, by series and kind."""
    rows = connection.execute(statement("ledger/untold_differences"), {"venue": venue})
    return [Untold(*row) for row in rows]


def mark_differences_told(
    connection: Connection, groups: Iterable[Untold], *, at: datetime
) -> None:
    """Note that somebody was told of ``groups``."""
    ids = [each for group in groups for each in group.ids]
    values = {"reconciliation_ids": ids, "at": at}
    connection.execute(statement("ledger/mark_differences_told"), values)


def days_in_doubt(
    connection: Connection, instrument_id: int, *, since: datetime, most: int
) -> list[datetime]:
    """Return the newest UTC days since an instant with differences in force, newest first."""
    values = {"instrument_id": instrument_id, "since": since, "most": most}
    return [day for (day,) in connection.execute(statement("ledger/days_in_doubt"), values)]


def candle_sources(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span
) -> dict[int, str]:
    """Return by open time (epoch ms) which way each stored candle came."""
    query = statement("market/list_candle_sources").format(table=candle_table(timeframe))
    rows = connection.execute(query, _where(instrument_id, span))
    return {to_ms(open_time): source for open_time, source in rows}


def replaced_candles(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span, source: str
) -> pd.DataFrame:
    """Return the candle frame of what ``source`` told before another source replaced it."""
    values = _where(instrument_id, span) | {"timeframe": timeframe.label, "source": source}
    rows = connection.execute(statement("market/replaced_candles"), values).fetchall()
    frame = pd.DataFrame(rows, columns=list(STATED_COLUMNS))
    times = pd.to_datetime(frame["open_time"], utc=True).dt.as_unit("us")
    numbers = {name: frame[name].astype("float64") for name in FLOAT_COLUMNS}
    counts = frame["trade_count"].astype("float64").fillna(ABSENT_COUNT).astype("int64")
    return frame.assign(open_time=times, **numbers, trade_count=counts, flags=np.int64(0))


def _where(instrument_id: int, span: Span) -> dict[str, Any]:
    return {
        "instrument_id": instrument_id,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }


def _as_json(values: Mapping[str, float] | None) -> str | None:
    return None if values is None else json.dumps(dict(values))
