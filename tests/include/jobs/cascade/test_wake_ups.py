"""A wake-up that was lost with a killed task is made good by the next task that runs."""

from __future__ import annotations

from include.jobs.cascade import cascade_changes
from include.jobs.wake_ups import somebody_waits, stages_after
from include.market.timeframe import H4, M1, M5, M30
from include.warehouse.engine import Connection
from include.warehouse.ledger import move_cursor, read_changes
from tests.support.cascade_world import FOUR_HOURS, load, run_stages, withdraw
from tests.support.warehouse import minutes, walk


def test_every_reader_of_a_timeframe_is_named() -> None:
    assert stages_after(M1) == ["cascade_5m", "fit_channels_1m"]
    assert stages_after(H4) == ["fit_channels_4h"]


def test_a_stage_that_never_ran_is_not_waited_for(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    assert not somebody_waits(connection, [M1, M5, M30, H4])


def test_rows_nobody_was_told_of_are_told_by_the_next_run(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    assert not somebody_waits(connection, [M1, M5, M30])
    withdraw(connection, minutes(2, 3), "no_trade")
    assert somebody_waits(connection, [M1])
    cascade_changes(connection, M1, M5, run_id="killed before its report")
    again = cascade_changes(connection, M1, M5, run_id="its next try")
    assert not any(again.values())
    assert somebody_waits(connection, [M5])
    run_stages(connection)
    assert not somebody_waits(connection, [M1, M5, M30])


def test_models_are_waited_for_too(connection: Connection) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    with connection.transaction():
        read = read_changes(connection, "fit_channels_4h", H4.dataset)
        move_cursor(connection, "fit_channels_4h", read.upto_xid)
    assert not somebody_waits(connection, [H4])
    withdraw(connection, minutes(2, 3), "no_trade")
    run_stages(connection)
    assert somebody_waits(connection, [H4])
