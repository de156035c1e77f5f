"""A real PostgreSQL 18 for tests: one server per session, a fresh migrated database per test.

``pytest_plugins = ["tests.support.postgres"]`` in ``tests/conftest.py`` makes the fixtures known.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from include.warehouse.roles import LOADER_LOGIN, READER_LOGIN
from stack.postgres import EmbeddedPostgres
from tests.support.ports import free_port

OWNER = "candlewick"
OWNER_PASSWORD = "test-only"
LOADER_PASSWORD = "test-only-loader"
READER_PASSWORD = "test-only-reader"
TEMPLATE = "warehouse_template"


def owner_dsn(server: EmbeddedPostgres, database: str) -> str:
    """Return the URL of ``database`` for the warehouse's owner: no superuser, as in the stack."""
    return f"postgresql://{OWNER}:{OWNER_PASSWORD}@127.0.0.1:{server.port}/{database}"


def login_dsn(dsn: str, login: str, password: str) -> str:
    """Return the URL ``dsn`` of the owner for another login."""
    return dsn.replace(f"{OWNER}:{OWNER_PASSWORD}@", f"{login}:{password}@")


def create_database(server: EmbeddedPostgres, name: str, template: str = "template1") -> str:
    """Copy ``template`` to a database ``name`` of the warehouse's owner; return its URL."""
    statement = sql.SQL("create database {} owner {} template {} strategy file_copy").format(
        sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
    )
    with server.connect() as connection:
        connection.execute(statement)
    return owner_dsn(server, name)


def drop_database(server: EmbeddedPostgres, name: str) -> None:
    """Drop database ``name``, ending the sessions still in it."""
    with server.connect() as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )


def keep_still(server: EmbeddedPostgres) -> None:
    """Let nothing happen in the databases but what a test does.

    Autovacuum would take its locks, and make its marks on pages, at moments nobody chose.
    """
    with server.connect() as connection:
        connection.execute("alter system set autovacuum = off")
        connection.execute("select pg_reload_conf()")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """Run one fast, throw-away server; ``.dsn(database)`` is the superuser's URL."""
    folder = Path(tempfile.mkdtemp(prefix="candlewick-test-"))
    server = EmbeddedPostgres(folder / "data", free_port(), durable=False)
    try:
        server.start()
        keep_still(server)
        server.ensure_database("postgres", OWNER, OWNER_PASSWORD)
        server.ensure_logins(loader_password=LOADER_PASSWORD, reader_password=READER_PASSWORD)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """Return the name of a database that holds the migrated, empty warehouse."""
    from include.warehouse.migrate import upgrade

    upgrade(create_database(postgres_server, TEMPLATE))
    with postgres_server.connect() as connection:
        # A template with a session in it cannot be copied.
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (TEMPLATE,)
        )
    return TEMPLATE


@pytest.fixture
def empty_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """Return the URL of a fresh database without any schema of ours."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    yield create_database(postgres_server, name)
    drop_database(postgres_server, name)


@pytest.fixture
def warehouse_dsn(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Return the URL of a fresh, migrated, empty warehouse; the role owns it, no superuser."""
    name = f"warehouse_{uuid.uuid4().hex[:12]}"
    yield create_database(postgres_server, name, migrated_template)
    drop_database(postgres_server, name)


@pytest.fixture
def loader_dsn(warehouse_dsn: str) -> str:
    """Return the fresh warehouse's URL for the login the jobs use, which owns nothing."""
    return login_dsn(warehouse_dsn, LOADER_LOGIN, LOADER_PASSWORD)


@pytest.fixture
def reader_dsn(warehouse_dsn: str) -> str:
    """Return the fresh warehouse's URL for the login that can only read."""
    return login_dsn(warehouse_dsn, READER_LOGIN, READER_PASSWORD)


@pytest.fixture
def warehouse(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    """Return an open autocommit connection to a fresh warehouse, to look at what a test did."""
    with psycopg.connect(warehouse_dsn, autocommit=True) as connection:
        yield connection
