"""What the map of coverage is drawn from: every minute has one state, and it is the ledger's."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import psycopg
import pytest

from include.market.span import merge_spans
from include.market.timeframe import M1, M5, TIMEFRAMES
from include.report.coverage import CoverageMap, count_states, map_coverage
from include.warehouse.coverage_map import first_covered_day, read_series
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from tests.support.warehouse import START, candles, load_frame, minutes, moment, seed_reference

DAY = START.date()


def read_map(connection: Connection, *, days: float = 1, at: datetime | None = None) -> CoverageMap:
    series = read_series(
        connection, [M1, M5], since=START, until=at or START + timedelta(days=days)
    )
    connection.commit()
    return map_coverage(series, [M1, M5], first_day=DAY, at=at or START + timedelta(days=days))


def counted(found: CoverageMap, symbol: str, label: str = "1m", day: int = 0) -> dict[str, int]:
    place = [row.symbol for row in found.rows].index(symbol)
    return count_states(found.counts[label][place, day])


def test_every_minute_has_one_state(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(
        connection,
        candles([*range(0, 100), *range(130, 600)]),
        minutes(0, 700),
        gaps=[Gap(minutes(100, 110), "outage"), Gap(minutes(110, 120), "fetch_failed")],
    )
    series = read_series(connection, [M1], since=START, until=moment(1440))
    connection.commit()
    [bitcoin] = [one for one in series if one.symbol == "BTCUSDT"]
    assert (bitcoin.venue, bitcoin.states["present"]) == (
        "binance_spot",
        [minutes(0, 100), minutes(130, 600)],
    )
    together = [span for spans in bitcoin.states.values() for span in spans]
    assert merge_spans(together) == [minutes(0, 1440)]
    assert sum(span.end_ms - span.start_ms for span in together) == 1440 * 60_000
    assert counted(read_map(connection), "BTCUSDT") == {
        "present": 570,
        "outage": 10,
        "fetch_failed": 10,
        "unknown": 110,
        "not_loaded": 740,
    }
    assert counted(read_map(connection), "ETHUSDT") == {"not_loaded": 1440}


def test_what_the_reference_says_explains_what_nobody_asked_for(connection: Connection) -> None:
    ids = seed_reference(connection)
    connection.execute(
        "UPDATE market.instrument SET listed_at = %s, delisted_at = %s WHERE instrument_id = %s",
        (moment(60), moment(1000), ids["BTCUSDT"]),
    )
    connection.commit()
    load_frame(connection, candles(range(60, 90)), minutes(30, 90))
    found = read_map(connection)
    assert counted(found, "BTCUSDT") == {
        "pre_listing": 60,
        "present": 30,
        "not_loaded": 910,
        "delisted": 440,
    }


def test_what_is_true_of_a_life_outranks_what_is_true_of_a_day(connection: Connection) -> None:
    ids = seed_reference(connection)
    connection.execute(
        "UPDATE market.instrument SET listed_at = %s, delisted_at = %s WHERE instrument_id = %s",
        (moment(60), moment(90), ids["BTCUSDT"]),
    )
    connection.execute(
        "UPDATE market.instrument_history SET status = 'HALT', seen_until = %s, "
        "valid_during = tstzrange(%s, NULL) WHERE instrument_id = %s",
        (moment(1440), moment(0), ids["BTCUSDT"]),
    )
    connection.commit()
    assert counted(read_map(connection), "BTCUSDT") == {
        "pre_listing": 60,
        "halted": 30,
        "delisted": 1350,
    }


def test_a_stored_minute_is_present_whatever_the_reference_says(connection: Connection) -> None:
    ids = seed_reference(connection)
    load_frame(connection, candles(range(60)), minutes(0, 60))
    connection.execute(
        "UPDATE market.instrument SET listed_at = %s WHERE instrument_id = %s",
        (moment(30), ids["BTCUSDT"]),
    )
    connection.commit()
    assert counted(read_map(connection), "BTCUSDT") == {"present": 60, "not_loaded": 1380}


def test_a_gap_that_was_filled_is_none(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(50)), minutes(0, 60), content=1)
    load_frame(connection, candles(range(50, 60)), minutes(50, 60), path="b")
    assert counted(read_map(connection), "BTCUSDT") == {"present": 60, "not_loaded": 1380}


def test_spans_are_cut_to_what_was_asked(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(1430, 1450)), minutes(1430, 1460))
    series = read_series(connection, [M1], since=moment(1440), until=moment(1455))
    connection.commit()
    [bitcoin] = [one for one in series if one.symbol == "BTCUSDT"]
    assert bitcoin.states == {"present": [minutes(1440, 1450)], "unknown": [minutes(1450, 1455)]}


def test_what_the_cascade_has_built_is_read_by_label(connection: Connection) -> None:
    ids = seed_reference(connection)
    connection.execute(
        "INSERT INTO ledger.coverage (dataset, instrument_id, covered) "
        "VALUES ('candle_5m', %s, tstzmultirange(tstzrange(%s, %s), tstzrange(%s, %s)))",
        (ids["BTCUSDT"], moment(-100), moment(10), moment(20), moment(30)),
    )
    connection.commit()
    series = read_series(connection, list(TIMEFRAMES.values()), since=START, until=moment(25))
    connection.commit()
    assert {one.symbol: one.built for one in series} == {
        "BTCUSDT": {"5m": [minutes(0, 10), minutes(20, 25)]},
        "ETHUSDT": {},
    }


def test_the_first_day_is_the_first_of_coverage_or_gap(connection: Connection) -> None:
    assert first_covered_day(connection) is None
    connection.commit()
    seed_reference(connection)
    load_frame(connection, candles([2000]), minutes(2000, 2001))
    assert first_covered_day(connection) == date(2024, 1, 2)
    connection.commit()
    load_frame(connection, candles([]), minutes(-10, 0), symbol="ETHUSDT", path="b")
    assert first_covered_day(connection) == date(2023, 12, 31)


def test_jobs_and_readers_may_read_it(loader_dsn: str, reader_dsn: str) -> None:
    for dsn in (loader_dsn, reader_dsn):
        with psycopg.connect(dsn) as connection:
            assert read_series(connection, [M1], since=START, until=moment(10)) == []
            assert first_covered_day(connection) is None


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_days_are_utc_days_whatever_the_session_says(connection: Connection, zone: str) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(1380, 1500)), minutes(1380, 1500))
    connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
    rows = connection.execute(
        "SELECT day, state, minutes FROM report.minute_state_by_day(%s, %s, %s) AS m "
        "JOIN market.instrument USING (instrument_id) "
        "WHERE symbol = 'BTCUSDT' AND state = 'present' ORDER BY day",
        (DAY, DAY + timedelta(days=2), START + timedelta(days=2)),
    ).fetchall()
    assert rows == [(DAY, "present", 60), (DAY + timedelta(days=1), "present", 60)]
