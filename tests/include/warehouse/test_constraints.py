"""What the tables refuse, whoever writes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.market.candle import (
    FLOAT_COLUMNS,
    OPTIONAL_COLUMNS,
    PRICE_COLUMNS,
    VALUE_COLUMNS,
)
from include.warehouse.engine import Connection
from tests.support.warehouse import START, load_frame, minutes, moment, query, seed_reference, walk

NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))
COARSE = {"children_present": 5, "children_expected": 5}


def insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    with connection.transaction():
        connection.execute(statement, row)


def accepted(connection: Connection, table: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Return those of ``rows`` the table takes, each tried on its own."""
    taken = []
    for row in rows:
        try:
            insert(connection, table, row)
        except (psycopg.IntegrityError, psycopg.DataError):
            continue
        taken.append(row)
    return taken


@pytest.fixture
def sound(connection: Connection) -> dict[str, Any]:
    """Return a candle every candle table takes; its instrument and load exist."""
    ids = seed_reference(connection)
    receipt = load_frame(connection, walk(1), minutes(0, 1))
    return {
        "instrument_id": ids["ETHUSDT"],
        "open_time": START,
        **dict.fromkeys(VALUE_COLUMNS, 1.0),
        "trade_count": 3,
        "source": "rest",
        "load_id": receipt.load_id,
        "recorded_at": START,
    }


@pytest.mark.parametrize("label", ["1m", "5m", "30m", "4h"])
def test_no_nan_infinity_or_absurd_number_is_stored(
    connection: Connection, sound: dict[str, Any], label: str
) -> None:
    sound |= {} if label == "1m" else COARSE
    doubtful = [
        sound | {column: value}
        for column in FLOAT_COLUMNS
        for value in (*NOT_NUMBERS, -1.0, 1e19 if column not in PRICE_COLUMNS else 1e13)
    ]
    doubtful += [sound | {column: 0.0} for column in PRICE_COLUMNS]
    doubtful += [sound | dict.fromkeys(FLOAT_COLUMNS, value) for value in NOT_NUMBERS]
    assert accepted(connection, f"market.candle_{label}", doubtful) == []
    assert accepted(connection, f"market.candle_{label}", [sound]) == [sound]


@pytest.mark.parametrize("label", ["1m", "5m", "30m", "4h"])
def test_only_what_a_source_may_never_state_can_be_null(
    connection: Connection, sound: dict[str, Any], label: str
) -> None:
    sound |= {} if label == "1m" else COARSE
    poor = sound | dict.fromkeys(OPTIONAL_COLUMNS)
    # Beside a null the other columns are still held to their ranges.
    doubtful = [poor | {column: value} for column in FLOAT_COLUMNS for value in NOT_NUMBERS]
    doubtful += [poor | {"volume": -1.0}, poor | {"trade_count": -1}]
    doubtful += [
        poor | {column: None} for column in VALUE_COLUMNS if column not in OPTIONAL_COLUMNS
    ]
    assert accepted(connection, f"market.candle_{label}", doubtful) == []
    assert accepted(connection, f"market.candle_{label}", [poor]) == [poor]


@pytest.mark.parametrize("label", ["1m", "5m", "30m", "4h"])
def test_a_candle_must_make_sense(
    connection: Connection, sound: dict[str, Any], label: str
) -> None:
    sound |= {} if label == "1m" else COARSE
    nonsense = [
        sound | {"high": 0.5},
        sound | {"low": 1.5},
        sound | {"trade_count": -1},
        sound | {"open_time": moment(0).replace(second=1)},
        sound | {"open_time": moment(0).replace(year=1999)},
        sound | {"open_time": None},
        sound | {"close": None},
        sound | {"instrument_id": 999_999},
        sound | {"load_id": 999_999},
    ]
    if label != "1m":
        nonsense += [
            sound | {"open_time": moment(1)},
            sound | {"children_present": 6},
            sound | {"children_present": 0},
        ]
    assert accepted(connection, f"market.candle_{label}", nonsense) == []


def test_a_symbol_means_one_instrument_at_a_time(connection: Connection) -> None:
    ids = seed_reference(connection, ["BTCUSDT"])
    venue_id = query(connection, "SELECT venue_id FROM market.venue")[0][0]
    connection.execute(
        "INSERT INTO market.venue (name, title, kind, session_calendar) "
        "VALUES ('other', 'Other', 'spot', '24/7')"
    )
    other_id = connection.execute("SELECT max(venue_id) FROM market.venue").fetchone()
    base = {"instrument_id": ids["BTCUSDT"], "symbol": "NEWUSDT", "venue_id": venue_id}
    rows = [
        base | {"valid_during": "[2024-01-01, 2024-02-01)"},
        base | {"valid_during": "[2024-01-31, 2024-03-01)"},
        base | {"valid_during": "[2024-02-01,)"},
        base | {"valid_during": "[2024-01-01, 2024-02-01)", "symbol": "NEWUSDC"},
        base | {"valid_during": "[2024-01-01, 2024-02-01)", "venue_id": (other_id or [0])[0]},
        base | {"valid_during": "empty", "symbol": "X"},
        base | {"valid_during": "[2020-01-01,)", "symbol": "BTCUSDT"},
    ]
    taken = accepted(connection, "market.instrument_alias", rows)
    assert [rows.index(row) for row in taken] == [0, 2, 3, 4]


