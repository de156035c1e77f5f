"""All levels in one pass, in the transaction of a live minute, beside stages that go on."""

from __future__ import annotations

from unittest.mock import patch

from include.jobs import cascade as job
from include.jobs.cascade import cascade_all, cascade_live
from include.market.timeframe import CASCADE
from include.warehouse.engine import Connection, connect
from include.warehouse.ledger import changes_in_flight, read_changes
from tests.support.cascade_world import (
    ALL_STILL,
    FOUR_HOURS,
    NOTHING,
    check_against_scratch,
    load,
    receipts,
    rows,
    run_stages,
    withdraw,
)
from tests.support.warehouse import minutes, moment, walk


def test_all_levels_in_one_pass_are_what_the_stages_make(connection: Connection) -> None:
    frame = walk(240)
    load(connection, frame, FOUR_HOURS)
    written = cascade_all(connection, run_id="live")
    assert {label: counts["inserted"] for label, counts in written.items()} == {
        "5m": 48,
        "30m": 8,
        "4h": 1,
    }
    check_against_scratch(connection, frame)
    before = receipts(connection)
    assert run_stages(connection) == ALL_STILL
    assert receipts(connection) == before, "the stages did again what was done"


def test_a_minute_and_its_coarse_candles_are_one_transaction_whatever_else_is_open(
    connection: Connection, loader_dsn: str
) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    with connect(loader_dsn, application="old") as old:
        # An id is assigned, so nothing later is below the xmin of any snapshot.
        old.execute("SELECT pg_current_xact_id()")
        with connection.transaction():
            assert withdraw(connection, minutes(2, 3), "no_trade") == 1
            written = cascade_all(connection, run_id="live")
        assert [counts["updated"] for counts in written.values()] == [1, 1, 1]
        assert read_changes(old, "cascade_30m", "candle_5m").changes == []
        # Behind no cursor yet, and waiting for nobody all the same.
        for source, target in CASCADE:
            assert not changes_in_flight(connection, f"cascade_{target.name}", source.dataset)
        old.rollback()
    check_against_scratch(connection, walk(240).drop(index=2))
    before = receipts(connection)
    assert run_stages(connection) == ALL_STILL
    assert receipts(connection) == before
    waiting = "SELECT ahead FROM ledger.cursor WHERE ahead <> '{}'"
    assert rows(connection, waiting) == [], "what lies behind the cursor needs no mark"


def test_what_a_transaction_writes_after_its_pass_is_not_lost(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    with connection.transaction():
        withdraw(connection, minutes(2, 3), "no_trade")
        cascade_all(connection, run_id="live")
        withdraw(connection, minutes(3, 4), "no_trade")
        withdraw(connection, minutes(90, 91), "no_trade")
    run_stages(connection)
    check_against_scratch(connection, walk(240).drop(index=[2, 3, 90]))


def test_a_live_minute_leaves_a_long_backlog_to_the_stages(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    with patch.object(job, "LIVE_CHILDREN", 100), connection.transaction():
        withdraw(connection, minutes(2, 3), "no_trade")
        written = cascade_all(connection, run_id="live")
    assert written["5m"] == NOTHING | {"inserted": 1}
    assert rows(connection, "SELECT open_time FROM market.candle_5m") == [(moment(0),)]
    run_stages(connection)
    check_against_scratch(connection, walk(240).drop(index=2))


def test_a_stage_at_work_is_left_to_itself(connection: Connection, loader_dsn: str) -> None:
    load(connection, walk(240), FOUR_HOURS)
    with connect(loader_dsn, application="other") as other:
        read_changes(other, "cascade_30m", "candle_5m")
        written = cascade_all(connection, run_id="live")
    assert set(written) == {"5m", "4h"}
    assert written["5m"]["inserted"] == 48
    run_stages(connection)
    check_against_scratch(connection, walk(240))


def test_minutes_just_loaded_are_rolled_up_at_once_and_only_what_was_written_is_told(
    connection: Connection,
) -> None:
    load(connection, walk(7), minutes(0, 7))
    assert cascade_live(connection, run_id="live") == {"5m": NOTHING | {"inserted": 1}}
    assert cascade_live(connection, run_id="live") == {}
    load(connection, walk(240), FOUR_HOURS)
    written = cascade_live(connection, run_id="live")
    assert {label: counts["inserted"] for label, counts in written.items()} == {
        "5m": 47,
        "30m": 8,
        "4h": 1,
    }
    check_against_scratch(connection, walk(240))


def test_a_backlog_is_no_work_for_a_live_pass(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    with patch.object(job, "LIVE_CHILDREN", 100):
        assert cascade_live(connection, run_id="live") == {}
    assert rows(connection, "SELECT open_time FROM market.candle_5m") == []
    run_stages(connection)
    check_against_scratch(connection, walk(240))
