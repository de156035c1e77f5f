"""SQL and Python cut time into the same buckets."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import from_ms
from include.market.timeframe import Timeframe, parse_chain
from stack.postgres import EmbeddedPostgres
from tests.support.postgres import create_database, drop_database

WIDE = parse_chain("1m 5m 15m 1h 4h 1d 1w 1M")
# From 1801 to 2200.
INSTANTS = st.integers(min_value=-5_333_000_000_000, max_value=7_258_000_000_000)


@pytest.fixture(scope="module")
def sessions(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> Iterator[list[psycopg.Connection]]:
    """Return connections in three time zones, two of them with hours that are lost and doubled."""
    dsn = create_database(postgres_server, "zones", migrated_template)
    opened = [psycopg.connect(dsn, autocommit=True) for _ in range(3)]
    zones = ("UTC", "America/New_York", "Australia/Lord_Howe")
    for session, zone in zip(opened, zones, strict=True):
        session.execute("SELECT set_config('timezone', %s, false)", (zone,))
    yield opened
    for session in opened:
        session.close()
    drop_database(postgres_server, "zones")


@given(INSTANTS, st.sampled_from(WIDE))
def test_sql_and_python_cut_time_alike_in_any_zone(
    sessions: list[psycopg.Connection], instant_ms: int, timeframe: Timeframe
) -> None:
    asked = (
        "SELECT extract(epoch FROM b) * 1000, "
        "extract(epoch FROM market.bucket_end(%(length)s::interval, b)) * 1000 "
        "FROM market.bucket_start(%(length)s::interval, %(instant)s) AS b"
    )
    open_ms = timeframe.floor_ms(instant_ms)
    values = {"length": timeframe.interval, "instant": from_ms(instant_ms)}
    for session in sessions:
        [found] = session.execute(asked, values).fetchall()
        assert [int(one) for one in found] == [open_ms, timeframe.end_ms(open_ms)]
