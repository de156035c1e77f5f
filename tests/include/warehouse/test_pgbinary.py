"""What numpy encodes PostgreSQL reads, bit for bit."""

from __future__ import annotations

import struct

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.warehouse.engine import Connection
from include.warehouse.pgbinary import decode_times, encode_rows, encode_times

INT64 = st.integers(-(2**63), 2**63 - 1)
# timestamptz reaches from 4713 BC; int64 microseconds since 1970 stay inside from year 1 on.
MICROSECONDS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
ROWS = st.lists(st.tuples(st.floats(width=64), INT64, MICROSECONDS), max_size=20)


def bits(numbers: list[float]) -> list[bytes]:
    return [struct.pack(">d", number) for number in numbers]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS)
def test_rows_come_back_as_they_went_in(
    connection: Connection, rows: list[tuple[float, int, int]]
) -> None:
    floats = np.array([row[0] for row in rows], dtype=np.float64)
    integers = np.array([row[1] for row in rows], dtype=np.int64)
    times = np.array([row[2] for row in rows], dtype=np.int64).view("datetime64[us]")
    place = np.arange(len(rows), dtype=np.int32)
    payload = encode_rows(
        [place, np.array("Größe".encode()), floats, integers, encode_times(times)], len(rows)
    )
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE t (place int, word text, f float8, i int8, at timestamptz)"
        )
        with cursor.copy("COPY pg_temp.t FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(payload)
        read = cursor.execute(
            "SELECT word, float8send(f), i, extract(epoch FROM at) FROM pg_temp.t ORDER BY place"
        ).fetchall()
    connection.rollback()
    assert {row[0] for row in read} == ({"Größe"} if rows else set())
    assert [row[1] for row in read] == bits(floats.tolist())
    assert [row[2] for row in read] == integers.tolist()
    assert [int(row[3] * 1_000_000) for row in read] == [row[2] for row in rows]


def test_a_time_is_the_instant_postgresql_means(connection: Connection) -> None:
    [(sent,)] = connection.execute(
        "SELECT timestamptz_send('2024-02-29 12:34:56.789012+00')"
    ).fetchall()
    ticks = np.frombuffer(sent, dtype=">i8").astype(np.int64)
    instant = np.array(["2024-02-29T12:34:56.789012"], dtype="datetime64[us]")
    assert (decode_times(ticks) == instant).all()
    assert (encode_times(instant) == ticks).all()


def test_rows_cut_short_are_refused_by_the_server(connection: Connection) -> None:
    payload = encode_rows([np.arange(3, dtype=np.int64)], 3)
    connection.execute("CREATE TEMPORARY TABLE t (i int8)")
    with (
        pytest.raises(psycopg.errors.BadCopyFileFormat),
        connection.cursor().copy("COPY pg_temp.t FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(payload[:-7])
