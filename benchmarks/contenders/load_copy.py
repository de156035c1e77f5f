"""Ways into PostgreSQL by COPY, and the limit: all fill ``public.bare``, which has no key.

Nothing is resolved, checked, kept in a ledger or made safe to repeat here.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pgpq
import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from load_source import COLUMNS, batches, records, run, schema

CHUNK_BYTES = 1 << 20
HEADER_BYTES, TRAILER = 19, b"\xff\xff"
ROW_BYTES = 2 + len(COLUMNS) * 4 + 4 + (len(COLUMNS) - 1) * 8
TYPES = ["int4", "timestamptz", *["float8"] * 8, "int8"]
LINEAGE = ("source", "revision", "load_id", "recorded_at")
COPY = f"COPY public.bare ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
COPY_WHOLE = f"COPY public.whole ({', '.join(COLUMNS + LINEAGE)}) FROM STDIN (FORMAT BINARY)"


@contextmanager
def open_copy(dsn: str) -> Iterator[psycopg.Copy]:
    """Give a COPY into the bare table."""
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor() as cursor,
        cursor.copy(COPY) as copy,
    ):
        yield copy


def send_file(connection: psycopg.Connection, path: Path, statement: str) -> None:
    """Send a file that is ready for COPY."""
    with path.open("rb") as ready, connection.cursor() as cursor, cursor.copy(statement) as copy:
        while chunk := ready.read(CHUNK_BYTES):
            copy.write(chunk)


def ready(dsn: str, folder: Path, limit: int) -> None:
    """Copy ready bytes into the bare table: the limit."""
    with psycopg.connect(dsn) as connection:
        send_file(connection, folder / "bare.pgcopy", COPY)


def ready_twice(dsn: str, folder: Path, limit: int) -> None:
    """Copy ready bytes over two sessions at once, half of the rows each."""
    path = folder / "bare.pgcopy"
    rows = (path.stat().st_size - HEADER_BYTES - len(TRAILER)) // ROW_BYTES
    bounds = [HEADER_BYTES + rows * part // 2 * ROW_BYTES for part in range(3)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(send_part, dsn, path), bounds[:-1], bounds[1:]))


def send_part(dsn: str, path: Path, start: int, end: int) -> None:
    """Send the whole rows that lie in a part of a ready file."""
    with path.open("rb") as ready, open_copy(dsn) as copy:
        copy.write(ready.read(HEADER_BYTES))
        ready.seek(start)
        for at in range(start, end, CHUNK_BYTES):
            copy.write(ready.read(min(CHUNK_BYTES, end - at)))
        copy.write(TRAILER)


def ready_whole(dsn: str, folder: Path, limit: int) -> None:
    """Copy ready bytes of every column the warehouse stores, its lineage too."""
    with psycopg.connect(dsn) as connection:
        send_file(connection, folder / "whole.pgcopy", COPY_WHOLE)


def ready_frozen(dsn: str, folder: Path, limit: int) -> None:
    """Copy ready bytes into a table emptied in the same transaction, frozen."""
    with psycopg.connect(dsn) as connection:
        connection.execute("TRUNCATE public.bare")
        send_file(connection, folder / "bare.pgcopy", COPY.replace("BINARY", "BINARY, FREEZE"))


def encode_by_pgpq(dsn: str, folder: Path, limit: int) -> None:
    """Encode Arrow with pgpq and copy what it gives."""
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema(folder))
    with open_copy(dsn) as copy:
        copy.write(encoder.write_header())
        for batch in batches(folder, limit):
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


def ingest_by_adbc(dsn: str, folder: Path, limit: int) -> None:
    """Let ADBC ingest Arrow."""
    reader = pa.RecordBatchReader.from_batches(schema(folder), batches(folder, limit))
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("bare", reader, mode="append", db_schema_name="public")
        connection.commit()


def write_rows(dsn: str, folder: Path, limit: int) -> None:
    """Write row after row into psycopg's binary COPY."""
    with open_copy(dsn) as copy:
        copy.set_types(TYPES)
        for record in records(folder, limit):
            copy.write_row(record)


WAYS = {
    "ready": ready,
    "ready_twice": ready_twice,
    "ready_whole": ready_whole,
    "ready_frozen": ready_frozen,
    "pgpq": encode_by_pgpq,
    "adbc": ingest_by_adbc,
    "write_row": write_rows,
}

if __name__ == "__main__":
    run(WAYS)
