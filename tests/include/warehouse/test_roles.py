"""Who may do what: jobs write rows and nothing else, readers read, and neither owns anything."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest
from psycopg import errors

from include.market.errors import InvalidInputError
from include.warehouse.engine import connect
from include.warehouse.migrate import downgrade, upgrade
from include.warehouse.roles import LOADER, LOADER_LOGIN, READER, READER_LOGIN, ensure_login, main
from stack.postgres import EmbeddedPostgres
from tests.support.postgres import (
    LOADER_PASSWORD,
    OWNER,
    OWNER_PASSWORD,
    READER_PASSWORD,
    create_database,
    drop_database,
    login_dsn,
)
from tests.support.warehouse import load_frame, minutes, seed_reference, walk

JANUARY = "market.candle_1m_2024_01"
FORBIDDEN_TO_THE_LOADER = [
    "DROP TABLE market.candle_1m",
    f"DROP TABLE {JANUARY}",
    "ALTER TABLE market.candle_1m ADD COLUMN extra integer",
    f"ALTER TABLE {JANUARY} DROP CONSTRAINT candle_price_range",
    f"ALTER TABLE market.candle_1m DETACH PARTITION {JANUARY}",
    f"ALTER TABLE {JANUARY} DISABLE TRIGGER ALL",
    f"ALTER TABLE {JANUARY} OWNER TO {LOADER}",
    "TRUNCATE market.candle_1m",
    f"TRUNCATE {JANUARY}",
    "TRUNCATE ledger.gap",
    "DELETE FROM market.candle_1m",
    f"DELETE FROM {JANUARY}",
    "DELETE FROM market.candle_revision",
    "DELETE FROM ledger.load",
    "DELETE FROM ledger.change",
    "DELETE FROM ledger.coverage",
    "CREATE TABLE market.mine (n integer)",
    "CREATE TABLE retired.mine (n integer)",
    "CREATE TABLE public.mine (n integer)",
    "CREATE SCHEMA mine",
    "CREATE INDEX ON market.candle_1m (open_time)",
    "CREATE FUNCTION market.mine() RETURNS integer LANGUAGE sql RETURN 1",
    "CREATE TRIGGER mine BEFORE INSERT ON market.candle_1m EXECUTE FUNCTION now()",
    "UPDATE ledger.schema_version SET version_num = '0001'",
    "UPDATE market.source SET rank = 0",
    "INSERT INTO ledger.retired_month VALUES ('candle_1m', '2024-01-01', 'x', 0)",
    "SELECT setval(pg_get_serial_sequence('ledger.load', 'load_id'), 1)",
    "SET session_replication_role = replica",
    f"SET ROLE {OWNER}",
    f"ALTER ROLE {LOADER_LOGIN} SUPERUSER",
    "COPY ledger.load TO PROGRAM 'cat'",
]
FORBIDDEN_TO_THE_READER = [
    *FORBIDDEN_TO_THE_LOADER,
    "INSERT INTO market.asset (code) VALUES ('X')",
    "UPDATE market.candle_1m SET close = 1",
    "UPDATE ledger.fence SET token = 1",
    f"VACUUM {JANUARY}",
    "SELECT ledger.file_repair('candle_1m', 1, now(), now() + interval '1 minute')",
    "SELECT market.retire_month('market.candle_1m', '2024-01-01')",
    "SELECT market.withdraw_candles(1, now(), now() + interval '1 minute', 'mine')",
    "SELECT market.remove_candles('1m', '{1}', '{now}', 1)",
    "SELECT market.ensure_partitions('market.candle_1m', '2025-01-01Z', '2025-02-01Z')",
    "SELECT nextval(pg_get_serial_sequence('ledger.load', 'load_id'))",
]


@pytest.fixture
def stored(warehouse_dsn: str) -> str:
    """Return the owner's URL of a warehouse with three stored hours."""
    with connect(warehouse_dsn, application="test") as connection:
        seed_reference(connection)
        load_frame(connection, walk(180), minutes(0, 180))
    return warehouse_dsn


def test_the_loader_changes_no_schema_and_deletes_no_data(stored: str, loader_dsn: str) -> None:
    assert not _not_refused(loader_dsn, FORBIDDEN_TO_THE_LOADER)


def test_the_reader_writes_nothing(stored: str, reader_dsn: str) -> None:
    # The session's read-only default is a courtesy, not the guard.
    writable = f"{reader_dsn}?options=-c%20default_transaction_read_only%3Doff"
    assert not _not_refused(writable, FORBIDDEN_TO_THE_READER)


def _not_refused(dsn: str, statements: Sequence[str]) -> list[str]:
    """Return the statements that did not fail for lack of rights."""
    passed = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        for statement in statements:
            notices.clear()
            try:
                connection.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            # What one may not vacuum is passed over with a warning.
            if not any("permission denied" in notice for notice in notices):
                passed.append(statement)
    return passed


