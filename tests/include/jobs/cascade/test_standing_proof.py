"""The standing proof of the cascade: one statement that names every candle that is wrong."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from include.jobs.cascade import cascade_all
from include.market.timeframe import CASCADE
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from tests.support.cascade_world import FOUR_HOURS, differences, load, run_stages, withdraw
from tests.support.warehouse import minutes, moment, walk

SPOILT = [
    ("open = low", "open"),
    ("high = high * 1.5", "high"),
    ("low = low / 2", "low"),
    ("close = high", "close"),
    ("volume = volume * (1 + 1e-11)", "volume"),
    ("quote_volume = NULL", "quote_volume"),
    ("taker_buy_volume = taker_buy_volume + 1", "taker_buy_volume"),
    ("taker_buy_quote_volume = 0", "taker_buy_quote_volume"),
    ("trade_count = trade_count + 1", "trade_count"),
    ("flags = 0", "flags"),
    ("children_present = 5", "children"),
    ("children_expected = 7", "children"),
]


@pytest.mark.parametrize("place", [0, 35, 120])
def test_the_standing_proof_names_whatever_differs(connection: Connection, place: int) -> None:
    frame = walk(240)
    # A bucket that lacks its first minute, and one that lacks its last.
    gaps = [Gap(minutes(place, place + 1), "no_trade") for place in (35, 124)]
    load(connection, frame.drop(index=[35, 124]), FOUR_HOURS, gaps=gaps)
    run_stages(connection)
    for _, target in CASCADE:
        assert differences(connection, target.label) == []
    for change, named in SPOILT:
        with connection.transaction(force_rollback=True):
            spoil = f"UPDATE market.candle_5m SET {change} WHERE open_time = %s"
            if place == 0 and named in ("flags", "children") and "expected" not in change:
                continue
            connection.execute(spoil, (moment(place),))
            found = differences(connection, "5m")
            assert found == [(moment(place), f"{named} differs from its children")], change


def test_the_standing_proof_finds_what_is_missing_and_what_is_too_much(
    connection: Connection, warehouse: psycopg.Connection
) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    with warehouse.transaction(force_rollback=True):
        warehouse.execute("DELETE FROM market.candle_30m WHERE open_time = %s", (moment(30),))
        assert differences(warehouse, "30m") == [
            (moment(30), "absent, but its children are stored")
        ]
        [(_, detail)] = differences(warehouse, "4h")
        assert detail.startswith("children")
    with warehouse.transaction(force_rollback=True):
        warehouse.execute("DELETE FROM market.candle_1m WHERE open_time < %s", (moment(5),))
        assert differences(warehouse, "5m") == [(moment(0), "stored, but it has no children")]


def test_the_standing_proof_leaves_out_what_the_cascade_has_yet_to_do(
    connection: Connection,
) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    withdraw(connection, minutes(2, 3), "no_trade")
    assert differences(connection, "5m") == []
    # Nor does it take what was done ahead of the cursor for waiting.
    cascade_all(connection, run_id="live")
    with connection.transaction(force_rollback=True):
        connection.execute(
            "UPDATE market.candle_5m SET high = high * 2 WHERE open_time = %s", (moment(0),)
        )
        assert differences(connection, "5m") == [(moment(0), "high differs from its children")]
    with pytest.raises(errors.InvalidParameterValue, match="built from a finer one"):
        differences(connection, "1m")
