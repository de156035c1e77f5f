"""A small warehouse rolled up in every way, for tests of the cascade on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pandas as pd

from include.cascade.rollup import roll_up
from include.jobs.cascade import cascade_changes
from include.market.span import Span
from include.market.timeframe import CASCADE
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from tests.support.warehouse import load_frame, minutes, seed_reference

FOUR_HOURS = minutes(0, 240)
LEVELS = ("5m", "30m", "4h")
NOTHING = {"inserted": 0, "updated": 0, "withdrawn": 0}
ALL_STILL = dict.fromkeys(LEVELS, NOTHING)


def load(connection: Connection, frame: pd.DataFrame, span: Span, **options: Any) -> None:
    """Load through the one door; its landings are told apart by their number."""
    row = connection.execute("SELECT count(*) FROM ledger.landing").fetchone()
    connection.autocommit = False
    seed_reference(connection)
    load_frame(connection, frame, span, path=f"file:///{row}", **options)
    connection.autocommit = True


def run_stages(connection: Connection) -> dict[str, dict[str, int]]:
    return {
        target.label: cascade_changes(connection, source, target, run_id="stage")
        for source, target in CASCADE
    }


def withdraw(connection: Connection, span: Span, reason: str = "unknown") -> int:
    row = connection.execute(
        "SELECT market.withdraw_candles(1, %s, %s, 'the venue took them back', %s)",
        (span.start_time, span.end_time, reason),
    ).fetchone()
    assert row is not None
    return int(row[0])


def rows(connection: Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, values).fetchall()


def receipts(connection: Connection) -> int:
    return len(rows(connection, "SELECT FROM ledger.load WHERE source = 'cascade'"))


def check_against_scratch(connection: Connection, first: pd.DataFrame) -> None:
    """Assert that every level is what the minutes ``first`` add up to."""
    finer = first
    for source, target in CASCADE:
        finer = roll_up(finer, source, target)
        stored = connection.execute(
            "SELECT children_present, children_expected "
            f"FROM market.{target.dataset} ORDER BY open_time"
        ).fetchall()
        wanted = finer[["children_present", "children_expected"]].to_numpy().tolist()
        assert [list(row) for row in stored] == wanted
        read = read_candles(connection, target, 1, FOUR_HOURS)
        names = list(read.columns)
        pd.testing.assert_frame_equal(read, finer[names].reset_index(drop=True), check_exact=True)


def differences(connection: Connection, label: str, span: Span = FOUR_HOURS) -> list[Any]:
    return rows(
        connection,
        "SELECT open_time, detail FROM market.cascade_difference(%s, %s, %s) ORDER BY 1",
        label,
        span.start_time,
        span.end_time,
    )
