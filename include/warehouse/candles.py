"""Reads candles: the server packs whole columns into a few values, numpy reads their bytes.

No row passes through Python on its own, and the numbers carry no lengths between them:
measured this takes two thirds of the time of an array's binary form, and half of binary COPY's. A
long read is cut by months, which PostgreSQL may pack side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psycopg import sql

from include.market.candle import PRICE_COLUMNS, VOLUME_COLUMNS
from include.market.span import Span, next_month_ms
from include.market.timeframe import TIMEFRAMES, Timeframe
from include.warehouse.columns import CandleColumns, unpack
from include.warehouse.engine import Connection, database_errors
from include.warehouse.merge import candle_table, dataset_of
from include.warehouse.pgbinary import decode_times
from include.warehouse.statements import fetch_value, statement

MOST_PIECES: Final = 16
"""Parts of a read that are packed on their own; each costs a little planning."""


def read_candles(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span
) -> pd.DataFrame:
    """Return the candle frame of an instrument, open times in ``span`` (half-open), sorted.

    The newest revision of each candle; a frame without rows has the same columns and types. What
    is null in the table is absent in the frame: NaN, ``ABSENT_COUNT`` in ``trade_count``.
    """
    return _as_frame(read_columns(connection, timeframe, instrument_id, span))


def read_columns(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span
) -> CandleColumns:
    """Return what ``read_candles`` reads, as arrays."""
    names = {"table": candle_table(timeframe)}
    values = {"instrument_id": instrument_id, "span": span}
    return _read(connection, "market/read_candles", names, values)


def read_candles_as_of(
    connection: Connection,
    timeframe: Timeframe,
    instrument_id: int,
    span: Span,
    *,
    at: datetime,
) -> pd.DataFrame:
    """Return the candle frame as it stood at the instant ``at``: what was known then."""
    values = {
        "timeframe": timeframe.label,
        "at": at,
        "instrument_id": instrument_id,
        "span": span,
    }
    return _as_frame(_read(connection, "market/read_candles_as_of", {}, values))


def count_candles(connection: Connection) -> dict[str, int]:
    """Return the number of stored candles per table, e.g. ``{"candle_1m": 1440, …}``."""
    return {
        dataset_of(timeframe): int(
            fetch_value(
                connection,
                statement("market/count_candles").format(table=candle_table(timeframe)),
                {},
            )
        )
        for timeframe in TIMEFRAMES.values()
    }


def _read(
    connection: Connection, query: str, names: Mapping[str, sql.Composable], values: dict[str, Any]
) -> CandleColumns:
    """Read a query's span in pieces, which PostgreSQL packs at the same time where it may."""
    span: Span = values.pop("span")
    pieces = []
    for place, piece in enumerate(cut_by_months(span)):
        start, end = f"start_{place}", f"end_{place}"
        values |= {start: piece.start_time, end: piece.end_time}
        candles = statement(query).format(
            span_start=sql.Placeholder(start), span_end=sql.Placeholder(end), **names
        )
        pieces.append(statement("market/pack_candles").format(candles=candles))
    together = sql.SQL("SELECT * FROM ({}) AS pieces").format(sql.SQL(" UNION ALL ").join(pieces))
    action = f"reading candles of instrument {values['instrument_id']} {span}"
    with database_errors(action), connection.cursor(binary=True) as cursor:
        rows = [row for row in cursor.execute(together, values) if row[0] is not None]
    # Times since 2000 are no negative numbers, so their bytes are in order as the times are.
    rows.sort(key=lambda row: row[0])
    packed = [b"".join(parts) for parts in zip(*rows, strict=True)] if rows else [b""] * 4
    times, prices, volumes, counts = packed
    counted = unpack(counts, "i8")
    return CandleColumns(
        decode_times(unpack(times, "i8")).view(np.int64),
        {
            **_unpack_fours(prices, PRICE_COLUMNS),
            **_unpack_fours(volumes, VOLUME_COLUMNS),
            "trade_count": counted >> 16,
            "flags": counted & 0xFFFF,
        },
    )


def _unpack_fours(packed: bytes, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return four columns whose numbers lie row by row."""
    numbers = np.frombuffer(packed, dtype=">f8").reshape(-1, len(names))
    return {name: numbers[:, place].astype(np.float64) for place, name in enumerate(names)}


def cut_by_months(span: Span) -> list[Span]:
    """Cut ``span`` where months begin, UTC, into at most MOST_PIECES; an empty one stays whole."""
    starts = [span.start_ms]
    while (month := next_month_ms(starts[-1])) < span.end_ms:
        starts.append(month)
    starts = starts[:: -(-len(starts) // MOST_PIECES)]
    ends = [*starts[1:], span.end_ms]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def _as_frame(columns: CandleColumns) -> pd.DataFrame:
    times = pd.DatetimeIndex(columns.open_us.view("datetime64[us]")).tz_localize("UTC")
    return pd.DataFrame({"open_time": times, **columns.cells}, copy=False)