def test_the_reader_reads_everything_and_not_for_long(stored: str, reader_dsn: str) -> None:
    with psycopg.connect(reader_dsn, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'v') "
            "AND relnamespace::regnamespace::text IN ('market', 'ledger', 'model', 'report')"
        ).fetchall()
        assert len(tables) > 30
        for (name,) in tables:
            connection.execute(f"SELECT FROM {name} LIMIT 1")
        assert connection.execute("SELECT count(*) FROM market.candle_1m").fetchone() == (180,)
        limit = connection.execute("SHOW statement_timeout").fetchone()
        assert limit == ("1min",)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY TABLE mine (n integer)")


def test_the_loader_vacuums_what_it_filled(stored: str, loader_dsn: str) -> None:
    with psycopg.connect(loader_dsn, autocommit=True) as connection:
        connection.execute(f"VACUUM (ANALYZE) {JANUARY}")
        counted = connection.execute(
            "SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (JANUARY,)
        ).fetchone()
    assert counted == (180.0,)


def test_what_is_made_later_is_covered_too(stored: str, loader_dsn: str, reader_dsn: str) -> None:
    with psycopg.connect(stored, autocommit=True) as owner:
        owner.execute("CREATE TABLE market.later (n integer GENERATED ALWAYS AS IDENTITY, m text)")
    with psycopg.connect(loader_dsn, autocommit=True) as loader:
        loader.execute("INSERT INTO market.later (m) VALUES ('x')")
        loader.execute("VACUUM (ANALYZE) market.later")
    with psycopg.connect(reader_dsn, autocommit=True) as reader:
        assert reader.execute("SELECT n, m FROM market.later").fetchall() == [(1, "x")]


def test_functions_that_run_as_the_owner_are_for_the_loader_alone(warehouse_dsn: str) -> None:
    with psycopg.connect(warehouse_dsn) as owner:
        definers = owner.execute(
            "SELECT oid::regprocedure::text, proconfig, has_function_privilege(%s, oid, 'execute'),"
            " has_function_privilege(%s, oid, 'execute') FROM pg_proc WHERE prosecdef",
            (LOADER, READER),
        ).fetchall()
    assert definers
    for name, settings, loader, reader in definers:
        assert any(text.startswith("search_path=") for text in settings or ()), name
        assert (loader, reader) == (True, False), name


def test_a_cluster_without_groups_is_told_what_to_do(postgres_server: EmbeddedPostgres) -> None:
    with postgres_server.connect() as connection:
        connection.execute("CREATE ROLE newcomer LOGIN PASSWORD 'test-only'")
        connection.execute("CREATE DATABASE strange OWNER newcomer")
        connection.execute("ALTER ROLE candlewick_reader RENAME TO set_aside")
    try:
        dsn = f"postgresql://newcomer:test-only@127.0.0.1:{postgres_server.port}/strange"
        with pytest.raises(InvalidInputError, match="run 'CREATE ROLE candlewick_reader NOLOGIN;'"):
            upgrade(dsn)
        with postgres_server.connect() as connection:
            connection.execute("ALTER ROLE newcomer CREATEROLE")
        upgrade(dsn)
        with postgres_server.connect() as connection:
            made = connection.execute("SELECT FROM pg_roles WHERE rolname = 'candlewick_reader'")
            assert made.fetchone() is not None
            connection.execute("DROP DATABASE strange")
            connection.execute("DROP ROLE candlewick_reader")
    finally:
        with postgres_server.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS strange")
            connection.execute("ALTER ROLE set_aside RENAME TO candlewick_reader")
            connection.execute("DROP ROLE newcomer")


def test_a_downgrade_takes_the_rights_back(postgres_server: EmbeddedPostgres) -> None:
    name = "rights_and_back"
    dsn = create_database(postgres_server, name)
    try:
        upgrade(dsn)
        downgrade(dsn, "0014")
        loader = login_dsn(dsn, LOADER_LOGIN, LOADER_PASSWORD)
        with (
            psycopg.connect(loader) as connection,
            pytest.raises(errors.InsufficientPrivilege, match="schema market"),
        ):
            connection.execute("SELECT FROM market.venue")
        upgrade(dsn)
        with psycopg.connect(loader) as connection:
            connection.execute("INSERT INTO market.asset (code) VALUES ('BTC')")
    finally:
        drop_database(postgres_server, name)


def test_logins_of_a_foreign_cluster_are_made_from_the_command_line(
    postgres_server: EmbeddedPostgres, warehouse_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", postgres_server.dsn("postgres"))
    monkeypatch.setenv("LOADER_PASSWORD", LOADER_PASSWORD)
    monkeypatch.delenv("READER_PASSWORD", raising=False)
    with pytest.raises(InvalidInputError, match="READER_PASSWORD must be set"):
        main()
    monkeypatch.setenv("READER_PASSWORD", READER_PASSWORD)
    main()
    main()
    with psycopg.connect(login_dsn(warehouse_dsn, READER_LOGIN, READER_PASSWORD)) as connection:
        connection.execute("SELECT FROM market.venue")


def test_who_may_not_create_roles_is_told(warehouse_dsn: str) -> None:
    with (
        connect(warehouse_dsn, application="test", autocommit=True) as connection,
        pytest.raises(InvalidInputError, match="repeat this as a superuser or with CREATEROLE"),
    ):
        ensure_login(connection, "somebody_new", OWNER_PASSWORD, READER)
