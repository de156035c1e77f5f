"""What numpy encodes PostgreSQL reads, and the other way round, bit for bit."""

from __future__ import annotations

import struct

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.market.errors import ContractError
from include.warehouse.engine import Connection
from include.warehouse.pgbinary import decode_array, decode_times, encode_rows, encode_times

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
        words = cursor.execute("SELECT DISTINCT word FROM pg_temp.t").fetchall()
        read = (
            cursor.execute(
                "SELECT array_send(array_agg(f ORDER BY place)), "
                "array_send(array_agg(i ORDER BY place)), array_send(array_agg(at ORDER BY place)) "
                "FROM pg_temp.t"
            ).fetchone()
            or ()
        )
    connection.rollback()
    assert words == ([("Größe",)] if rows else [])
    assert bits(decode_array(read[0], "f8").tolist()) == bits(floats.tolist())
    assert decode_array(read[1], "i8").tolist() == integers.tolist()
    assert (decode_times(decode_array(read[2], "i8")) == times).all()


def test_a_time_is_the_instant_postgresql_means(connection: Connection) -> None:
    row = connection.execute(
        "SELECT array_send(ARRAY['2024-02-29 12:34:56.789012+00'::timestamptz])"
    ).fetchone()
    assert decode_times(decode_array((row or [None])[0], "i8")).tolist() == [
        np.datetime64("2024-02-29T12:34:56.789012").item()
    ]


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        ("ARRAY[1.5::float8, NULL]", "f8"),
        ("ARRAY[1::int4, 2::int4]", "i8"),
        ("ARRAY[[1.5::float8], [2.5]]", "f8"),
    ],
)
def test_an_array_of_another_shape_is_refused(
    connection: Connection, array: str, kind: str
) -> None:
    row = connection.execute(f"SELECT array_send({array})").fetchone()
    with pytest.raises((ContractError, ValueError)):
        decode_array((row or [None])[0], kind)


def test_rows_cut_short_are_refused_by_the_server(connection: Connection) -> None:
    payload = encode_rows([np.arange(3, dtype=np.int64)], 3)
    connection.execute("CREATE TEMPORARY TABLE t (i int8)")
    with (
        pytest.raises(psycopg.errors.BadCopyFileFormat),
        connection.cursor().copy("COPY pg_temp.t FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(payload[:-7])
