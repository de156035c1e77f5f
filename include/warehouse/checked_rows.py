"""Reads of what is stored, as frames for the suites that judge it.

Times come as ``datetime64[us, UTC]``, numbers as float64 with NaN for null. ``instrument`` names
the instrument for people, ``venue:symbol``. Everything of one call is read in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from psycopg import sql

from include.market.candle import VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import fetch_value, statement

TIME_DTYPE: Final = "datetime64[us, UTC]"
_CANDLE: Final = (
    "instrument_id", "open_time", *VALUE_COLUMNS, "flags", "recorded_at", "end_before",
    "explained_before",
)  # fmt: skip
_CHILDREN: Final = (
    "instrument_id", "open_time", "children_present", "children_expected",
    *(f"children_{name}" for name in VALUE_COLUMNS), "children_children_present",
)  # fmt: skip
_TRADE: Final = (
    "instrument_id", "trade_time", "trade_id", "price", "quantity", "time_before", "id_before",
    "venue",
)  # fmt: skip
_FUNDING: Final = ("instrument_id", "funding_time", "rate", "mark_price", "time_before")
_INSTRUMENT: Final = (
    "venue", "symbol", "base_asset", "quote_asset", "kind", "status", "tick_size", "lot_size",
    "listed_at", "delisted_at",
)  # fmt: skip
_CHANNEL: Final = (
    "instrument_id", "timeframe", "start_time", "end_time", "published", "baseline_loss",
    "model_loss", "lines", "least_gap",
)  # fmt: skip
_FORECAST: Final = (
    "instrument_id", "timeframe", "made_at", "target_time", "probability_sum",
    "least_probability", "greatest_probability",
)  # fmt: skip
_TIMES: Final = frozenset(
    name
    for columns in (_CANDLE, _TRADE, _FUNDING, _INSTRUMENT, _CHANNEL, _FORECAST)
    for name in columns
    if name.endswith(("_time", "_at")) or name in ("end_before", "time_before")
)
_TEXTS: Final = frozenset(
    ("venue", "symbol", "base_asset", "quote_asset", "kind", "status", "timeframe", "instrument")
)
_ROWS_AT_ONCE: Final = 20_000
"""Rows held as Python values while a frame is built: they take ten times the room."""


def count_rows(connection: Connection, table: str, time_column: str, span: Span) -> dict[int, int]:
    """Return how many rows of ``market.table`` each instrument has in ``span``."""
    query = statement("check/count_rows").format(
        table=sql.Identifier("market", table), time=sql.Identifier(time_column)
    )
    with database_errors(f"counting rows of {table} in {span}"):
        return {
            int(instrument_id): int(count)
            for instrument_id, count in connection.execute(query, _window(span))
        }


def read_stored_candles(
    connection: Connection,
    timeframe: Timeframe,
    instrument_ids: Sequence[int],
    span: Span,
    *,
    source: Timeframe | None = None,
) -> pd.DataFrame:
    """Return the candles of ``instrument_ids`` that open in ``span``, by instrument and time.

    Beside the values: ``end_before``, the end of the candle before, and ``explained_before``, how
    many candles that the ledger explains are absent in between. With ``source``, the timeframe
    they are built from, ``children_<column>`` hold what the stored children add up to: NaN where
    children are still on their way to the coarser table.
    """
    values = _window(span) | {
        "instrument_ids": list(instrument_ids),
        "length": timeframe.interval,
    }
    table = sql.Identifier("market", timeframe.dataset)
    query = statement("check/read_candles").format(table=table)
    with _snapshot(connection, f"reading {timeframe.dataset} {span}"):
        frame = _read(connection, query, values, _CANDLE)
        if source is not None:
            children = _read(
                connection,
                statement("check/read_children").format(
                    table=table, source=sql.Identifier("market", source.dataset)
                ),
                values
                | {
                    "dataset": timeframe.dataset,
                    "source_dataset": source.dataset,
                    "stage": f"cascade_{timeframe.name}",
                },
                _CHILDREN,
            )
            frame = frame.merge(children, on=["instrument_id", "open_time"], validate="1:1")
        return _named(connection, frame)


def read_stored_trades(
    connection: Connection, instrument_ids: Sequence[int], span: Span
) -> pd.DataFrame:
    """Return the trades of ``instrument_ids`` in ``span`` by id, each with the one before it."""
    values = _window(span) | {"instrument_ids": list(instrument_ids)}
    with _snapshot(connection, f"reading trades {span}"):
        frame = _read(connection, statement("check/read_trades"), values, _TRADE)
        return _named(connection, frame)


def read_stored_funding(
    connection: Connection, instrument_ids: Sequence[int], span: Span
) -> pd.DataFrame:
    """Return the funding payments of ``instrument_ids`` in ``span``, each with the one before."""
    values = _window(span) | {"instrument_ids": list(instrument_ids)}
    with _snapshot(connection, f"reading funding payments {span}"):
        frame = _read(connection, statement("check/read_funding"), values, _FUNDING)
        return _named(connection, frame)


def read_stored_instruments(connection: Connection, at: datetime) -> pd.DataFrame:
    """Return the instruments valid at the instant ``at``."""
    with _snapshot(connection, "reading instruments"):
        return _read(connection, statement("check/read_instruments"), {"at": at}, _INSTRUMENT)


def read_stored_channels(connection: Connection) -> pd.DataFrame:
    """Return the channels fitted now; ``least_gap`` is between neighbouring quantile lines."""
    with _snapshot(connection, "reading channels"):
        frame = _read(connection, statement("check/read_channels"), {}, _CHANNEL)
        return _named(connection, frame)


def read_stored_forecasts(connection: Connection, span: Span) -> pd.DataFrame | None:
    """Return the forecasts made in ``span``; None while no table of forecasts exists."""
    with _snapshot(connection, f"reading forecasts {span}"):
        if not fetch_value(connection, statement("check/forecasts_exist"), {}):
            return None
        frame = _read(connection, statement("check/read_forecasts"), _window(span), _FORECAST)
        return _named(connection, frame)


def _window(span: Span) -> dict[str, Any]:
    return {"from_time": span.start_time, "to_time": span.end_time}


@contextmanager
def _snapshot(connection: Connection, action: str) -> Iterator[None]:
    """Let every query inside the block see the same rows, and write none."""
    with database_errors(action), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _named(connection: Connection, frame: pd.DataFrame) -> pd.DataFrame:
    named = connection.execute(statement("check/name_instruments")).fetchall()
    names: dict[int, str] = {int(number): str(name) for number, name in named}
    return frame.assign(instrument=frame["instrument_id"].map(names).astype(object))


def _read(
    connection: Connection,
    query: sql.SQL | sql.Composed,
    values: Mapping[str, Any],
    columns: Sequence[str],
) -> pd.DataFrame:
    parts = [_frame(rows, columns) for rows in _rows(connection, query, values)]
    return pd.concat(parts, ignore_index=True) if parts else _frame([], columns)


def _rows(
    connection: Connection, query: sql.SQL | sql.Composed, values: Mapping[str, Any]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    with connection.cursor(name="candlewick_check") as cursor:
        cursor.execute(query, values, binary=True)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield rows


def _frame(rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> pd.DataFrame:
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame(
        {name: _column(name, list(cell)) for name, cell in zip(columns, cells, strict=True)}
    )


def _column(name: str, cells: list[Any]) -> Any:
    if name in _TIMES:
        return pd.to_datetime(pd.Series(cells, dtype=object), utc=True).astype(TIME_DTYPE)
    if name in _TEXTS:
        return pd.Series(cells, dtype=object)
    if name in ("instrument_id", "trade_id"):
        return np.array(cells, dtype=np.int64)
    return np.array(cells, dtype=np.float64)
