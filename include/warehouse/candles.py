"""Reads candles: the server packs each column into one array, numpy reads its bytes.

Measured against binary COPY this halves the time, for no row passes through Python on its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import pandas as pd
from psycopg import sql

from include.market.candle import CANDLE_COLUMNS, FLOAT_COLUMNS
from include.market.span import Span
from include.market.timeframe import TIMEFRAMES, Timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.merge import candle_table, dataset_of
from include.warehouse.pgbinary import decode_array, decode_times
from include.warehouse.statements import fetch_value, statement

_KINDS: Final = {column: "f8" if column in FLOAT_COLUMNS else "i8" for column in CANDLE_COLUMNS}


def read_candles(
    connection: Connection, timeframe: Timeframe, instrument_id: int, span: Span
) -> pd.DataFrame:
    """Return the candle frame of an instrument, open times in ``span`` (half-open), sorted.

    The newest revision of each candle; a frame without rows has the same columns and types. What
    is null in the table is absent in the frame: NaN, ``ABSENT_COUNT`` in ``trade_count``.
    """
    query = statement("market/read_candles").format(table=candle_table(timeframe))
    return _read(connection, query, {"instrument_id": instrument_id, "span": span})


def read_candles_as_of(
    connection: Connection,
    timeframe: Timeframe,
    instrument_id: int,
    span: Span,
    *,
    at: datetime,
) -> pd.DataFrame:
    """Return the candle frame as it stood at the instant ``at``: what was known then."""
    parameters = {
        "timeframe": timeframe.label,
        "at": at,
        "instrument_id": instrument_id,
        "span": span,
    }
    return _read(connection, statement("market/read_candles_as_of"), parameters)


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
    connection: Connection, query: sql.SQL | sql.Composed, parameters: dict[str, Any]
) -> pd.DataFrame:
    span: Span = parameters.pop("span")
    parameters |= {"span_start": span.start_time, "span_end": span.end_time}
    packed = statement("market/pack_candles").format(candles=query)
    action = f"reading candles of instrument {parameters['instrument_id']} {span}"
    with database_errors(action), connection.cursor(binary=True) as cursor:
        row = cursor.execute(packed, parameters).fetchone() or [None] * len(_KINDS)
    columns = {
        name: decode_array(payload, kind)
        for (name, kind), payload in zip(_KINDS.items(), row, strict=True)
    }
    times = pd.DatetimeIndex(decode_times(columns.pop("open_time"))).tz_localize("UTC")
    return pd.DataFrame({"open_time": times, **columns}, copy=False)
