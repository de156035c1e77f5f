"""An outage of a venue is written down once, explains the holes in it, and can be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from include.jobs.explain_gaps import explain_venue
from include.market.span import Span
from include.warehouse.connections import (
    alive_spans,
    note_connected,
    note_data,
    note_disconnected,
)
from include.warehouse.engine import Connection
from include.warehouse.expected import overrule
from include.warehouse.gaps import Gap
from include.warehouse.ledger import coverage, open_gaps, open_gaps_from
from include.warehouse.outages import note_outage, outages, sync_outages, withdraw_outages
from include.warehouse.reference import sync_instruments
from include.warehouse.repairs import due_gaps, unasked_spans
from tests.support.warehouse import (
    START,
    VENUE,
    candles,
    instrument,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
)

NAME = VENUE.name
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ASKED = {"asked": 2, "means": "outage"}
LATER = START + timedelta(days=400)


def load_with_hole(
    connection: Connection, symbol: str, *holes: tuple[int, int], end: int = 60, **proof: Any
) -> None:
    """Load an hour of a symbol in which some minutes are absent although they were asked for."""
    absent = {minute for hole in holes for minute in range(*hole)}
    gaps = [Gap(minutes(*hole), "unknown", {**ASKED, **proof}) for hole in holes]
    frame = candles([minute for minute in range(end) if minute not in absent])
    load_frame(connection, frame, minutes(0, end), path=symbol, symbol=symbol, gaps=gaps)


def explain(connection: Connection, *, thorough: bool = False) -> dict[str, int]:
    done = explain_venue(
        connection, NAME, minutes(0, 1440), run_id="test", at=LATER, thorough=thorough
    )
    connection.commit()
    return done


def told(connection: Connection) -> list[tuple[int, Span, str, int | None]]:
    found = open_gaps(connection, "candle_1m")
    connection.commit()
    return [(gap.instrument_id, gap.span, gap.reason, gap.outage_id) for gap in found]


def in_force(connection: Connection) -> list[tuple[Span, str, str]]:
    found = outages(connection, NAME)
    connection.commit()
    return [(one.span, one.source, one.note) for one in found]


def test_all_silent_together_is_one_outage_that_their_gaps_refer_to(connection: Connection) -> None:
    ids = seed_reference(connection, SYMBOLS)
    for symbol in SYMBOLS:
        load_with_hole(connection, symbol, (20, 30))
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 20), minutes(30, 60)]
    assert explain(connection) == {"explained": 3, "outages": 1, "withdrawn": 0}
    assert in_force(connection) == [(minutes(20, 30), "detected", "")]
    assert told(connection) == [(n, minutes(20, 30), "outage", 1) for n in sorted(ids.values())]
    assert all(coverage(connection, "candle_1m", n) == [minutes(0, 60)] for n in ids.values())
    connection.commit()
    # The later stages hear of it, and of nothing when it is explained again.
    changes = "SELECT instrument_id FROM ledger.change WHERE span_start = %s ORDER BY 1"
    assert query(connection, changes, moment(20)) == [(1,), (2,), (3,)]
    assert explain(connection, thorough=True)["explained"] == 0
    assert len(query(connection, "SELECT FROM ledger.venue_outage")) == 1
    [proof] = query(connection, "SELECT proof FROM ledger.gap WHERE instrument_id = 1")
    assert proof[0] == {**ASKED, "outage_id": 1, "silent": 3, "active": 3, "source": "detected"}


def test_one_instrument_that_trades_leaves_the_others_unexplained(connection: Connection) -> None:
    seed_reference(connection, SYMBOLS)
    for symbol in SYMBOLS[:2]:
        load_with_hole(connection, symbol, (20, 30))
    load_with_hole(connection, SYMBOLS[2], (20, 25))
    assert explain(connection) == {"explained": 3, "outages": 1, "withdrawn": 0}
    assert told(connection) == [
        (1, minutes(20, 25), "outage", 1),
        (1, minutes(25, 30), "unknown", None),
        (2, minutes(20, 25), "outage", 1),
        (2, minutes(25, 30), "unknown", None),
        (3, minutes(20, 25), "outage", 1),
    ]
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 25), minutes(30, 60)]


def test_a_silence_that_has_not_ended_is_not_covered(connection: Connection) -> None:
    seed_reference(connection)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        load_with_hole(connection, symbol, (40, 60))
    assert explain(connection)["explained"] == 0
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 40)]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        frame = candles(range(60, 70))
        load_frame(connection, frame, minutes(60, 70), path=symbol + "2", symbol=symbol)
    assert explain(connection)["outages"] == 1
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 70)]


def test_refused_rows_are_no_silence(connection: Connection) -> None:
    seed_reference(connection)
    load_with_hole(connection, "BTCUSDT", (20, 30))
    refused = [Gap(minutes(20, 30), "unknown", {"refused_in_landing": 2})]
    frame = candles([*range(20), *range(30, 60)])
    load_frame(connection, frame, minutes(0, 60), path="b", symbol="ETHUSDT", gaps=refused)
    assert explain(connection) == {"explained": 0, "outages": 0, "withdrawn": 0}
    # Not even a stated outage explains them.
    sync_outages(connection, NAME, [(minutes(20, 30), "")], source="operator")
    connection.commit()
    explain(connection, thorough=True)
    assert [(n, reason) for n, _, reason, _ in told(connection)] == [(1, "outage"), (2, "unknown")]
    load_frame(connection, frame, minutes(0, 60), path="c", symbol="ETHUSDT", gaps=refused)
    assert [reason for *_, reason, _ in told(connection)] == ["outage", "unknown"]


def test_a_stated_outage_explains_at_once_and_what_was_stored_before(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_with_hole(connection, "BTCUSDT", (20, 30))
    stated = [(minutes(10, 28), "upgrade of the engine")]
    assert sync_outages(connection, NAME, stated, source="calendar") == 1
    assert sync_outages(connection, NAME, stated, source="calendar") == 0
    connection.commit()
    assert explain(connection)["explained"] == 1
    assert told(connection) == [
        (1, minutes(20, 28), "outage", 1),
        (1, minutes(28, 30), "unknown", None),
    ]
    load_with_hole(connection, "ETHUSDT", (20, 30))
    assert told(connection)[2:] == [
        (2, minutes(20, 28), "outage", 1),
        (2, minutes(28, 30), "unknown", None),
    ], "the load itself knows the outage"
    # What all are silent in beside it makes the stated one longer, and not a second one.
    assert explain(connection)["explained"] == 2
    assert in_force(connection) == [(minutes(10, 30), "calendar", "upgrade of the engine")]
    assert {outage for *_, outage in told(connection)} == {1}


def test_trades_inside_disprove_a_detected_outage_but_not_a_stated_one(
    connection: Connection,
) -> None:
    seed_reference(connection, SYMBOLS)
    for symbol in SYMBOLS[:2]:
        load_with_hole(connection, symbol, (20, 30), (40, 45))
    with connection.transaction():
        note_outage(connection, NAME, minutes(40, 45), source="operator")
    explain(connection)
    load_with_hole(connection, SYMBOLS[2])
    done = explain(connection, thorough=True)
    assert done["withdrawn"] == 1
    assert in_force(connection) == [(minutes(40, 45), "operator", "")]
    assert told(connection) == [
        (1, minutes(20, 30), "unpublished", None),
        (1, minutes(40, 45), "outage", 1),
        (2, minutes(20, 30), "unpublished", None),
        (2, minutes(40, 45), "outage", 1),
    ]
    # Covered it stays, and it is looked at again at once.
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 60)]
    due = due_gaps(connection, "candle_1m", [1, 2, 3], LATER, limit=9)
    assert [one.gap.span for one in due][:2] == [minutes(20, 30)] * 2
    assert explain(connection, thorough=True)["withdrawn"] == 0


def test_an_outage_nobody_states_any_more_is_withdrawn(connection: Connection) -> None:
    seed_reference(connection)
    both = [(minutes(20, 30), "a"), (minutes(40, 50), "b")]
    sync_outages(connection, NAME, both, source="operator")
    load_with_hole(connection, "BTCUSDT", (20, 30))
    assert told(connection) == [(1, minutes(20, 30), "outage", 1)]
    assert sync_outages(connection, NAME, both[1:], source="calendar") == 0
    assert sync_outages(connection, NAME, both[1:], source="operator") == 1
    shorter = [(minutes(42, 50), "b")]
    assert sync_outages(connection, NAME, shorter, source="operator") == 2
    connection.commit()
    assert in_force(connection) == [(minutes(42, 50), "operator", "b")]
    explain(connection, thorough=True)
    assert told(connection) == [(1, minutes(20, 30), "unpublished", None)]


def test_a_halt_learnt_later_explains_what_was_stored_before(connection: Connection) -> None:
    seed_reference(connection)
    load_with_hole(connection, "BTCUSDT", (20, 30))
    load_with_hole(connection, "ETHUSDT", (20, 30))
    explain(connection)
    halted = instrument("BTCUSDT", status="BREAK")
    sync_instruments(connection, VENUE, [halted], observed_at=moment(22))
    sync_instruments(connection, VENUE, [halted], observed_at=moment(26))
    sync_instruments(connection, VENUE, [instrument("BTCUSDT")], observed_at=moment(28))
    connection.commit()
    assert explain(connection, thorough=True)["explained"] == 1
    assert [(span, reason) for n, span, reason, _ in told(connection) if n == 1] == [
        (minutes(20, 22), "outage"),
        (minutes(22, 26), "halted"),
        (minutes(26, 30), "outage"),
    ]


def test_quiet_venues_are_out_only_when_the_silence_is_far_longer_than_usual(
    connection: Connection,
) -> None:
    seed_reference(connection)
    usual = [(n, n + 3) for n in range(100, 1000, 50)]
    for symbol in ("BTCUSDT", "ETHUSDT"):
        load_with_hole(connection, symbol, *usual, (1100, 1120), end=1440, means="no_trade")
    connection.execute("UPDATE ledger.gap SET reason = 'no_trade'")
    connection.commit()
    assert explain(connection, thorough=True) == {"explained": 2, "outages": 1, "withdrawn": 0}
    assert in_force(connection) == [(minutes(1100, 1120), "detected", "")]
    assert sum(reason == "no_trade" for _, _, reason, _ in told(connection)) == 2 * len(usual)


def test_what_was_told_of_an_outage_outlives_another_landing(connection: Connection) -> None:
    seed_reference(connection)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        load_with_hole(connection, symbol, (20, 30))
    explain(connection)
    frame = candles([*range(20), *range(30, 60)])
    again = [Gap(minutes(20, 30), "no_trade", ASKED)]
    load_frame(connection, frame, minutes(0, 60), path="again", gaps=again)
    assert told(connection)[0] == (1, minutes(20, 30), "outage", 1)
    load_frame(connection, candles(range(60)), minutes(0, 60), path="mended")
    assert [n for n, *_ in told(connection)] == [2]
    reason = "SELECT reason FROM ledger.change ORDER BY change_id DESC LIMIT 1"
    assert query(connection, reason) == [("repaired",)]


def test_outages_in_force_never_overlap_and_only_they_explain(
    connection: Connection, warehouse: psycopg.Connection[Any]
) -> None:
    seed_reference(connection)
    with connection.transaction():
        [first] = note_outage(connection, NAME, minutes(0, 10), source="detected")
        [grown] = note_outage(connection, NAME, minutes(5, 15), source="detected")
        assert (grown.outage_id, grown.span) == (first.outage_id, minutes(0, 15))
        [named] = note_outage(connection, NAME, minutes(0, 5), source="operator", note="ours")
        assert (named.span, named.source, named.note) == (minutes(0, 15), "operator", "ours")
        note_outage(connection, NAME, minutes(20, 25), source="detected")
        bridged = note_outage(connection, NAME, minutes(12, 23), source="detected")
        assert [one.span for one in bridged] == [minutes(0, 20), minutes(20, 25)]
        withdraw_outages(connection, [first.outage_id])
        assert outages(connection, NAME, minutes(0, 10)) == []
    again = (
        "INSERT INTO ledger.venue_outage (venue_id, span_start, span_end, source) "
        "SELECT venue_id, span_start, span_end, source FROM ledger.venue_outage WHERE outage_id = 2"
    )
    with pytest.raises(errors.ExclusionViolation):
        warehouse.execute(again)
    with pytest.raises(errors.CheckViolation):
        warehouse.execute(
            "INSERT INTO ledger.gap (dataset, instrument_id, span_start, span_end, reason, "
            "outage_id) VALUES ('candle_1m', 1, %s, %s, 'unknown', 2)",
            (moment(0), moment(1)),
        )


def test_what_nobody_asked_for_is_told(connection: Connection) -> None:
    listed = instrument("BTCUSDT", listed_at=moment(10))
    sync_instruments(connection, VENUE, [listed, instrument("ETHUSDT")], observed_at=START)
    load_frame(connection, candles(range(20, 25)), minutes(20, 30))
    load_frame(connection, candles(range(40, 45)), minutes(40, 45), path="b")
    assert unasked_spans(connection, "candle_1m", minutes(0, 60)) == {
        1: [minutes(10, 20), minutes(30, 40), minutes(45, 60)],
        2: [minutes(0, 60)],
    }


def test_open_gaps_are_read_from_an_instant_on(connection: Connection) -> None:
    seed_reference(connection)
    load_with_hole(connection, "BTCUSDT", (10, 20), (30, 40))
    found = open_gaps_from(connection, "candle_1m", 1, moment(11))
    assert [gap.span for gap in found] == [minutes(30, 40)]


def test_later_words_win_with_their_outage() -> None:
    outage = Gap(minutes(0, 9), "outage", {}, 7)
    found = overrule([outage], [Gap(minutes(3, 5), "halted")])
    assert [(one.span, one.outage_id) for one in found] == [
        (minutes(0, 3), 7),
        (minutes(3, 5), None),
        (minutes(5, 9), 7),
    ]


def test_a_connection_is_alive_until_its_last_data(connection: Connection) -> None:
    seed_reference(connection)
    one = note_connected(connection, NAME, "kline_1m", at=moment(0))
    note_data(connection, one, at=moment(10))
    note_data(connection, one, at=moment(8))
    note_disconnected(connection, one, at=moment(15), reason="1006")
    note_disconnected(connection, one, at=moment(99), reason="again")
    note_data(connection, one, at=moment(50))
    two = note_connected(connection, NAME, "kline_1m", at=moment(20), symbols=["ETHUSDT"])
    note_data(connection, two, at=moment(30))
    note_connected(connection, NAME, "kline_1m", at=moment(40))
    hour = minutes(0, 60)
    assert alive_spans(connection, NAME, "BTCUSDT", hour) == [minutes(0, 10)]
    assert alive_spans(connection, NAME, "ETHUSDT", minutes(5, 25)) == [
        minutes(5, 10),
        minutes(20, 25),
    ]
    ended = query(connection, "SELECT disconnected_at, reason FROM ledger.connection ORDER BY 1")
    assert ended[0] == (moment(15), "1006")


def test_minutes_missed_while_nobody_listened_are_disconnected(connection: Connection) -> None:
    seed_reference(connection)
    one = note_connected(connection, NAME, "kline_1m", at=moment(0))
    note_data(connection, one, at=moment(25))
    gaps = [Gap(minutes(20, 30), "unknown", {"heard_in_landing": 1})]
    frame = candles([*range(20), *range(30, 60)])
    load_frame(connection, frame, minutes(0, 60), gaps=gaps)
    assert explain(connection)["explained"] == 1
    assert told(connection) == [
        (1, minutes(20, 25), "unknown", None),
        (1, minutes(25, 30), "disconnected", None),
    ]
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 20), minutes(30, 60)]
    assert explain(connection)["explained"] == 0
