"""Candles taken back: kept as revisions, told of, followed by their coarse candles."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors

from include.market.candle import PARTIAL
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.ledger import coverage
from include.warehouse.statements import statement
from tests.support.cascade_world import FOUR_HOURS, load, rows, run_stages, withdraw
from tests.support.warehouse import (
    candles,
    checked_landing,
    load_landing,
    minutes,
    moment,
    seed_reference,
    walk,
)


def test_withdrawn_minutes_leave_their_coarse_candles_and_the_last_one_takes_them_away(
    connection: Connection,
) -> None:
    present = [0, 1, 2, 7]
    gaps = [Gap(span, "no_trade") for span in (minutes(3, 7), minutes(8, 240))]
    load(connection, candles(present, price=[100, 101, 102, 103]), FOUR_HOURS, gaps=gaps)
    run_stages(connection)
    before = rows(connection, "SELECT clock_timestamp()")[0][0]
    assert withdraw(connection, minutes(2, 5), "no_trade") == 1
    assert withdraw(connection, minutes(7, 8), "outage") == 1
    assert [counts["withdrawn"] for counts in run_stages(connection).values()] == [1, 0, 0]
    query = "SELECT open_time, close, children_present, flags, revision FROM market.candle_5m"
    assert rows(connection, query) == [(moment(0), 101, 2, PARTIAL, 2)]
    kept = rows(
        connection,
        "SELECT r.timeframe, r.open_time, r.close, r.revision, l.source, l.rows_withdrawn "
        "FROM market.candle_revision AS r JOIN ledger.load AS l ON l.load_id = r.withdrawn_by "
        "ORDER BY r.open_time, r.timeframe",
    )
    assert kept == [
        ("1m", moment(2), 102, 1, "withdrawal", 1),
        ("5m", moment(5), 103, 1, "cascade", 1),
        ("1m", moment(7), 103, 1, "withdrawal", 1),
    ]
    withdraw(connection, FOUR_HOURS, "outage")
    assert [counts["withdrawn"] for counts in run_stages(connection).values()] == [1, 1, 1]
    assert rows(connection, "SELECT FROM market.stored_candle") == []
    # What was known is known for ever, and to the instant.
    known = (
        "SELECT open_time, close, children_present FROM market.candle_as_of('5m', %s) ORDER BY 1"
    )
    assert rows(connection, known, before) == [(moment(0), 102, 3), (moment(5), 103, 1)]
    assert rows(connection, known.replace("%s", "now()")) == []
    told = "SELECT dataset, reason FROM ledger.change WHERE reason = 'withdrawn' ORDER BY change_id"
    assert [dataset for dataset, _ in rows(connection, told)] == [
        "candle_1m", "candle_1m", "candle_5m", "candle_1m", "candle_5m", "candle_30m", "candle_4h",
    ]  # fmt: skip


def test_a_candle_in_the_place_of_a_withdrawn_one_goes_on_in_the_count(
    connection: Connection,
) -> None:
    gaps = [Gap(minutes(1, 5), "no_trade")]
    for price in (100, 101):
        load(connection, candles([0], price=price), minutes(0, 5), gaps=gaps)
        run_stages(connection)
    withdraw(connection, minutes(0, 1), "no_trade")
    run_stages(connection)
    load(connection, candles([0], price=102), minutes(0, 5), gaps=gaps)
    run_stages(connection)
    load(connection, candles([0], price=103), minutes(0, 5), gaps=gaps)
    run_stages(connection)
    for timeframe in ("1m", "5m"):
        stands = rows(connection, f"SELECT close, revision FROM market.candle_{timeframe}")
        assert stands == [(103, 4)]
        kept = rows(
            connection,
            "SELECT revision, close, withdrawn_by IS NOT NULL FROM market.candle_revision "
            "WHERE timeframe = %s ORDER BY revision",
            timeframe,
        )
        assert kept == [(1, 100, False), (2, 101, True), (3, 102, False)]


@pytest.mark.parametrize("reason", ["no_trade", "unknown"])
def test_what_was_observed_before_a_withdrawal_brings_nothing_back(
    connection: Connection, reason: str
) -> None:
    """A landing of before, loaded only after: the withdrawal knew better than it does."""
    connection.autocommit = False
    seed_reference(connection)
    late = checked_landing(connection, minutes(0, 5), path="file:///late")
    connection.autocommit = True
    load(connection, walk(5), minutes(0, 5))
    run_stages(connection)
    withdraw(connection, minutes(2, 4), reason)
    connection.autocommit = False
    receipt = load_landing(connection, late, walk(5))
    connection.autocommit = True
    assert (receipt.inserted, receipt.unchanged, receipt.quarantined) == (0, 3, 2)
    run_stages(connection)
    present = "SELECT count(*) FROM market.candle_1m"
    assert rows(connection, present) == [(3,)]
    refused = "SELECT rule, open_time FROM ledger.quarantine ORDER BY 2"
    assert rows(connection, refused) == [("superseded", moment(2)), ("superseded", moment(3))]
    gaps = "SELECT span_start, span_end, reason FROM ledger.gap WHERE closed_at IS NULL"
    assert rows(connection, gaps) == [(moment(2), moment(4), reason)]
    left = [minutes(0, 2), minutes(4, 5)]
    proven = left if reason == "unknown" else [minutes(0, 5)]
    assert coverage(connection, "candle_1m", 1) == proven
    # What is observed from now on counts again.
    load(connection, walk(5), minutes(0, 5))
    run_stages(connection)
    assert rows(connection, present) == [(5,)]
    whole = "SELECT children_present, flags FROM market.candle_5m"
    assert rows(connection, whole) == [(5, 0)]


def test_what_is_withdrawn_without_an_explanation_is_to_be_asked_for_again(
    connection: Connection,
) -> None:
    load(connection, walk(10), minutes(0, 10))
    run_stages(connection)
    withdraw(connection, minutes(3, 4), "unknown")
    withdraw(connection, minutes(7, 8), "no_trade")
    run_stages(connection)
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 3), minutes(4, 10)]
    assert coverage(connection, "candle_5m", 1) == [minutes(0, 10)]
    gaps = "SELECT span_start, reason, attempts, proof ->> 'why' FROM ledger.gap ORDER BY 1"
    why = "the venue took them back"
    assert rows(connection, gaps) == [
        (moment(3), "unknown", 0, why),
        (moment(7), "no_trade", 0, why),
    ]
    present = "SELECT children_present FROM market.candle_5m ORDER BY open_time"
    assert rows(connection, present) == [(4,), (4,)]
    incomplete = "SELECT timeframe, open_time, proven FROM market.incomplete_candle"
    assert rows(connection, incomplete) == [("5m", moment(0), False)]
    load(connection, walk(10).iloc[3:4], minutes(3, 4))
    run_stages(connection)
    assert rows(connection, present) == [(5,), (4,)]
    assert rows(connection, incomplete) == []
    assert rows(connection, "SELECT span_start FROM ledger.gap WHERE closed_at IS NULL") == [
        (moment(7),)
    ]


def test_a_withdrawal_is_refused_that_says_nothing_or_too_much(connection: Connection) -> None:
    load(connection, walk(10), minutes(0, 10))
    statement = "SELECT market.withdraw_candles(1, %s, %s, %s, %s)"
    for values, wrong in (
        ((moment(1), moment(0), "why", "unknown"), "expected a span"),
        ((moment(0), moment(1), "  ", "unknown"), "in words, why"),
        ((moment(0), moment(1), None, "unknown"), "in words, why"),
        ((moment(0), moment(1), "why", "a whim"), "gap_reason"),
    ):
        with pytest.raises(psycopg.Error, match=wrong):
            connection.execute(statement, values)
    assert withdraw(connection, minutes(20, 30)) == 0
    assert rows(connection, "SELECT count(*) FROM market.candle_1m") == [(10,)]
    assert rows(connection, "SELECT FROM ledger.load WHERE source = 'withdrawal'") == []
    with pytest.raises(errors.InsufficientPrivilege):
        connection.execute("DELETE FROM market.candle_5m")


def test_candles_are_removed_in_the_name_of_a_load_of_theirs_alone(connection: Connection) -> None:
    load(connection, walk(10), minutes(0, 10))
    run_stages(connection)
    [(load_id,)] = rows(connection, "SELECT load_id FROM ledger.load WHERE dataset = 'candle_1m'")
    remove = "SELECT market.remove_candles(%s, %s::int[], %s::timestamptz[], %s)"
    for values, wrong in (
        (("5m", [1], [moment(0)], load_id), "expected a load of the candles of 5m"),
        (("7m", [1], [moment(0)], load_id), "expected a load of the candles of 7m"),
        (("1m", [1], [moment(0)], 0), "was load 0 of"),
        (("1m", [1, 1], [moment(0)], load_id), "one open time for each instrument"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=wrong):
            connection.execute(remove, values)
    assert rows(connection, "SELECT FROM market.candle_revision") == []


def test_a_month_all_of_which_was_withdrawn_is_filled_the_careful_way(
    connection: Connection, warehouse: psycopg.Connection
) -> None:
    # Only there do rows in the place of withdrawn ones go on in their count.
    load(connection, walk(10), minutes(0, 10))
    withdraw(connection, minutes(0, 10))
    warehouse.execute("VACUUM market.candle_1m_2024_01")
    free = statement("nursery/free_months")
    january, february = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2))
    values = {"dataset": "candle_1m", "months": [january, february]}
    assert connection.execute(free, values).fetchall() == [(february,)]
