"""When an instrument trades, and why it does not: by what the venue's reference says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.market.instrument import InstrumentRecord, Rename, VenueRecord
from include.market.span import Span, merge_spans, to_ms
from include.warehouse.corporate_actions import apply_renames
from include.warehouse.engine import Connection
from include.warehouse.expected import (
    expected_spans,
    explain_by_master,
    overrule,
    trading_status,
)
from include.warehouse.gaps import Gap
from include.warehouse.reference import instrument_ids, sync_instruments
from include.warehouse.sessions import record_sessions
from tests.support.warehouse import START, VENUE, instrument, minutes, moment, query

STOCKS = VenueRecord("stocks", "Stocks", session_calendar="XHKG")
WEEK = minutes(-1440, 8 * 1440)


def sync(
    connection: Connection,
    *records: InstrumentRecord,
    minute: int = 0,
    venue: VenueRecord = VENUE,
    complete: bool = False,
) -> dict[str, int]:
    sync_instruments(connection, venue, records, observed_at=moment(minute), complete=complete)
    found = instrument_ids(connection, venue.name)
    connection.commit()
    return found


def explained(
    connection: Connection, owner: int, *holes: Span
) -> list[tuple[Span, str, dict[str, Any]]]:
    gaps = explain_by_master(connection, owner, holes)
    connection.commit()
    return [(gap.span, gap.reason, dict(gap.proof)) for gap in gaps]


def version_ids(connection: Connection) -> list[int]:
    rows = query(connection, "SELECT history_id FROM market.instrument_history ORDER BY 1")
    return [row[0] for row in rows]


def test_without_any_statement_everything_is_expected(connection: Connection) -> None:
    owner = sync(connection, instrument("BTCUSDT"))["BTCUSDT"]
    assert explained(connection, owner, WEEK) == []
    assert expected_spans(connection, owner, WEEK) == [WEEK]


def test_an_instrument_nobody_knows_is_not_expected_at_all(connection: Connection) -> None:
    assert expected_spans(connection, 77, WEEK) == []
    assert explain_by_master(connection, 77, [WEEK]) == []
    assert trading_status(connection, 77, START) is None


def test_no_hole_takes_no_question(connection: Connection) -> None:
    connection.close()
    assert explain_by_master(connection, 1, []) == []
    assert explain_by_master(connection, 1, [minutes(5, 5)]) == []


def test_life_begins_with_the_listing_and_ends_with_the_delisting(connection: Connection) -> None:
    record = instrument("BTCUSDT", listed_at=moment(10), delisted_at=moment(90))
    owner = sync(connection, record)["BTCUSDT"]
    assert expected_spans(connection, owner, minutes(0, 100)) == [minutes(10, 90)]
    assert trading_status(connection, owner, moment(89)) == "TRADING"
    assert trading_status(connection, owner, moment(90)) == "DELISTED"
    assert explained(connection, owner, minutes(0, 20), minutes(30, 40), minutes(80, 100)) == [
        (minutes(0, 10), "pre_listing", {"listed_at": "2024-01-01T00:10:00+00:00"}),
        (minutes(90, 100), "delisted", {"delisted_at": "2024-01-01T01:30:00+00:00"}),
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("BREAK", "halted"),
        ("SETTLING", "halted"),
        ("UNLISTED", "delisted"),
        ("PENDING_TRADING", "pre_listing"),
    ],
)
def test_a_halt_is_proven_from_the_first_to_the_last_look_at_it(
    connection: Connection, status: str, reason: str
) -> None:
    owner = sync(connection, instrument("BTCUSDT"))["BTCUSDT"]
    sync(connection, instrument("BTCUSDT", status=status), minute=60)
    # Seen once, it may have been over at once.
    assert explained(connection, owner, minutes(0, 300)) == []
    for minute in (120, 180):
        sync(connection, instrument("BTCUSDT", status=status), minute=minute)
    told = {"history_id": version_ids(connection)[1], "status": status}
    expected = [(minutes(60, 180), reason, told)]
    assert explained(connection, owner, minutes(0, 300)) == expected
    # When it ended exactly, nobody knows: what follows the last look is not explained.
    sync(connection, instrument("BTCUSDT"), minute=240)
    assert explained(connection, owner, minutes(0, 300)) == expected
    assert expected_spans(connection, owner, minutes(0, 300)) == [
        minutes(0, 60),
        minutes(180, 300),
    ]


@pytest.mark.parametrize("status", ["TRADING", "A_WORD_NOBODY_KNOWS"])
def test_a_status_that_may_be_trading_explains_nothing(connection: Connection, status: str) -> None:
    for minute in (0, 60, 120):
        owner = sync(connection, instrument("BTCUSDT", status=status), minute=minute)["BTCUSDT"]
    assert explained(connection, owner, minutes(0, 300)) == []
    assert query(connection, "SELECT seen_until FROM market.instrument_history") == [(None,)]


def test_an_older_look_does_not_shorten_a_halt(connection: Connection) -> None:
    record = instrument("BTCUSDT", status="BREAK")
    for minute in (0, 60, 30):
        owner = sync(connection, record, minute=minute)["BTCUSDT"]
    assert [row[0] for row in explained(connection, owner, minutes(0, 90))] == [minutes(0, 60)]


def test_a_delisting_outranks_the_halt_before_it(connection: Connection) -> None:
    stopped = instrument("BTCUSDT", status="BREAK", delisted_at=moment(30))
    for minute in (0, 60):
        owner = sync(connection, stopped, minute=minute)["BTCUSDT"]
    found = explained(connection, owner, minutes(0, 90))
    assert [row[:2] for row in found] == [
        (minutes(0, 30), "halted"),
        (minutes(30, 90), "delisted"),
    ]


def test_trading_rests_between_a_name_and_the_next(connection: Connection) -> None:
    sync(connection, instrument("MATICUSDT"))
    change = Rename("MATICUSDT", "POLUSDT", moment(60))
    apply_renames(connection, VENUE.name, [change], observed_at=moment(70))
    owner = sync(connection, instrument("POLUSDT", listed_at=moment(90)), minute=120)["POLUSDT"]
    found = explained(connection, owner, minutes(0, 200))
    assert [row[:2] for row in found] == [(minutes(60, 90), "halted")]
    assert found[0][2] == {"action_id": 1}


@pytest.mark.parametrize("due", [None, 150])
def test_what_was_followed_by_another_instrument_has_ended(
    connection: Connection, due: int | None
) -> None:
    old = instrument("AUSDT", delisted_at=None if due is None else moment(due))
    owner = sync(connection, old, instrument("BUSDT"))["AUSDT"]
    change = Rename("AUSDT", "BUSDT", moment(60), Decimal(10))
    apply_renames(connection, VENUE.name, [change], observed_at=moment(70))
    found = explained(connection, owner, minutes(0, 200))
    assert {reason for _, reason, _ in found} == {"delisted"}
    assert merge_spans(span for span, _, _ in found) == [minutes(60, 200)]


@pytest.fixture
def stock(connection: Connection) -> int:
    # Thursday 2024-02-08 has a break, Friday the 9th is a half day, Wednesday the 14th is next.
    owner = sync(connection, instrument("0700", base_asset="TENCENT"), venue=STOCKS)["0700"]
    record_sessions(connection, STOCKS.name, Span(at("02-07"), at("02-16")))
    connection.commit()
    return owner


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(f"2024-{text}{'' if 'T' in text else 'T00:00'}+00:00"))


def span(first: str, last: str) -> Span:
    return Span(at(first), at(last))


def test_nothing_trades_between_sessions(connection: Connection, stock: int) -> None:
    found = explained(connection, stock, span("02-08", "02-10"))
    assert [row[:2] for row in found] == [
        (span("02-08", "02-08T01:30"), "no_trade"),
        (span("02-08T04:00", "02-08T05:00"), "no_trade"),
        (span("02-08T08:00", "02-09T01:30"), "no_trade"),
        (span("02-09T04:00", "02-10"), "no_trade"),
    ]
    assert {row[2]["calendar"] for row in found} == {"XHKG"}
    assert expected_spans(connection, stock, span("02-08", "02-10")) == [
        span("02-08T01:30", "02-08T04:00"),
        span("02-08T05:00", "02-08T08:00"),
        span("02-09T01:30", "02-09T04:00"),
    ]


def test_a_hole_within_a_pause_is_explained_by_it(connection: Connection, stock: int) -> None:
    holiday = span("02-12", "02-13")
    assert [row[:2] for row in explained(connection, stock, holiday)] == [(holiday, "no_trade")]
    assert expected_spans(connection, stock, holiday) == []
    session = span("02-08T06:00", "02-08T07:00")
    assert explained(connection, stock, session) == []


def test_what_lies_beyond_the_known_sessions_is_neither_expected_nor_explained(
    connection: Connection, stock: int
) -> None:
    beyond = span("03-01", "03-09")
    assert explained(connection, stock, beyond) == []
    assert expected_spans(connection, stock, beyond) == []


def test_where_trading_never_stops_a_day_nobody_recorded_explains_nothing(
    connection: Connection,
) -> None:
    owner = sync(connection, instrument("BTCUSDT"))["BTCUSDT"]
    for day in (0, 2):
        record_sessions(connection, VENUE.name, minutes(day * 1440, (day + 1) * 1440))
    assert explained(connection, owner, WEEK) == []
    assert expected_spans(connection, owner, WEEK) == [WEEK]


def test_a_halt_outranks_the_pauses_within_it(connection: Connection, stock: int) -> None:
    for minute in range(38 * 1440, 41 * 1440, 1440):
        sync(connection, instrument("0700", base_asset="TENCENT", status="HALT"),
             minute=minute, venue=STOCKS)  # fmt: skip
    found = explained(connection, stock, span("02-08", "02-09"), span("02-09T01:00", "02-10"))
    assert [row[:2] for row in found] == [
        (span("02-08", "02-09"), "halted"),
        (span("02-09T01:00", "02-10"), "halted"),
    ]


def test_the_status_of_an_instant_is_the_version_of_then(connection: Connection) -> None:
    record = instrument("BTCUSDT", listed_at=moment(-60))
    owner = sync(connection, record)["BTCUSDT"]
    sync(connection, instrument("BTCUSDT", listed_at=moment(-60), status="BREAK"), minute=30)
    sync(connection, instrument("ETHUSDT"), minute=50, complete=False)
    told = {
        minute: trading_status(connection, owner, moment(minute))
        for minute in (-61, -60, -1, 0, 29, 30, 1000)
    }
    assert told == {
        -61: "PRE_LISTING",
        -60: None,
        -1: None,
        0: "TRADING",
        29: "TRADING",
        30: "BREAK",
        1000: "BREAK",
    }
    gone = [instrument("ETHUSDT")]
    sync(connection, *gone, minute=60, complete=True)
    assert trading_status(connection, owner, moment(59)) == "BREAK"
    assert trading_status(connection, owner, moment(60)) == "DELISTED"


def test_a_whole_line_of_time_may_be_asked_for(connection: Connection) -> None:
    record = instrument("BTCUSDT", listed_at=moment(10), delisted_at=moment(90))
    owner = sync(connection, record)["BTCUSDT"]
    rows = query(
        connection, "SELECT market.expected_span(%s, '(,)') = %s::tstzmultirange", owner,
        f"{{[{moment(10).isoformat()}, {moment(90).isoformat()})}}",
    )  # fmt: skip
    assert rows == [(True,)]


@pytest.mark.parametrize(
    ("stated", "known", "outcome"),
    [
        ([], [], []),
        ([(0, 9, "outage")], [], [(0, 9, "outage")]),
        ([], [(3, 5, "halted")], [(3, 5, "halted")]),
        (
            [(0, 9, "outage")],
            [(3, 5, "halted")],
            [(0, 3, "outage"), (3, 5, "halted"), (5, 9, "outage")],
        ),
        ([(3, 5, "fetch_failed")], [(0, 9, "delisted")], [(0, 9, "delisted")]),
    ],
)
def test_what_the_reference_knows_overrules_what_is_stated(
    stated: Sequence[Any], known: Sequence[Any], outcome: Sequence[Any]
) -> None:
    def as_gaps(rows: Sequence[Any]) -> list[Gap]:
        return [Gap(minutes(first, last), reason) for first, last, reason in rows]

    assert overrule(as_gaps(stated), as_gaps(known)) == as_gaps(outcome)


def test_explained_parts_are_disjoint_and_inside_the_holes(connection: Connection) -> None:
    record = instrument("BTCUSDT", status="BREAK", listed_at=moment(100), delisted_at=moment(110))
    for minute in (0, 300):
        owner = sync(connection, record, minute=minute)["BTCUSDT"]
    holes = [minutes(50, 105), minutes(105, 150), minutes(290, 310)]
    gaps = explain_by_master(connection, owner, holes)
    assert merge_spans(gap.span for gap in gaps) == merge_spans(holes)
    assert sum(gap.span.end_ms - gap.span.start_ms for gap in gaps) == sum(
        hole.end_ms - hole.start_ms for hole in holes
    )
    assert [gap.reason for gap in gaps] == [
        "pre_listing",
        "halted",
        "halted",
        "delisted",
        "delisted",
    ]
    assert timedelta(minutes=50) == gaps[0].span.end_time - gaps[0].span.start_time
