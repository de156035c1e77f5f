"""Brings a database to the newest schema: Alembic, run from code, safe to run side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg import Error
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from include.warehouse.engine import Connection, connect, database_errors

VERSION_TABLE: Final = ("ledger", "schema_version")
MIGRATION_LOCK: Final = "candlewick migration"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Alembic keeps its context in module globals; processes meet at the advisory lock, threads here.
_ONE_AT_A_TIME: Final = Lock()


def upgrade(dsn: str, revision: str = "head") -> None:
    """Run every pending migration in one transaction; does nothing when there is none.

    Raises:
        SourceUnavailableError: the server does not answer.
        RetryableError: another migration held the lock for too long.
    """
    with database_errors("migration of the warehouse"):
        _run(dsn, lambda config: command.upgrade(config, revision))


def downgrade(dsn: str, revision: str) -> None:
    """Undo migrations down to ``revision`` (``base`` for all): tables and rows above it go."""
    with database_errors("downgrade of the warehouse"):
        _run(dsn, lambda config: command.downgrade(config, revision))


def current_revision(dsn: str) -> str | None:
    """Return the id of the last migration that ran, None for a database without our schema."""
    schema, table = VERSION_TABLE
    with sqlalchemy_engine(dsn).connect() as connection:
        options = {"version_table": table, "version_table_schema": schema}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def sqlalchemy_engine(dsn: str) -> Engine:
    """Wrap our own ``connect`` for Alembic, so that no password passes through a second parser."""

    def dial() -> Connection:
        connection = connect(dsn, application="candlewick migrate")
        # A waiting migration must outlast the one that runs; DDL on big tables takes its time.
        connection.execute("SELECT set_config('lock_timeout', '300s', false)")
        connection.commit()
        return connection

    return create_engine("postgresql+psycopg://", creator=dial, poolclass=NullPool)


def _run(dsn: str, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with _ONE_AT_A_TIME, sqlalchemy_engine(dsn).connect() as connection:
        config.attributes["connection"] = connection
        try:
            action(config)
        except DBAPIError as error:
            if isinstance(error.orig, Error):
                raise error.orig from error
            raise
