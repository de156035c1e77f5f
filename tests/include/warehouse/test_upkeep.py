"""Months ahead, leftovers, vacuum: done by the jobs' login, and only where there is need."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import psycopg

from include.warehouse.engine import Connection, connect
from include.warehouse.upkeep import create_months_ahead, drop_leftovers, vacuum_filled
from tests.support.warehouse import load_frame, minutes, seed_reference, walk

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def wait_until_written(connection: Connection) -> None:
    """Wait for the log to be written up to now: a commit without it is no commit to a vacuum."""
    upto = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    deadline = time.monotonic() + 60
    reached = "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn"
    while connection.execute(reached, upto).fetchone() != (True,):
        assert time.monotonic() < deadline, "the server never wrote its log"
        time.sleep(0.05)


def test_this_month_and_the_next_two_are_made_once_for_every_table(
    warehouse_dsn: str, loader_dsn: str
) -> None:
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        assert create_months_ahead(connection, at=AT) == 6 * 3
        assert create_months_ahead(connection, at=AT) == 0
        assert create_months_ahead(connection, at=datetime(2026, 12, 1, tzinfo=UTC)) == 6
        months = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'candle_30m_2%' AND relkind = 'r' "
            "ORDER BY 1"
        ).fetchall()
    assert [name[-7:] for (name,) in months] == ["2026_11", "2026_12", "2027_01", "2027_02"]


def test_what_was_filled_is_vacuumed_and_analyzed_once(warehouse_dsn: str, loader_dsn: str) -> None:
    with connect(warehouse_dsn, application="test") as connection:
        seed_reference(connection)
        load_frame(connection, walk(3000), minutes(0, 3000))
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        # The tests' server commits before it writes; till then no page counts as visible to all.
        wait_until_written(connection)
        before = connection.execute("SHOW statement_timeout").fetchone()
        done = vacuum_filled(connection)
        assert {"market.candle_1m_2024_01", "ledger.load", "market.instrument"} <= set(done)
        assert vacuum_filled(connection) == []
        known = connection.execute(
            "SELECT relname, reltuples, relallvisible = relpages FROM pg_class "
            "WHERE relname IN ('candle_1m', 'candle_1m_2024_01') ORDER BY relname"
        ).fetchall()
        assert connection.execute("SHOW statement_timeout").fetchone() == before
    assert known == [("candle_1m", 3000.0, False), ("candle_1m_2024_01", 3000.0, True)]


def test_leftovers_are_dropped_by_the_loader(warehouse_dsn: str, loader_dsn: str) -> None:
    with psycopg.connect(warehouse_dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE nursery.candle_1m_2024_01_x1 (n integer)")
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        assert drop_leftovers(connection) == 1
        assert drop_leftovers(connection) == 0
