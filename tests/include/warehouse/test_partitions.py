"""Monthly partitions appear when they are needed, once, whoever needs them first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from include.warehouse.engine import Connection
from tests.support.warehouse import candles, load_frame, minutes, query, seed_reference

PARTITIONS = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits "
    "JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = %s::text::regclass ORDER BY 1"
)


def ensure(connection: Connection, table: str, first: datetime, last: datetime) -> int:
    call = "SELECT market.ensure_partitions(%s::text::regclass, %s, %s)"
    return int(query(connection, call, table, first, last)[0][0])


def day(year: int, month: int, number: int = 1) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def test_every_month_of_the_span_gets_its_partition_with_bounds_in_utc(
    connection: Connection,
) -> None:
    connection.execute("SET TIME ZONE 'America/New_York'")
    assert ensure(connection, "market.candle_1m", day(2023, 11, 30), day(2024, 2, 1)) == 3
    connection.execute("SET TIME ZONE 'UTC'")
    assert query(connection, PARTITIONS, "market.candle_1m") == [
        (
            f"candle_1m_{first:%Y_%m}",
            f"FOR VALUES FROM ('{first:%Y-%m-%d} 00:00:00+00') TO ('{last:%Y-%m-%d} 00:00:00+00')",
        )
        for first, last in [
            (day(2023, 11), day(2023, 12)),
            (day(2023, 12), day(2024, 1)),
            (day(2024, 1), day(2024, 2)),
        ]
    ]


def test_asking_again_creates_only_what_is_absent(connection: Connection) -> None:
    assert ensure(connection, "market.trade", day(2024, 1), day(2024, 2)) == 1
    assert ensure(connection, "market.trade", day(2024, 1), day(2024, 2)) == 0
    assert ensure(connection, "market.trade", day(2023, 12), day(2024, 3)) == 2
    assert ensure(connection, "market.trade", day(2024, 1, 5), day(2024, 1, 5)) == 0


def test_a_partition_has_the_keys_checks_and_comments_of_its_parent(
    connection: Connection,
) -> None:
    ensure(connection, "market.candle_5m", day(2024, 1), day(2024, 2))
    rules = (
        "SELECT contype, count(*) FROM pg_constraint WHERE conrelid = %s::text::regclass "
        "GROUP BY 1 ORDER BY 1"
    )
    parent = query(connection, rules, "market.candle_5m")
    assert {kind for kind, _ in parent} == {"c", "f", "n", "p"}
    assert query(connection, rules, "market.candle_5m_2024_01") == parent
    comment = "SELECT col_description('market.candle_5m_2024_01'::regclass, 1) IS NOT NULL"
    assert query(connection, comment) == [(True,)]


def test_many_sessions_that_need_the_same_months_create_each_once(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    sessions = [dial() for _ in range(6)]
    tables = ("market.candle_1m", "market.candle_4h")
    for session in sessions:  # each has looked, and remembers that there is nothing
        query(session, "SELECT to_regclass('market.candle_1m_2024_01')")

    def work(number: int) -> int:
        order = tables if number % 2 else tables[::-1]
        with sessions[number].transaction():
            return sum(
                sessions[number]
                .execute(
                    "SELECT market.ensure_partitions(%s::text::regclass, %s, %s)",
                    (table, day(2024, 1), day(2024, 7)),
                )
                .fetchall()[0][0]
                for table in order
            )

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 12
    assert len(query(connection, PARTITIONS, "market.candle_1m")) == 6


def test_readers_of_the_table_are_not_locked_out_by_a_new_month(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 1))
    reader = dial()
    reader.execute("SELECT * FROM market.candle_1m")  # holds its lock until it commits
    connection.execute("SET lock_timeout = '2s'")
    assert ensure(connection, "market.candle_1m", day(2025, 1), day(2025, 2)) == 1


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (day(2024, 2), day(2024, 1)),
        (day(1900, 1), day(2024, 1)),
        (None, day(2024, 1)),
    ],
    ids=["backwards", "124 years", "null"],
)
def test_a_span_that_makes_no_sense_is_refused(
    connection: Connection, first: datetime, last: datetime
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="100 years"):
        ensure(connection, "market.candle_1m", first, last)


def test_only_partitioned_tables_have_partitions(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.NoDataFound):
        ensure(connection, "market.venue", day(2024, 1), day(2024, 2))
