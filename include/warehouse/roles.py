"""The cluster's roles: groups that migrations grant rights to, and logins that belong to them.

==================  ==========================================================================
role                may
==================  ==========================================================================
the owner           everything in its database: migrations run as it, jobs do not
candlewick_loader   read, insert, update, vacuum, delete sessions, gaps, quarantined rows,
                    checksums and derived rows (features, session returns), and call what creates,
                    attaches and retires months and what takes candles back (kept as revisions);
                    no DDL of its own, no truncate
candlewick_reader   read
==================  ==========================================================================

``WAREHOUSE_URL=… LOADER_PASSWORD=… READER_PASSWORD=… python -m include.warehouse.roles`` makes
groups and logins in a cluster that we do not run ourselves; it may be repeated.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import errors, sql

from include.market.errors import CandlewickError, InvalidInputError
from include.warehouse.engine import Connection, connect

LOADER: Final = "candlewick_loader"
READER: Final = "candlewick_reader"
LOADER_LOGIN: Final = "candlewick_jobs"
READER_LOGIN: Final = "candlewick_viewer"
# Roles do not inherit settings of their group, so each login carries its own.
_READER_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}


def ensure_groups(connection: Connection) -> None:
    """Create the groups that are absent; ``connection`` is autocommit.

    Raises:
        InvalidInputError: the login may not create roles.
    """
    for group in (LOADER, READER):
        statement = sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group))
        _create(connection, group, statement)


def ensure_login(connection: Connection, login: str, password: str, group: str) -> None:
    """Create ``login`` as a member of ``group``, or set its password again.

    Raises:
        InvalidInputError: the login we are may not create roles.
    """
    role, secret = sql.Identifier(login), sql.Literal(password)
    _create(connection, login, sql.SQL("CREATE ROLE {} LOGIN").format(role))
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, secret))
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role))
    for name, value in _READER_SETTINGS.items() if group == READER else ():
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                role, sql.Identifier(name), sql.Literal(value)
            )
        )


def ensure_logins(connection: Connection, *, loader_password: str, reader_password: str) -> None:
    """Create groups and both logins, or set the logins' passwords again."""
    ensure_groups(connection)
    ensure_login(connection, LOADER_LOGIN, loader_password, LOADER)
    ensure_login(connection, READER_LOGIN, reader_password, READER)


def _create(connection: Connection, role: str, statement: sql.Composed) -> None:
    known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    if known.fetchone() is not None:
        return
    # Roles belong to the cluster: another database's migration may create it meanwhile.
    with suppress(errors.DuplicateObject, errors.UniqueViolation):
        try:
            connection.execute(statement)
        except errors.InsufficientPrivilege:
            raise InvalidInputError(
                f"role {role} is absent and {connection.info.user} may not create roles: repeat "
                "this as a superuser or with CREATEROLE"
            ) from None


def main() -> None:
    """Make groups and logins in the cluster that ``WAREHOUSE_URL`` names.

    Raises:
        InvalidInputError: a variable is not set, or the login may not create roles.
    """
    names = ("WAREHOUSE_URL", "LOADER_PASSWORD", "READER_PASSWORD")
    absent = [name for name in names if not os.environ.get(name)]
    if absent:
        raise InvalidInputError(f"{', '.join(absent)} must be set in the environment")
    dsn, loader_password, reader_password = (os.environ[name] for name in names)
    with connect(dsn, application="candlewick roles", autocommit=True) as connection:
        ensure_logins(connection, loader_password=loader_password, reader_password=reader_password)


if __name__ == "__main__":
    try:
        main()
    except (CandlewickError, psycopg.Error) as error:
        sys.exit(f"error: {error}")
