"""Ways to read a year of one instrument, and the limit: COPY TO whose bytes nobody looks at."""

from __future__ import annotations

from pathlib import Path

import connectorx
import pandas as pd
import psycopg
from adbc_driver_postgresql import dbapi
from load_source import COLUMNS, run
from sqlalchemy import create_engine

REPEATS = 7
SELECT = (
    f"SELECT {', '.join(COLUMNS[1:])} FROM market.candle_1m "  # noqa: S608
    "WHERE instrument_id = (SELECT min(instrument_id) FROM market.instrument) "
    "AND open_time >= '2025-01-01 00:00+00' AND open_time < '2026-01-01 00:00+00'"
)
ORDERED = f"{SELECT} ORDER BY open_time"


def count_copied(dsn: str, statement: str) -> int:
    """Read COPY's bytes and drop them; return the rows that the server counted."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for _ in copy:
                pass
        return cursor.rowcount


def to_nowhere(dsn: str, folder: Path, limit: int) -> int:
    """Copy out in whatever order the rows lie."""
    return count_copied(dsn, f"COPY ({SELECT}) TO STDOUT (FORMAT BINARY)")


def to_nowhere_ordered(dsn: str, folder: Path, limit: int) -> int:
    """Copy out in order of time, as a reader wants it."""
    return count_copied(dsn, f"COPY ({ORDERED}) TO STDOUT (FORMAT BINARY)")


def to_dev_null(dsn: str, folder: Path, limit: int) -> int:
    """Let the server itself throw the bytes away: no client has them."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"COPY ({SELECT}) TO '/dev/null' (FORMAT BINARY)")
        return cursor.rowcount


def by_read_sql(dsn: str, folder: Path, limit: int) -> int:
    """Call pandas' ``read_sql``."""
    engine = create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    return len(pd.read_sql(ORDERED, engine))


def by_connectorx(dsn: str, folder: Path, limit: int) -> int:
    """Read into Arrow with connectorx, over one connection."""
    return int(connectorx.read_sql(dsn, ORDERED, return_type="arrow").num_rows)


def by_adbc(dsn: str, folder: Path, limit: int) -> int:
    """Read into Arrow with ADBC."""
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(ORDERED)
        return int(cursor.fetch_arrow_table().num_rows)


def by_adbc_to_pandas(dsn: str, folder: Path, limit: int) -> int:
    """Read into Arrow with ADBC and make the frame that ours gives."""
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(ORDERED)
        return len(cursor.fetch_arrow_table().to_pandas())


WAYS = {
    "copy": to_nowhere,
    "copy_ordered": to_nowhere_ordered,
    "copy_server": to_dev_null,
    "read_sql": by_read_sql,
    "connectorx": by_connectorx,
    "adbc": by_adbc,
    "adbc_pandas": by_adbc_to_pandas,
}

if __name__ == "__main__":
    run(WAYS, dict.fromkeys(WAYS, REPEATS) | {"read_sql": 2})
