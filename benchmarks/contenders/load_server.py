"""The server that everyone loads into: durable, with the stack's settings, gone afterwards."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
import psycopg
from psycopg import sql

from include.warehouse.migrate import upgrade
from include.warehouse.roles import LOADER_LOGIN
from stack.postgres import EmbeddedPostgres

OWNER, PASSWORD = "candlewick", "benchmark"
TEMPLATE = "warehouse_template"
BARE = (
    "instrument_id integer, open_time timestamptz, open float8, high float8, low float8, "
    "close float8, volume float8, quote_volume float8, taker_buy_volume float8, "
    "taker_buy_quote_volume float8, trade_count bigint"
)
LINEAGE = "source text, revision integer, load_id bigint, recorded_at timestamptz"
FILLED = ("bare", "whole", "orm_candle", "candles")
"""Where peers store, ORM and dlt in tables of their own."""


class Server:
    """A cluster with a migrated warehouse to copy."""

    def __init__(self, folder: Path) -> None:
        """Make it in ``folder``."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.postgres = EmbeddedPostgres(folder / "data", port)

    def __enter__(self) -> Server:
        """Start it."""
        self.postgres.start()
        try:
            self.postgres.ensure_database(TEMPLATE, OWNER, PASSWORD)
            self.postgres.ensure_logins(loader_password=PASSWORD, reader_password=PASSWORD)
            with self.postgres.connect() as connection:
                connection.execute(f"GRANT pg_write_server_files TO {LOADER_LOGIN}")
            upgrade(self.dsn(TEMPLATE))
        except BaseException:
            self.postgres.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.postgres.stop()

    def dsn(self, database: str, login: str = OWNER) -> str:
        """Return the address of ``database`` for its owner or another login, no superuser."""
        return f"postgresql://{login}:{PASSWORD}@127.0.0.1:{self.postgres.port}/{database}"

    @contextmanager
    def warehouse(self) -> Iterator[str]:
        """Give the address of an empty, migrated warehouse for the jobs; it is dropped after."""
        with self._database("warehouse", TEMPLATE):
            yield self.dsn("warehouse", LOADER_LOGIN)

    @contextmanager
    def bare(self) -> Iterator[str]:
        """Give the address of a database with the peers' tables, which have no key at all."""
        with self._database("peers", "template1") as dsn:
            with psycopg.connect(dsn) as connection:
                connection.execute(f"CREATE TABLE public.bare ({BARE})")
                connection.execute(f"CREATE TABLE public.whole ({BARE}, {LINEAGE})")
            yield dsn

    @contextmanager
    def _database(self, name: str, template: str) -> Iterator[str]:
        words = {"name": name, "owner": OWNER, "template": template}
        known = {key: sql.Identifier(word) for key, word in words.items()}
        create = "CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY file_copy"
        with self.postgres.connect() as connection:
            connection.execute(sql.SQL(create).format(**known))
        try:
            yield self.dsn(name)
        finally:
            with self.postgres.connect() as connection:
                drop = sql.SQL("DROP DATABASE {name} WITH (FORCE)")
                connection.execute(drop.format(**known))

    def settle(self) -> None:
        """Write out what earlier work left behind, so that it is nobody else's burden."""
        os.sync()
        with self.postgres.connect() as connection:
            connection.execute("CHECKPOINT")

    def figures(self) -> dict[str, float]:
        """Return MB of WAL and CPU seconds of ended sessions, since the server began."""
        with self.postgres.connect() as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        process = self.postgres.running_process() or psutil.Process()
        spent = process.cpu_times()
        return {
            "wal_mb": float(row[0] if row else 0) / 1e6,
            "server_cpu_s": spent.children_user + spent.children_system,
        }

    def count_stored(self, dsn: str) -> int:
        """Return how many candles a peer stored, in whichever table."""
        with psycopg.connect(dsn) as connection:
            tables = connection.execute(
                "SELECT relnamespace::regnamespace::text, relname FROM pg_class "
                "WHERE relkind = 'r' AND relname = ANY(%s)",
                (list(FILLED),),
            ).fetchall()
            counts = [
                connection.execute(
                    sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))
                ).fetchone()
                for table in tables
            ]
        return sum(count[0] for count in counts if count)

    def describe(self) -> str:
        """Return what the server is, with the settings that matter most here."""
        names = ("server_version", "wal_level", "wal_compression", "shared_buffers", "fsync")
        with self.postgres.connect() as connection:
            known = [
                connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
                for name in names
            ]
        told = (f"{name}={row[0]}" for name, row in zip(names, known, strict=True) if row)
        return f"PostgreSQL {', '.join(told)}"

    def require_enforced(self, dsn: str) -> None:
        """End the benchmark unless every month has its keys and checks, validated and enforced."""
        with psycopg.connect(dsn) as connection:
            months = connection.execute("""
                SELECT
                    month.inhrelid::regclass::text,
                    array_agg(rule.contype::text) FILTER (WHERE rule.contype IN ('p', 'f', 'c')),
                    bool_and(rule.convalidated AND rule.conenforced)
                FROM pg_inherits AS month
                INNER JOIN pg_constraint AS rule ON month.inhrelid = rule.conrelid
                WHERE month.inhparent = 'market.candle_1m'::regclass
                GROUP BY month.inhrelid
            """).fetchall()
        for name, kinds, sound in months:
            if not sound or kinds.count("p") != 1 or kinds.count("f") < 2 or kinds.count("c") < 8:
                raise SystemExit(f"{name} lacks keys or checks: {sorted(kinds)}, {sound}")
        if not months:
            raise SystemExit("no month was stored")
