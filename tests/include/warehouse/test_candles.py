"""Reading gives back exactly the rows of the span, fast types, nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from include.market.candle import CANDLE_COLUMNS, OPTIONAL_COLUMNS, VALUE_COLUMNS
from include.market.span import Span, to_ms
from include.market.timeframe import H4, M1, M5
from include.warehouse.candles import (
    count_candles,
    cut_by_months,
    read_candles,
    read_candles_as_of,
)
from include.warehouse.engine import Connection
from include.warehouse.loader import merge_coarse
from tests.support.warehouse import (
    START,
    candles,
    load_frame,
    minutes,
    query,
    seed_reference,
    walk,
    without,
)


def test_a_span_is_half_open_and_the_frame_sorted(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(100), minutes(0, 100))
    frame = read_candles(connection, M1, 1, minutes(10, 20))
    pd.testing.assert_frame_equal(frame, walk(100)[10:20].reset_index(drop=True))
    assert tuple(frame.columns) == CANDLE_COLUMNS


def test_no_rows_are_a_frame_of_the_same_types(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(1), minutes(0, 1))
    empty = read_candles(connection, M1, 1, minutes(5, 9))
    assert empty.empty
    assert empty.dtypes.equals(read_candles(connection, M1, 1, minutes(0, 1)).dtypes)
    assert empty.dtypes.equals(walk(1).dtypes)


def test_extreme_values_come_back_bit_for_bit(connection: Connection) -> None:
    seed_reference(connection)
    frame = candles(range(4), price=[1e-12, 1e12, 0.1 + 0.2, 5e11 / 3])
    frame["volume"] = [0.0, 1e18, 5e-324, 2.0**53 + 2]
    frame["trade_count"] = [0, 10**12, 1, 2**33]
    load_frame(connection, frame, minutes(0, 4))
    read = read_candles(connection, M1, 1, minutes(0, 4))
    assert (read["open_time"] == frame["open_time"]).all()
    for column in VALUE_COLUMNS:
        assert read[column].to_numpy().tobytes() == frame[column].to_numpy().tobytes()


@pytest.mark.parametrize("column", OPTIONAL_COLUMNS)
def test_an_absent_column_is_null_in_the_table_and_absent_in_the_frame(
    connection: Connection, column: str
) -> None:
    seed_reference(connection)
    frame = without(walk(9), column)
    load_frame(connection, frame, minutes(0, 9))
    stored = query(
        connection,
        "SELECT DISTINCT quote_volume IS NULL, taker_buy_volume IS NULL, "
        "taker_buy_quote_volume IS NULL, trade_count IS NULL FROM market.candle_1m",
    )
    assert stored == [tuple(name == column for name in OPTIONAL_COLUMNS)]
    read = read_candles(connection, M1, 1, minutes(0, 9))
    pd.testing.assert_frame_equal(read, frame, check_exact=True)
    known = read_candles_as_of(connection, M1, 1, minutes(0, 9), at=datetime.now(UTC))
    pd.testing.assert_frame_equal(known, frame, check_exact=True)


def test_columns_may_be_written_to(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(3), minutes(0, 3))
    frame = read_candles(connection, M1, 1, minutes(0, 3))
    frame["close"] = np.log(frame["close"])
    frame.loc[0, "open"] = 1.0
    assert frame.loc[0, "open"] == 1.0


def test_every_table_is_counted(connection: Connection) -> None:
    seed_reference(connection)
    empty = {"candle_1m": 0, "candle_5m": 0, "candle_30m": 0, "candle_4h": 0}
    assert count_candles(connection) == empty
    connection.commit()
    load_frame(connection, walk(7), minutes(0, 7))
    for timeframe, places in ((M5, [0, 1]), (H4, [0])):
        frame = candles(places, timeframe=timeframe).assign(
            instrument_id=1, children_present=1, children_expected=5
        )
        merge_coarse(connection, timeframe, frame, run_id="r")
    assert count_candles(connection) == empty | {"candle_1m": 7, "candle_5m": 2, "candle_4h": 1}


def test_only_the_months_asked_for_are_looked_at(connection: Connection) -> None:
    seed_reference(connection)
    for month in (0, 40, 80):
        first = month * 1440
        load_frame(
            connection,
            candles(range(first, first + 3)),
            minutes(first, first + 3),
            path=str(month),
        )
    plan = "\n".join(
        row[0]
        for row in query(
            connection,
            "EXPLAIN SELECT * FROM market.candle_as_of('1m', now()) WHERE instrument_id = 1 "
            "AND open_time >= '2024-02-01' AND open_time < '2024-02-20'",
        )
    )
    assert "candle_1m_2024_02" in plan
    assert "candle_1m_2024_01" not in plan
    assert "candle_5m" not in plan
    assert "candle_revision_pkey" in plan


def test_a_read_over_many_months_is_put_together_in_order(connection: Connection) -> None:
    seed_reference(connection)
    day = 1440
    places = [0, 30 * day + 7, 31 * day, 59 * day, 60 * day, 400 * day]
    load_frame(connection, candles(places, price=[1, 2, 3, 4, 5, 6]), minutes(0, 401 * day))
    connection.execute("SET min_parallel_index_scan_size = 0; SET min_parallel_table_scan_size = 0")
    connection.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0")
    for span in (minutes(0, 401 * day), Span(0, minutes(0, 500 * day).end_ms)):
        found = read_candles(connection, M1, 1, span)
        pd.testing.assert_frame_equal(found, candles(places, price=[1, 2, 3, 4, 5, 6]))
    part = read_candles(connection, M1, 1, minutes(30 * day, 59 * day))
    pd.testing.assert_frame_equal(part, candles(places[1:3], price=[2, 3]))


@pytest.mark.parametrize(
    ("end", "count"),
    [
        (datetime(2024, 1, 20, tzinfo=UTC), 1),
        (datetime(2024, 2, 1, tzinfo=UTC), 1),
        (datetime(2024, 2, 1, 0, 1, tzinfo=UTC), 2),
        (datetime(2025, 4, 30, tzinfo=UTC), 16),
        (datetime(2025, 5, 2, tzinfo=UTC), 9),
        (datetime(2040, 1, 1, tzinfo=UTC), 16),
    ],
)
def test_a_span_is_cut_where_months_begin_into_few_pieces(end: datetime, count: int) -> None:
    span = Span(to_ms(START) + 5, to_ms(end))
    pieces = cut_by_months(span)
    assert len(pieces) == count
    assert (pieces[0].start_ms, pieces[-1].end_ms) == (span.start_ms, span.end_ms)
    assert all(one.end_ms == two.start_ms for one, two in pairwise(pieces))
    assert all(piece.start_time.strftime("%d %H:%M") == "01 00:00" for piece in pieces)


def test_an_empty_span_is_one_piece() -> None:
    assert cut_by_months(Span(5, 5)) == [Span(5, 5)]
