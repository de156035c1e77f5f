"""The summary of quality says of every instrument and day what the ledger knows, and it adds up."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import psycopg
import pytest

from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.landing import mark_checked, register_landing
from include.warehouse.quality_events import (
    count_alarms,
    count_refusals,
    list_comparisons,
    list_differences,
    list_drifts,
    list_open_gaps,
    list_outages,
    newest_checks,
)
from include.warehouse.quality_report import QualityDay, read_quality_report
from tests.support.warehouse import (
    NOTHING_REFUSED,
    START,
    candles,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    sha,
)

DAY = START.date()
NEXT = DAY + timedelta(days=1)


def report(
    connection: Connection, *, at: datetime | None = None, to_day: date = NEXT
) -> dict[tuple[str, date], QualityDay]:
    rows = read_quality_report(
        connection, from_day=DAY, to_day=to_day, at=at or START + timedelta(days=9)
    )
    connection.commit()
    assert all(
        row.minutes
        == row.present
        + row.not_loaded
        + sum(row.explained.values())
        + sum(row.unexplained.values())
        for row in rows
    )
    return {(row.symbol, row.day): row for row in rows}


def run(connection: Connection, text: str, *values: object) -> None:
    connection.execute(text, values)
    connection.commit()


@pytest.fixture
def ids(connection: Connection) -> dict[str, int]:
    return seed_reference(connection)


def test_the_minutes_of_a_day_add_up(connection: Connection, ids: dict[str, int]) -> None:
    load_frame(
        connection,
        candles(range(0, 1000)),
        minutes(0, 1100),
        gaps=[Gap(minutes(1000, 1040), "outage"), Gap(minutes(1040, 1050), "fetch_failed")],
    )
    found = report(connection)
    assert set(found) == {("BTCUSDT", DAY), ("ETHUSDT", DAY)}
    bitcoin = found["BTCUSDT", DAY]
    assert (bitcoin.instrument_id, bitcoin.venue) == (ids["BTCUSDT"], "binance_spot")
    assert (bitcoin.minutes, bitcoin.present, bitcoin.not_loaded) == (1440, 1000, 340)
    assert bitcoin.explained == {"outage": 40}
    assert bitcoin.unexplained == {"fetch_failed": 10, "unknown": 50}
    assert (bitcoin.quarantined, bitcoin.revisions, bitcoin.gate_blocks) == ({}, 0, 0)
    assert found["ETHUSDT", DAY].not_loaded == 1440


def test_days_are_cut_at_the_instant_asked_for(connection: Connection, ids: dict[str, int]) -> None:
    load_frame(connection, candles(range(1400, 1500)), minutes(1400, 1500))
    found = report(
        connection, at=moment(1450) + timedelta(seconds=59), to_day=NEXT + NEXT.resolution
    )
    assert {key: (row.minutes, row.present) for key, row in found.items() if row.present} == {
        ("BTCUSDT", DAY): (1440, 40),
        ("BTCUSDT", NEXT): (10, 10),
    }


def test_refused_rows_count_on_their_own_day_under_the_name_they_came_by(
    connection: Connection, ids: dict[str, int]
) -> None:
    insert = (
        "INSERT INTO ledger.quarantine (dataset, venue, symbol, open_time, payload, rule, detail, "
        "recorded_at) VALUES (%s, %s, %s, %s, '{}', %s, 'x', %s)"
    )
    later = moment(5 * 1440)
    for dataset, symbol, open_time, rule, recorded_at in (
        ("candle_1m", "BTCUSDT", moment(5), "price_range", later),
        ("candle_1m", "BTCUSDT", moment(6), "price_range", later),
        ("candle_1m", "BTCUSDT", None, "not_a_number", moment(7)),
        ("candle_1m", "BTCUSDT", moment(1440), "off_grid", later),
        ("candle_1m", "ETHUSDT", moment(5), "off_grid", later),
        ("candle_1m", "NOBODY", moment(5), "unknown_instrument", later),
        ("trade", "BTCUSDT", moment(5), "repeated_id", later),
    ):
        run(connection, insert, dataset, "binance_spot", symbol, open_time, rule, recorded_at)
    found = report(connection)
    assert found["BTCUSDT", DAY].quarantined == {"price_range": 2, "not_a_number": 1}
    assert found["ETHUSDT", DAY].quarantined == {"off_grid": 1}
    told = count_refusals(connection, since=START, until=START + timedelta(days=9))
    assert sorted((one.day, one.name, one.count) for one in told) == [
        (DAY, "not_a_number", 1),
        (later.date(), "off_grid", 2),
        (later.date(), "price_range", 2),
        (later.date(), "repeated_id", 1),
        (later.date(), "unknown_instrument", 1),
    ]


def test_rows_taken_later_are_no_longer_refused(
    connection: Connection, ids: dict[str, int]
) -> None:
    receipt = load_frame(connection, candles([0]), minutes(0, 1))
    run(
        connection,
        "INSERT INTO ledger.quarantine (dataset, venue, symbol, open_time, payload, rule, detail, "
        "recorded_at, state, released_at, released_load_id) "
        "VALUES ('candle_1m', 'binance_spot', 'BTCUSDT', %s, '{}', 'unknown_instrument', 'x', %s, "
        "'released', now(), %s)",
        moment(0), moment(0), receipt.load_id,
    )  # fmt: skip
    assert report(connection)["BTCUSDT", DAY].quarantined == {}
    assert count_refusals(connection, since=START, until=moment(9)) == []


def test_revisions_and_batches_held_back_are_counted(
    connection: Connection, ids: dict[str, int]
) -> None:
    load_frame(connection, candles(range(3)), minutes(0, 3), content=1)
    load_frame(connection, candles(range(2), price=101.0), minutes(0, 2), path="b")
    for place, span in enumerate((minutes(100, 200), minutes(1400, 1500), minutes(3000, 3100))):
        landing = register_landing(
            connection, venue="binance_spot", symbol="ETHUSDT", timeframe="1m", span=span,
            path=f"held-{place}", rows=9, payload_sha256=sha(place), source="rest", run_id="r",
        )  # fmt: skip
        mark_checked(
            connection, landing.landing_id, clean_path=None, rows=0, verdict={"success": False},
            held=True, quarantined=NOTHING_REFUSED,
        )  # fmt: skip
        connection.commit()
    found = report(connection, to_day=DAY + timedelta(days=2))
    assert found["BTCUSDT", DAY].revisions == 2
    assert [found["ETHUSDT", day].gate_blocks for day in (DAY, NEXT)] == [2, 1]
    assert found["ETHUSDT", DAY].revisions == found["BTCUSDT", DAY].gate_blocks == 0


def test_ages_of_gaps_are_those_of_the_slowest(connection: Connection, ids: dict[str, int]) -> None:
    load_frame(connection, candles([]), minutes(0, 30))
    run(connection, "UPDATE ledger.gap SET found_at = %s", moment(40))
    load_frame(connection, candles(range(20, 30)), minutes(20, 30), path="b")
    # The one repaired was known longer than the one still open.
    run(
        connection,
        "UPDATE ledger.gap SET found_at = %s, closed_at = %s WHERE closed_at IS NOT NULL",
        moment(35),
        moment(100),
    )
    row = report(connection, at=moment(130))["BTCUSDT", DAY]
    assert row.noticed_after == timedelta(minutes=20)
    assert row.open_for == timedelta(minutes=90)
    assert row.repaired_after == timedelta(minutes=65)
    quiet = report(connection)["ETHUSDT", DAY]
    assert (quiet.noticed_after, quiet.open_for, quiet.repaired_after) == (None, None, None)


def test_open_gaps_are_listed_the_longest_first_and_explained_ones_left_out(
    connection: Connection, ids: dict[str, int]
) -> None:
    load_frame(connection, candles([5, 6]), minutes(0, 20), gaps=[Gap(minutes(0, 2), "outage")])
    lines, count = list_open_gaps(connection)
    assert count == 2
    assert [(line.symbol, line.start, line.end, line.reason) for line in lines] == [
        ("BTCUSDT", moment(7), moment(20), "unknown"),
        ("BTCUSDT", moment(2), moment(5), "unknown"),
    ]
    assert lines[0].looks == 1
    assert lines[0].given_up_at is None


def test_outages_are_those_believed_and_in_the_span(
    connection: Connection, ids: dict[str, int]
) -> None:
    insert = (
        "INSERT INTO ledger.venue_outage "
        "(venue_id, span_start, span_end, source, note, withdrawn_at) "
        "SELECT venue_id, %s, %s, 'calendar', %s, %s FROM market.venue WHERE name = 'binance_spot'"
    )
    run(connection, insert, moment(0), moment(30), "maintenance", None)
    run(connection, insert, moment(60), moment(90), "later", None)
    run(connection, insert, moment(100), moment(110), "disproved", moment(500))
    run(connection, insert, moment(-90), moment(-60), "long ago", None)
    load_frame(connection, candles([]), minutes(0, 30), gaps=[Gap(minutes(0, 30), "outage")])
    run(
        connection,
        "UPDATE ledger.gap SET outage_id = (SELECT min(outage_id) FROM ledger.venue_outage)",
    )
    found = list_outages(connection, since=START, until=moment(1000))
    assert [(one.note, one.venue, one.start, one.instruments) for one in found] == [
        ("later", "binance_spot", moment(60), 0),
        ("maintenance", "binance_spot", moment(0), 1),
    ]


def test_of_every_suite_the_newest_run_is_shown(connection: Connection) -> None:
    insert = (
        "INSERT INTO ledger.quality_run (checkpoint, suite, dataset, batch, rows, expectations, "
        "failed_block, failed_warn, failed_info, success, engine, run_at) "
        "VALUES ('warehouse', %s, %s, 'b', 9, 5, %s, 1, 0, %s, 'gx', %s)"
    )
    run(connection, insert, "candles", "candle_1m", 1, False, moment(1))
    run(connection, insert, "candles", "candle_1m", 0, True, moment(2))
    run(connection, insert, "candles", "candle_5m", 0, True, moment(1))
    run(connection, insert, "candles", "candle_5m", 2, False, moment(99))
    found = newest_checks(connection, since=START, until=moment(50))
    assert [(one.dataset, one.success, one.failed_block, one.run_at) for one in found] == [
        ("candle_1m", True, 0, moment(2)),
        ("candle_5m", True, 0, moment(1)),
    ]


def test_drift_is_counted_by_day_and_listed_while_it_lasts(
    connection: Connection, ids: dict[str, int]
) -> None:
    insert = (
        "INSERT INTO ledger.drift_verdict (instrument_id, timeframe, kind, measure, window_start, "
        "window_end, reference_start, candles, tests, alarm) "
        "VALUES (%s, '5m', 'unit', %s, %s, %s, %s, 9, 1, %s)"
    )
    for measure, end, alarm in (
        ("price_scale", 1000, True),
        ("units", 1001, False),
        ("x", 2000, True),
    ):
        run(connection, insert, ids["BTCUSDT"], measure, moment(0), moment(end), moment(0), alarm)
    episode = (
        "INSERT INTO ledger.drift_episode (instrument_id, timeframe, kind, measure, advice, "
        "began_at, detail, first_seen_at, last_seen_at, gone_at, accepted_at) "
        "VALUES (%s, '5m', 'distribution', %s, 'refit', %s, 'wider', %s, %s, %s, %s)"
    )
    for measure, seen, gone, accepted in (
        ("range", 10, None, None), ("volume", 20, None, 30), ("return", 30, 40, None),
    ):  # fmt: skip
        values = [
            None if place is None else moment(place) for place in (0, seen, seen, gone, accepted)
        ]
        run(connection, episode, ids["ETHUSDT"], measure, *values)
    told = count_alarms(connection, since=START, until=moment(2 * 1440))
    assert sorted((one.day, one.name, one.count) for one in told) == [
        (DAY, "price_scale", 1),
        (NEXT, "x", 1),
    ]
    assert [
        (one.symbol, one.measure, one.advice, one.is_accepted) for one in list_drifts(connection)
    ] == [
        ("ETHUSDT", "volume", "refit", True),
        ("ETHUSDT", "range", "refit", False),
    ]
    assert report(connection)["BTCUSDT", DAY].drift_alarms == 1
    assert report(connection)["ETHUSDT", DAY].drift_alarms == 0


def test_disputes_between_sources_are_added_up(connection: Connection, ids: dict[str, int]) -> None:
    held = (
        "INSERT INTO ledger.reconciliation_run (instrument_id, timeframe, span_start, span_end, "
        "left_source, right_source, compared, equal, rounding, incomplete, differing) "
        "VALUES (%s, '1m', %s, %s, 'stored', 'rest', 1440, %s, 1, 0, %s)"
    )
    run(connection, held, ids["BTCUSDT"], moment(0), moment(1440), 1437, 2)
    run(connection, held, ids["ETHUSDT"], moment(0), moment(1440), 1439, 0)
    run(connection, held, ids["ETHUSDT"], moment(-1440), moment(0), 1439, 0)
    dispute = (
        "INSERT INTO ledger.reconciliation (instrument_id, timeframe, open_time, left_source, "
        "right_source, kind, columns, left_values, first_seen_at, last_seen_at, gone_at) "
        "VALUES (%s, '1m', %s, 'stored', 'rest', 'revised', '{close}', '{}', %s, %s, %s)"
    )
    for place, gone in ((3, None), (4, None), (5, moment(9))):
        run(connection, dispute, ids["BTCUSDT"], moment(place), moment(6), moment(6), gone)
    [line] = list_comparisons(connection, since=START, until=moment(1440))
    assert (line.venue, line.left, line.right, line.instruments) == (
        "binance_spot",
        "stored",
        "rest",
        2,
    )
    assert (line.compared, line.equal, line.rounding, line.differing) == (2880, 2876, 2, 2)
    [difference] = list_differences(connection)
    assert (difference.symbol, difference.kind, difference.candles, difference.newest) == (
        "BTCUSDT", "revised", 2, moment(4),
    )  # fmt: skip
    assert report(connection)["BTCUSDT", DAY].differences == 2


def test_jobs_and_readers_may_read_it(loader_dsn: str, reader_dsn: str) -> None:
    for dsn in (loader_dsn, reader_dsn):
        with psycopg.connect(dsn) as connection:
            assert read_quality_report(connection, from_day=DAY, to_day=NEXT, at=moment(9)) == []
            span = {"since": START, "until": moment(9)}
            for read in (
                count_refusals,
                count_alarms,
                list_outages,
                newest_checks,
                list_comparisons,
            ):
                assert read(connection, **span) == []
            assert list_open_gaps(connection) == ([], 0)
            assert list_drifts(connection) == []
            assert list_differences(connection) == []


def test_an_empty_span_of_days_has_no_rows(connection: Connection, ids: dict[str, int]) -> None:
    assert read_quality_report(connection, from_day=DAY, to_day=DAY, at=moment(9)) == []
    assert query(connection, "SELECT count(*) FROM market.instrument") == [(2,)]
