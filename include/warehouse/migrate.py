"""Brings a database to the newest schema: Alembic, run from code, safe to run side by side.

``WAREHOUSE_URL=… python -m include.warehouse.migrate`` does it for a server that we do not run
ourselves; ``CANDLEWICK_TIMEFRAMES`` says for which timeframes tables are made.
"""

from __future__ import annotations

import os
import sys
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

from include.market.errors import CandlewickError, InvalidInputError
from include.market.timeframe import CHAIN
from include.warehouse.engine import Connection, connect, database_errors
from include.warehouse.timeframes import ensure_timeframes

VERSION_TABLE: Final = ("ledger", "schema_version")
MIGRATION_LOCK: Final = "candlewick migration"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Alembic keeps its context in module globals; processes meet at the advisory lock, threads here.
_ONE_AT_A_TIME: Final = Lock()


def upgrade(dsn: str, revision: str = "head") -> None:
    """Run every pending migration in one transaction; does nothing when there is none.

    With the newest schema there, the tables of the configured timeframes are made too.

    Raises:
        SourceUnavailableError: the server does not answer.
        RetryableError: another migration held the lock for too long.
    """
    with database_errors("migration of the warehouse"):
        _run(dsn, lambda config: command.upgrade(config, revision))
    if revision == "head":
        with _dial(dsn) as connection:
            ensure_timeframes(connection, CHAIN)


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
    return create_engine("postgresql+psycopg://", creator=lambda: _dial(dsn), poolclass=NullPool)


def _dial(dsn: str) -> Connection:
    connection = connect(dsn, application="candlewick migrate")
    # A waiting migration must outlast the one that runs; DDL on big tables takes its time.
    connection.execute("SELECT set_config('lock_timeout', '300s', false)")
    connection.commit()
    return connection


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


def main() -> None:
    """Migrate the warehouse that ``WAREHOUSE_URL`` names.

    Raises:
        InvalidInputError: the variable is not set.
    """
    dsn = os.environ.get("WAREHOUSE_URL")
    if not dsn:
        raise InvalidInputError("WAREHOUSE_URL is not set: run `eval $(make -s env)` first")
    upgrade(dsn)


if __name__ == "__main__":
    try:
        main()
    except (CandlewickError, Error) as error:
        sys.exit(f"error: {error}")
