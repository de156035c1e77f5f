"""One damaged cell costs a row its value, not a file its rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.csv_columns import CsvLayout, read_block

LAYOUT = CsvLayout(
    ("id", "price", "maker", "rest"), {"id": "whole", "price": "number", "maker": "truth"}
)


def line(number: int, price: str = "1.5") -> str:
    return f"{number},{price},true,x"


def test_columns_and_lines_come_back_in_order() -> None:
    table = read_block(b"1,1.5,true,x\r\n2,-2e3,False,y\r\n", LAYOUT, most_damaged=0)
    assert table.columns["id"].tolist() == [1, 2]
    assert table.columns["price"].tolist() == [1.5, -2000.0]
    assert table.columns["maker"].tolist() == [True, False]
    assert table.lines == [b"1,1.5,true,x", b"2,-2e3,False,y"]
    assert table.damaged == []


def test_an_empty_block_has_typed_columns() -> None:
    table = read_block(b"", LAYOUT, most_damaged=0)
    assert [table.columns[name].dtype for name in LAYOUT.kinds] == [np.int64, np.float64, np.bool_]
    assert table.lines == []


@pytest.mark.parametrize("price", ["abc", "1_000", "1.2.3", "0x10", "1;5"])
def test_a_price_that_is_no_number_becomes_nan_and_is_told(price: str) -> None:
    text = "\n".join([line(1), line(2, price), line(3)]).encode()
    table = read_block(text, LAYOUT, most_damaged=5)
    assert table.columns["id"].tolist() == [1, 2, 3]
    assert np.isnan(table.columns["price"]).tolist() == [False, True, False]
    (damage,) = table.damaged
    assert (damage.number, damage.column, damage.cell, damage.placed) == (2, "price", price, True)
    assert table.lines[1] == line(2, price).encode()
    assert table.unplaced == ()


@pytest.mark.parametrize("price", ["", "NaN", "null", "inf", "-Infinity", "1e999"])
def test_a_price_without_a_finite_value_becomes_nan(price: str) -> None:
    table = read_block(f"{line(1)}\n{line(2, price)}\n".encode(), LAYOUT, most_damaged=5)
    assert np.isnan(table.columns["price"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("bad", "column"),
    [
        ("x,1.5,true,x", "id"),
        (",1.5,true,x", "id"),
        ("1.5,1.5,true,x", "id"),
        ("1.7E+12,1.5,true,x", "id"),
        ("99999999999999999999,1.5,true,x", "id"),
        ("2,1.5,maybe,x", "maker"),
        ("2,1.5,true", None),
        ("2,1.5,true,x,y", None),
        ("", None),
    ],
)
def test_a_line_that_cannot_be_placed_is_set_apart(bad: str, column: str | None) -> None:
    text = "\n".join([line(1), bad, line(3)]).encode()
    table = read_block(text, LAYOUT, most_damaged=5)
    assert table.columns["id"].tolist() == [1, 3]
    assert len(table.lines) == 2
    assert table.unplaced == (bad.encode(),)
    assert (table.damaged[0].number, table.damaged[0].column) == (2, column)


def test_a_cell_with_a_line_break_in_it_does_not_shift_the_lines() -> None:
    quoted = CsvLayout(LAYOUT.names, LAYOUT.kinds, quoted=True)
    text = b'1,1.5,true,"a\nb"\n2,2.5,true,c\n'
    table = read_block(text, quoted, most_damaged=5)
    rows = list(zip(table.columns["id"].tolist(), table.lines, strict=True))
    assert (2, b"2,2.5,true,c") in rows
    assert b'b"' in table.unplaced


def test_reading_stops_once_too_much_is_damaged() -> None:
    text = "\n".join(line(number, "x") for number in range(1000)).encode()
    table = read_block(text, LAYOUT, most_damaged=5)
    assert len(table.damaged) == 6


@given(
    st.lists(st.tuples(st.integers(0, 10**17), st.floats(-1e15, 1e15)), max_size=60),
    st.sets(st.integers(0, 59)),
)
def test_what_is_around_damage_reads_as_if_nothing_were_damaged(
    rows: list[tuple[int, float]], spoiled: set[int]
) -> None:
    lines = [
        "broken" if at in spoiled else f"{number},{price!r},false,"
        for at, (number, price) in enumerate(rows)
    ]
    table = read_block("".join(f"{text}\n" for text in lines).encode(), LAYOUT, most_damaged=99)
    kept = [row for at, row in enumerate(rows) if at not in spoiled]
    assert table.columns["id"].tolist() == [number for number, _ in kept]
    assert table.columns["price"].tolist() == [price for _, price in kept]
    assert len(table.unplaced) == len(rows) - len(kept)