def test_an_instrument_has_one_version_at_a_time(connection: Connection) -> None:
    ids = seed_reference(connection, ["BTCUSDT"])
    base = {
        "instrument_id": ids["BTCUSDT"],
        "status": "BREAK",
        "tick_size": 1,
        "lot_size": 1,
    }
    rows = [
        base | {"valid_during": "[2023-01-01, 2024-01-01)"},
        base | {"valid_during": "[2023-12-31, 2024-01-01)"},
        base | {"valid_during": "[2025-01-01,)"},
    ]
    assert accepted(connection, "market.instrument_history", rows) == rows[:1]


def test_tick_and_lot_sizes_are_finite(connection: Connection) -> None:
    seed_reference(connection, ["BTCUSDT"])
    for column in ("tick_size", "lot_size"):
        for value in ("NaN", "Infinity", "-1", "1e30"):
            with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
                connection.execute(
                    sql.SQL("UPDATE market.instrument SET {} = %s::text::numeric").format(
                        sql.Identifier(column)
                    ),
                    (value,),
                )


def test_sessions_of_a_venue_do_not_overlap(connection: Connection) -> None:
    seed_reference(connection)
    venue_id = query(connection, "SELECT venue_id FROM market.venue")[0][0]
    rows = [
        {"venue_id": venue_id, "opens_at": moment(0), "closes_at": moment(60)},
        {"venue_id": venue_id, "opens_at": moment(59), "closes_at": moment(90)},
        {"venue_id": venue_id, "opens_at": moment(60), "closes_at": moment(90)},
        {"venue_id": venue_id, "opens_at": moment(95), "closes_at": moment(95)},
    ]
    assert accepted(connection, "market.session", rows) == [rows[0], rows[2]]


def test_events_are_refused_like_candles(connection: Connection, sound: dict[str, Any]) -> None:
    connection.execute(
        "SELECT market.ensure_partitions('market.trade', %s, %s)", (moment(0), moment(1))
    )
    common = {key: sound[key] for key in ("instrument_id", "source", "load_id", "recorded_at")}
    trade = common | {
        "trade_time": START,
        "trade_id": 1,
        "price": 1.0,
        "quantity": 1.0,
        "buyer_is_maker": True,
    }
    funding = common | {"funding_time": START, "rate": 0.0001, "mark_price": None}
    trades = [trade | {name: value} for name in ("price", "quantity") for value in NOT_NUMBERS]
    trades += [trade | {"price": 0.0}, trade | {"quantity": -1.0}, trade | {"trade_id": -1}]
    rates = [funding | {name: value} for name in ("rate", "mark_price") for value in NOT_NUMBERS]
    assert accepted(connection, "market.trade", [*trades, trade, trade]) == [trade]
    assert accepted(connection, "market.funding_rate", [*rates, funding, funding]) == [funding]


def test_a_load_that_does_not_account_for_every_row_is_refused(connection: Connection) -> None:
    row = {
        "dataset": "candle_1m",
        "source": "rest",
        "run_id": "r",
        "span_start": moment(0),
        "span_end": moment(5),
        "rows_in": 5,
        "rows_inserted": 1,
        "rows_updated": 1,
        "rows_unchanged": 1,
        "rows_quarantined": 1,
        "observed_at": moment(5),
    }
    sound = row | {"rows_in": 4}
    assert accepted(connection, "ledger.load", [row, sound]) == [sound]


def test_open_gaps_of_a_series_do_not_overlap_but_closed_ones_may(connection: Connection) -> None:
    ids = seed_reference(connection)
    gap = {
        "dataset": "candle_1m",
        "instrument_id": ids["BTCUSDT"],
        "span_start": moment(0),
        "span_end": moment(5),
        "reason": "unknown",
    }
    rows = [
        gap,
        gap,
        gap | {"closed_at": START},
        gap | {"dataset": "candle_5m"},
        gap | {"instrument_id": ids["ETHUSDT"]},
        gap | {"span_start": moment(5), "span_end": moment(6)},
        gap | {"span_start": moment(7), "span_end": moment(7)},
        gap | {"span_start": moment(8), "span_end": moment(9), "reason": "bored"},
    ]
    taken = accepted(connection, "ledger.gap", rows)
    assert [rows.index(row) for row in taken] == [0, 2, 3, 4, 5]
