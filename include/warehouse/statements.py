"""Reads the statements kept as files under ``sql/``; the folder is the schema they speak to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import sql

from include.warehouse.engine import Connection

_ROOT = Path(__file__).parent / "sql"


@cache
def statement(name: str) -> sql.SQL:
    """Return the statement ``<schema>/<stem>``; ``{placeholders}`` are for identifiers only.

    Raises:
        FileNotFoundError: no such file under ``include/warehouse/sql``.
    """
    return sql.SQL((_ROOT / f"{name}.sql").read_text(encoding="utf-8"))


def fetch_value(
    connection: Connection, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any]
) -> Any:
    """Run a statement that always answers with one row; return the row's first value.

    Raises:
        LookupError: no row came back.
    """
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise LookupError(f"expected one row from {query!r}, was none")
    return row[0]
