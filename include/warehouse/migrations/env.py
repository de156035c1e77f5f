"""Alembic's entry: runs the versions over the connection it is given, in one transaction."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from include.market.errors import InvalidInputError
from include.warehouse.migrate import MIGRATION_LOCK, VERSION_TABLE, sqlalchemy_engine


def run_migrations(connection: Connection) -> None:
    """Run the pending versions; a second process waits here and then finds nothing to do."""
    schema, table = VERSION_TABLE
    context.configure(
        connection=connection,
        version_table=table,
        version_table_schema=schema,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": MIGRATION_LOCK},
        )
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        context.run_migrations()


def run_from_command_line() -> None:
    """Serve the ``alembic`` command, which names the warehouse by ``WAREHOUSE_URL``."""
    dsn = os.environ.get("WAREHOUSE_URL")
    if not dsn:
        raise InvalidInputError("WAREHOUSE_URL is not set: run `eval $(make -s env)` first")
    with sqlalchemy_engine(dsn).connect() as connection:
        run_migrations(connection)


given = context.config.attributes.get("connection")
if given is None:
    run_from_command_line()
else:
    run_migrations(given)
