"""Months made ahead of time, leftovers dropped, filled tables vacuumed and analyzed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from psycopg import sql

from include.warehouse.engine import Connection, database_errors
from include.warehouse.retention import months_before
from include.warehouse.statements import fetch_value, statement

MONTHS_AHEAD: Final = 2
_SCHEMAS: Final = ("market", "ledger", "model", "report")


def create_months_ahead(connection: Connection, *, at: datetime) -> int:
    """Make this month's partitions and those of the next two; return how many were absent.

    Live candles of a new month then find theirs, without a lock on anything.
    """
    created = 0
    tables = connection.execute(statement("market/list_partitioned")).fetchall()
    for (name,) in tables:
        span = {
            "from_time": months_before(at, 0),
            "to_time": months_before(at, -1 - MONTHS_AHEAD),
        }
        with database_errors(f"making months of {name}"), connection.transaction():
            created += fetch_value(
                connection,
                statement("market/ensure_partitions"),
                {"table": f"market.{name}", **span},
            )
    return created


def drop_leftovers(connection: Connection) -> int:
    """Drop months whose builders died before attaching them; return how many."""
    with connection.transaction():
        return int(fetch_value(connection, statement("nursery/sweep"), {}))


def vacuum_filled(connection: Connection) -> list[str]:
    """Vacuum and analyze the tables that were filled or changed since the last time.

    A month just loaded has neither statistics nor a visibility map, and autovacuum may be hours in
    coming. ``connection`` is autocommit.

    Returns:
        The tables done; what another session holds is left for the next time.
    """
    rows = connection.execute(
        statement("pg_catalog/list_unvacuumed"), {"schemas": list(_SCHEMAS)}
    ).fetchall()
    with database_errors("vacuum"), _unhurried(connection):
        for schema, name, _ in rows:
            connection.execute(
                sql.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(sql.Identifier(schema, name))
            )
        # Nobody else collects statistics of a partitioned table as a whole.
        for schema, root in sorted({(schema, root) for schema, _, root in rows if root}):
            connection.execute(sql.SQL("ANALYZE ONLY {}").format(sql.Identifier(schema, root)))
    return [f"{schema}.{name}" for schema, name, _ in rows]


@contextmanager
def _unhurried(connection: Connection) -> Iterator[None]:
    """Lift the session's time limits, made for batches of rows, for the body."""
    names = ("statement_timeout", "transaction_timeout")
    for name in names:
        connection.execute("SELECT set_config(%s, '1h', false)", (name,))
    try:
        yield
    finally:
        for name in names:
            connection.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))
