"""Sessions follow the venue's calendar, also when the calendar changes its mind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from include.market.errors import InvalidInputError
from include.market.instrument import VenueRecord
from include.market.span import Span, to_ms
from include.warehouse import sessions
from include.warehouse.engine import Connection
from include.warehouse.reference import sync_instruments
from include.warehouse.sessions import calendar_sessions, record_sessions
from tests.support.warehouse import START, VENUE, minutes, moment, query, seed_reference

STORED = "SELECT opens_at, closes_at FROM market.session ORDER BY opens_at"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span_of(first: str, last: str) -> Span:
    return Span(to_ms(utc(first)), to_ms(utc(last)))


def shown(calendar: str, first: str, last: str) -> list[str]:
    return [
        f"{one.start_time:%m-%d %H:%M}-{one.end_time:%H:%M}"
        for one in calendar_sessions(calendar, span_of(first, last))
    ]


def test_trading_that_never_stops_has_the_utc_days_a_span_meets() -> None:
    assert calendar_sessions("24/7", minutes(60, 61)) == [minutes(0, 1440)]
    assert calendar_sessions("24/7", minutes(-1, 1441)) == [
        minutes(day * 1440, (day + 1) * 1440) for day in (-1, 0, 1)
    ]
    assert calendar_sessions("24/7", minutes(0, 1440)) == [minutes(0, 1440)]
    assert calendar_sessions("24/7", minutes(5, 5)) == []
    assert calendar_sessions("XNYS", minutes(5, 5)) == []


def test_new_york_moves_with_its_clock_and_rests_on_holidays() -> None:
    # Clocks went forward on Sunday 2024-03-10.
    assert shown("XNYS", "2024-03-08", "2024-03-12") == [
        "03-08 14:30-21:00",
        "03-11 13:30-20:00",
    ]
    # Back on Sunday 2024-11-03.
    assert shown("XNYS", "2024-11-01", "2024-11-05") == [
        "11-01 13:30-20:00",
        "11-04 14:30-21:00",
    ]
    # Thanksgiving, and the half day after it.
    assert shown("XNYS", "2024-11-27", "2024-11-30") == [
        "11-27 14:30-21:00",
        "11-29 14:30-18:00",
    ]


def test_a_break_makes_two_sessions_of_a_day_and_none_of_a_half_day() -> None:
    # Lunar new year 2024: the eve is a half day, the holidays last until the 13th.
    assert shown("XHKG", "2024-02-08", "2024-02-15") == [
        "02-08 01:30-04:00",
        "02-08 05:00-08:00",
        "02-09 01:30-04:00",
        "02-14 01:30-04:00",
        "02-14 05:00-08:00",
    ]


def test_a_span_within_a_day_has_the_parts_of_the_day_it_meets() -> None:
    assert shown("XHKG", "2024-02-08T03:59", "2024-02-08T05:00") == ["02-08 01:30-04:00"]
    assert shown("XHKG", "2024-02-08T04:00", "2024-02-08T05:01") == ["02-08 05:00-08:00"]
    assert shown("XHKG", "2024-02-08T04:00", "2024-02-08T05:00") == []


def test_a_session_of_the_evening_before_counts_to_the_span_it_reaches_into() -> None:
    assert shown("CMES", "2024-11-25T12:00", "2024-11-25T13:00") == ["11-24 23:00-23:00"]


def test_a_span_without_any_trading_day_has_no_sessions() -> None:
    assert shown("XNYS", "2024-11-30", "2024-12-01") == []


@pytest.mark.parametrize(
    ("calendar", "first", "says"),
    [
        ("NOPE", "2024-01-01", "no trading calendar is called 'NOPE'"),
        ("XHKG", "1930-01-01", "calendar XHKG cannot tell of"),
    ],
)
def test_a_calendar_that_cannot_tell_is_refused_in_words(
    calendar: str, first: str, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        calendar_sessions(calendar, span_of(first, f"{first[:4]}-01-03"))


@pytest.fixture
def venue(connection: Connection) -> Callable[[str], None]:
    def known(calendar: str) -> None:
        record = VenueRecord(VENUE.name, VENUE.title, session_calendar=calendar)
        sync_instruments(connection, record, [], observed_at=START)
        connection.commit()

    return known


def test_sessions_are_the_utc_days_a_span_meets_each_once(
    connection: Connection, venue: Callable[[str], None]
) -> None:
    venue("24/7")
    assert record_sessions(connection, VENUE.name, minutes(60, 2 * 1440)) == 2
    before = query(connection, "SELECT xmin, s FROM market.session AS s")
    assert record_sessions(connection, VENUE.name, minutes(0, 2 * 1440)) == 0
    assert query(connection, "SELECT xmin, s FROM market.session AS s") == before
    assert record_sessions(connection, VENUE.name, minutes(-5, 2 * 1440 + 1)) == 2
    assert query(connection, STORED) == [
        (moment(day * 1440), moment((day + 1) * 1440)) for day in (-1, 0, 1, 2)
    ]


def test_sessions_of_a_venue_with_hours_are_recorded_once(
    connection: Connection, venue: Callable[[str], None]
) -> None:
    venue("XHKG")
    span = span_of("2024-02-08", "2024-02-15")
    assert record_sessions(connection, VENUE.name, span) == 5
    assert record_sessions(connection, VENUE.name, span) == 0
    assert query(connection, STORED)[2] == (utc("2024-02-09T01:30"), utc("2024-02-09T04:00"))


def test_a_venue_nobody_synced_has_no_sessions(connection: Connection) -> None:
    with pytest.raises(InvalidInputError, match="nowhere is unknown"):
        record_sessions(connection, "nowhere", minutes(0, 1))


def restated(monkeypatch: pytest.MonkeyPatch, *stated: Span) -> None:
    def state(calendar: str, span: Span) -> list[Span]:
        return list(stated)

    monkeypatch.setattr(sessions, "calendar_sessions", state)


def test_what_a_calendar_takes_back_is_dropped_and_what_it_shortens_is_mended(
    connection: Connection, venue: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    venue("24/7")
    day, week = 1440, 4 * 1440
    record_sessions(connection, VENUE.name, minutes(0, week))
    ids = dict(query(connection, "SELECT opens_at, session_id FROM market.session"))
    # The second day becomes a half day, the third moves, the fourth is a holiday.
    stated = minutes(0, day), minutes(day, day + 720), minutes(2 * day + 30, 3 * day)
    restated(monkeypatch, *stated)
    assert record_sessions(connection, VENUE.name, minutes(0, week)) == 1
    found = query(
        connection, "SELECT opens_at, closes_at, session_id FROM market.session ORDER BY opens_at"
    )
    assert [row[:2] for row in found] == [(one.start_time, one.end_time) for one in stated]
    assert [row[2] for row in found[:2]] == [ids[moment(0)], ids[moment(day)]]


def test_sessions_outside_the_span_stay(
    connection: Connection, venue: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    venue("24/7")
    record_sessions(connection, VENUE.name, minutes(0, 3 * 1440))
    restated(monkeypatch)
    record_sessions(connection, VENUE.name, minutes(1440, 2 * 1440))
    assert query(connection, STORED) == [
        (moment(0), moment(1440)),
        (moment(2 * 1440), moment(3 * 1440)),
    ]


def test_a_session_a_return_was_computed_over_stays(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = seed_reference(connection)["BTCUSDT"]
    record_sessions(connection, VENUE.name, minutes(0, 2 * 1440))
    connection.execute(
        "WITH load AS ("
        "INSERT INTO ledger.load (dataset, source, run_id, span_start, span_end, observed_at, "
        "rows_in, rows_inserted, rows_updated, rows_unchanged, rows_quarantined) "
        "VALUES ('session_return', 'cascade', 'r', %(at)s, %(at)s, %(at)s, 0, 0, 0, 0, 0) "
        "RETURNING load_id) "
        "INSERT INTO market.session_return "
        "SELECT %(owner)s, session_id, 1, 1, 0, 1, 1440, load_id, %(at)s "
        "FROM market.session, load WHERE opens_at = %(at)s",
        {"owner": owner, "at": START},
    )
    connection.commit()
    restated(monkeypatch, minutes(30, 1440))
    assert record_sessions(connection, VENUE.name, minutes(0, 2 * 1440)) == 0
    assert query(connection, STORED) == [(moment(0), moment(1440))]


def test_two_recordings_at_once_agree(
    connection: Connection, venue: Callable[[str], None], dial: Callable[[], Connection]
) -> None:
    venue("24/7")
    opened = [dial() for _ in range(3)]

    def work(number: int) -> int:
        recorded = record_sessions(opened[number], VENUE.name, minutes(0, 30 * 1440))
        opened[number].commit()
        return recorded

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(work, range(3))) == [0, 0, 30]
