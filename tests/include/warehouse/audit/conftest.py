"""A healthy warehouse to be damaged, and the superuser who damages it behind every guard's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from include.jobs.cascade import cascade_changes
from include.market.timeframe import CASCADE
from include.warehouse.audit.run import AuditReport, Patience, run_audit
from include.warehouse.engine import connect
from include.warehouse.gaps import Gap
from stack.postgres import EmbeddedPostgres
from tests.support.postgres import create_database, drop_database
from tests.support.warehouse import load_frame, minutes, seed_reference, walk

AT = datetime(2099, 1, 1, tzinfo=UTC)
AT_ONCE = Patience(settled=timedelta(0), quiet=timedelta(0))
DAYS = 3
NAME = "audited"


def fill(dsn: str) -> None:
    """Load three days of two instruments, an outage and revisions among them, and roll them up."""
    with connect(dsn, application="test") as connection:
        seed_reference(connection)
        span = minutes(0, DAYS * 1440)
        for seed, symbol in ((1, "BTCUSDT"), (2, "ETHUSDT")):
            frame = walk(DAYS * 1440, seed=seed)
            outage = minutes(1000, 1017)
            kept = frame.drop(index=range(1000, 1017))
            load_frame(
                connection,
                kept,
                span,
                path=f"file:///{symbol}",
                symbol=symbol,
                gaps=[Gap(outage, "outage", {"asked": 2})],
            )
        for turn in (1, 2):
            revised = walk(DAYS * 1440, seed=1).iloc[600:603].copy()
            revised["volume"] += turn
            load_frame(connection, revised, minutes(600, 603), path=f"file:///revised-{turn}")
    with connect(dsn, application="test", autocommit=True) as connection:
        for source, target in CASCADE:
            cascade_changes(connection, source, target, run_id="test")


def audit(dsn: str, patience: Patience = AT_ONCE, at: datetime = AT) -> AuditReport:
    with connect(dsn, application="test", autocommit=True) as connection:
        return run_audit(connection, at=at, patience=patience)


@pytest.fixture(scope="module")
def audited(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Return the URL of a filled warehouse whose one month has been closed without a finding."""
    dsn = create_database(postgres_server, NAME, migrated_template)
    fill(dsn)
    assert audit(dsn).findings == []
    yield dsn
    drop_database(postgres_server, NAME)


@contextmanager
def damaged(server: EmbeddedPostgres, relation: str, statement: str) -> Iterator[None]:
    """Run ``statement`` with constraints, triggers and unique keys off; undo it afterwards.

    Only a superuser who edits the catalogs gets so far; a failing disk needs no permission.
    """
    table = sql.Identifier(*relation.split("."))
    with psycopg.connect(server.dsn(NAME), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(sql.SQL("CREATE TEMPORARY TABLE before AS TABLE {}").format(table))
        try:
            with _without_guards(connection):
                changed = connection.execute(statement).rowcount
            assert changed >= 1, statement
            yield
        finally:
            with _without_guards(connection):
                connection.execute(sql.SQL("DELETE FROM {}").format(table))
                connection.execute(
                    sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE before").format(table)
                )


@contextmanager
def _without_guards(connection: psycopg.Connection) -> Iterator[None]:
    ours = "relnamespace IN ('market'::regnamespace, 'ledger'::regnamespace)"
    rows = connection.execute(
        f"SELECT oid, relchecks FROM pg_class WHERE {ours} AND relchecks > 0"
    ).fetchall()
    unique = connection.execute(
        "SELECT indexrelid FROM pg_index JOIN pg_class ON oid = indexrelid "
        f"WHERE indisunique AND relname LIKE 'candle%' AND {ours}"
    ).fetchall()
    months = connection.execute(
        f"SELECT oid FROM pg_class WHERE {ours} AND relkind = 'r' AND relispartition"
    ).fetchall()
    part_of = "UPDATE pg_class SET relispartition = %s WHERE oid = ANY(%s)"
    connection.execute(f"UPDATE pg_class SET relchecks = 0 WHERE {ours}")
    connection.execute(part_of, (False, [row[0] for row in months]))
    connection.execute(
        "UPDATE pg_index SET indisunique = false WHERE indexrelid = ANY(%s)",
        ([row[0] for row in unique],),
    )
    try:
        yield
    finally:
        connection.execute(part_of, (True, [row[0] for row in months]))
        for oid, checks in rows:
            connection.execute("UPDATE pg_class SET relchecks = %s WHERE oid = %s", (checks, oid))
        connection.execute(
            "UPDATE pg_index SET indisunique = true WHERE indexrelid = ANY(%s)",
            ([row[0] for row in unique],),
        )
