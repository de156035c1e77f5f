"""What is encoded is what PostgreSQL reads: every type, nulls, text of any length."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.warehouse.encoding import encode_copy

TYPES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "smallint": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "integer": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "bigint": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "double precision": (pa.float64(), st.floats(allow_nan=False)),
    "boolean": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text(st.characters(exclude_characters="\x00", codec="utf-8"))),
    "timestamp with time zone": (
        pa.timestamp("us", tz="UTC"),
        st.datetimes(
            datetime.datetime(1, 1, 2),  # noqa: DTZ001 - the zone comes from the strategy
            datetime.datetime(9999, 12, 30),  # noqa: DTZ001
            timezones=st.just(datetime.UTC),
        ),
    ),
}
ROW = st.tuples(*(st.none() | values for _, values in TYPES.values()))


@pytest.fixture(scope="module")
def reader(postgres_server: Any) -> Any:
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"c{at} {kind}" for at, kind in enumerate(TYPES))
        connection.execute(f"CREATE TEMPORARY TABLE encoded ({columns}, place serial)")
        yield connection


def read_back(reader: Any, columns: list[pa.Array]) -> list[tuple[Any, ...]]:
    reader.execute("TRUNCATE encoded")
    names = ", ".join(f"c{at}" for at in range(len(TYPES)))
    sent = f"COPY encoded ({names}) FROM STDIN (FORMAT BINARY)"
    with reader.cursor() as cursor, cursor.copy(sent) as copy:
        for part in encode_copy(columns):
            copy.write(part)
    rows: list[tuple[Any, ...]] = reader.execute(
        f"SELECT {names} FROM encoded ORDER BY place"
    ).fetchall()
    return rows


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=30))
def test_any_row_comes_back_as_it_was(reader: Any, rows: list[tuple[Any, ...]]) -> None:
    kinds = [kind for kind, _ in TYPES.values()]
    columns = [pa.array([row[at] for row in rows], type=kind) for at, kind in enumerate(kinds)]
    assert read_back(reader, columns) == rows


def test_slices_parts_and_nan_come_back_too(reader: Any) -> None:
    count = 60_000
    texts = [None if at % 7 == 0 else "x" * (at % 50) for at in range(count + 3)]
    columns = [
        pa.nulls(count, pa.int16()),
        pa.array(np.arange(count, dtype=np.int32)),
        pa.array(np.arange(count + 5)).slice(5),
        pa.array(np.where(np.arange(count) % 2, np.nan, 1.5)),
        pa.repeat(pa.scalar(True), count),
        pa.array(texts).slice(3),
        pa.nulls(count, pa.timestamp("us", tz="UTC")),
    ]
    rows = read_back(reader, columns)
    assert [row[1] for row in rows] == list(range(count))
    assert [row[2] for row in rows] == list(range(5, count + 5))
    assert [row[5] for row in rows] == texts[3:]
    assert {str(row[3]) for row in rows} == {"nan", "1.5"}
    assert {(row[0], row[4], row[6]) for row in rows} == {(None, True, None)}
