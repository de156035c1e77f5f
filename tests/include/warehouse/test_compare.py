"""Only rows that say something new are sent to be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, OPTIONAL_COLUMNS, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1
from include.warehouse import loader
from include.warehouse.columns import CandleColumns, columns_of, unpack
from include.warehouse.compare import Comparison, compare_with_stored
from include.warehouse.engine import Connection
from include.warehouse.merge import LoadReceipt
from include.warehouse.staging import StagedRows
from tests.support.warehouse import (
    START_MS,
    candles,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
    without,
)

DAY = minutes(0, 1440)


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each load sent to the database."""
    counts: list[int] = []
    genuine = loader.copy_staged

    def copy_staged(connection: Connection, rows: StagedRows, *rest: Any) -> None:
        counts.append(rows.count)
        genuine(connection, rows, *rest)

    monkeypatch.setattr(loader, "copy_staged", copy_staged)
    return counts


def totals(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)


def test_the_same_again_sends_no_row_at_all(connection: Connection, staged: list[int]) -> None:
    seed_reference(connection)
    load_frame(connection, walk(1440), DAY, path="a")
    shuffled = walk(1440).sample(frac=1, random_state=1)
    assert totals(load_frame(connection, shuffled, DAY, path="b")) == (0, 0, 1440, 0)
    assert staged == [1440]
    assert query(connection, "SELECT rows_in, rows_unchanged FROM ledger.load ORDER BY 1") == [
        (1440, 0),
        (1440, 1440),
    ]


def test_absent_values_are_the_same_again(connection: Connection, staged: list[int]) -> None:
    seed_reference(connection)
    frame = without(walk(1440), *OPTIONAL_COLUMNS)
    load_frame(connection, frame, DAY, path="a")
    assert totals(load_frame(connection, frame, DAY, path="b")) == (0, 0, 1440, 0)
    assert staged == [1440]


@pytest.mark.parametrize("column", VALUE_COLUMNS)
def test_what_differs_in_any_column_is_sent_and_nothing_else(
    connection: Connection, staged: list[int], column: str
) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(50)), minutes(0, 50), path="a")
    revised = candles(range(50))
    by = 1 if column == "trade_count" else 1e-9
    revised.loc[[7, 20], column] += -by if column == "low" else by
    if column in ("open", "close"):
        revised.loc[[7, 20], "high"] += 1
    assert totals(load_frame(connection, revised, minutes(0, 50), path="b")) == (0, 2, 48, 0)
    assert staged == [50, 2]


def test_new_rows_between_stored_ones_are_sent_and_close_their_gaps(
    connection: Connection, staged: list[int]
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0, 1, 5, 9]), minutes(0, 10), path="a")
    receipt = load_frame(connection, candles([0, 1, 2, 5, 6]), minutes(0, 8), path="b")
    assert totals(receipt) == (2, 0, 3, 0)
    assert staged == [4, 2]
    gaps = "SELECT span_start, span_end FROM ledger.gap WHERE closed_at IS NULL ORDER BY 1"
    assert query(connection, gaps) == [
        (moment(3), moment(5)),
        (moment(7), moment(8)),
        (moment(8), moment(9)),
    ]


def test_a_batch_with_a_key_twice_is_judged_whole(
    connection: Connection, staged: list[int]
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0, 1]), minutes(0, 2), path="a")
    twice = candles([0, 1, 1], price=[100, 100, 200])
    assert totals(load_frame(connection, twice, minutes(0, 2), path="b")) == (0, 1, 1, 1)
    assert staged == [2, 3]


def test_rows_outside_the_span_and_refused_rows_leave_the_holes_to_the_database(
    connection: Connection,
) -> None:
    seed_reference(connection)
    frame = candles([0, 1, 2, 3])
    frame.loc[1, "volume"] = -1.0
    assert totals(load_frame(connection, frame, minutes(0, 3), path="a")) == (2, 0, 0, 2)
    gaps = "SELECT span_start, span_end FROM ledger.gap WHERE closed_at IS NULL"
    assert query(connection, gaps) == [(moment(1), moment(2))]


def compare(connection: Connection, frame: pd.DataFrame, span: Span) -> Comparison:
    with connection.transaction():
        found = compare_with_stored(connection, M1, columns_of(frame), {1: [span]})
    assert found is not None
    return found


def test_a_comparison_tells_what_is_new_what_is_the_same_and_what_will_be_there(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([1, 2, 3, 4]), minutes(0, 5), path="a")
    arrived = candles([4, 0, 2, 9], price=[100, 100, 7, 100])
    found = compare(connection, arrived, minutes(0, 6))
    assert found.staged.tolist() == [False, True, True, True]
    assert (found.same, found.new) == (1, 1)
    assert found.holes(M1, 1, minutes(0, 6)) == [minutes(5, 6)]


def test_minus_zero_is_zero_as_it_is_to_the_database(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0]).assign(volume=0.0), minutes(0, 1), path="a")
    again = candles([0]).assign(volume=-0.0)
    assert compare(connection, again, minutes(0, 1)).same == 1


def test_packed_numbers_are_read_in_their_order() -> None:
    numbers = np.array([1.5, -2.0, np.nan])
    assert unpack(numbers.astype(">f8").tobytes(), "f8").tobytes() == numbers.tobytes()
    assert unpack(np.array([-1, 2**62], dtype=">i8").tobytes(), "i8").tolist() == [-1, 2**62]
    assert unpack(None, "f8").tolist() == []


def columns(**changes: Any) -> CandleColumns:
    return columns_of(candles([0, 1]).assign(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: [100.0, float("nan")]} for name in (*FLOAT_COLUMNS[:4], "volume")),
        *({name: [100.0, float("inf")]} for name in FLOAT_COLUMNS),
        *({name: [100.0, -1.0]} for name in FLOAT_COLUMNS),
        {"low": 101.0},
        {"high": 99.0},
        {"open": 101.0},
        {"close": 99.0},
        {"low": 1e-13},
        {"high": 1e12 + 1},
        {"volume": 1.1e18},
        {"trade_count": [1, -2]},
        {"trade_count": 10**12 + 1},
    ],
    ids=str,
)
def test_values_the_database_would_refuse_are_seen(changes: dict[str, Any]) -> None:
    assert not columns(**changes).obey_rules()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"quote_volume": float("nan")},
        {"trade_count": ABSENT_COUNT},
        {"trade_count": 10**12},
        {"low": 1e-12, "open": 1e-12},
        {"high": 1e12},
        {"volume": 1e18},
    ],
    ids=str,
)
def test_values_the_database_takes_are_let_through(changes: dict[str, Any]) -> None:
    assert columns(**changes).obey_rules()


def test_keys_are_distinct_in_any_order() -> None:
    assert columns_of(candles([3, 1, 2])).are_distinct()
    assert columns_of(candles([])).are_distinct()
    assert not columns_of(candles([3, 1, 3])).are_distinct()


def test_columns_can_be_cut_by_time() -> None:
    found = columns_of(candles([0, 1, 2]))
    assert found.inside(minutes(1, 2)).tolist() == [False, True, False]
    assert found.take(found.inside(minutes(1, 3))).open_us.tolist() == [
        (START_MS + 60_000) * 1000,
        (START_MS + 120_000) * 1000,
    ]
