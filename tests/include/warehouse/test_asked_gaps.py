"""Which gaps are looked at again, and outages that people state, wider and narrower."""

from __future__ import annotations

from typing import Any

from include.market.span import Span
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.outages import asked_gaps, note_outage, outages, sync_outages
from include.warehouse.reference import sync_instruments
from tests.support.warehouse import (
    VENUE,
    candles,
    instrument,
    load_frame,
    minutes,
    moment,
    seed_reference,
)

NAME = VENUE.name


def in_force(connection: Connection) -> list[tuple[Span, str, str]]:
    found = outages(connection, NAME)
    connection.commit()
    return [(one.span, one.source, one.note) for one in found]


def test_an_outage_people_state_wider_and_then_narrower_follows_them(
    connection: Connection,
) -> None:
    seed_reference(connection)
    for span in (minutes(20, 30), minutes(20, 60), minutes(20, 40)):
        sync_outages(connection, NAME, [(span, "a")], source="operator")
        connection.commit()
        assert in_force(connection) == [(span, "operator", "a")]
    # What silence has added is its own matter.
    note_outage(connection, NAME, minutes(40, 45), source="detected")
    assert sync_outages(connection, NAME, [(minutes(20, 40), "a")], source="operator") == 0
    assert in_force(connection) == [(minutes(20, 45), "operator", "a")]
    # One that was found first and then named holds more than people stated.
    note_outage(connection, NAME, minutes(100, 110), source="detected")
    both = [(minutes(20, 40), "a"), (minutes(105, 120), "b")]
    sync_outages(connection, NAME, both, source="operator")
    assert sync_outages(connection, NAME, both, source="operator") == 0
    assert in_force(connection)[1:] == [(minutes(100, 120), "operator", "b")]


def test_of_minutes_without_trades_only_doubtful_ones_are_looked_at(
    connection: Connection,
) -> None:
    seed_reference(connection)
    absent = [(100, 101), (200, 210), (300, 309), (400, 401)]
    frame = candles([n for n in range(500) if not any(a <= n < b for a, b in absent)])
    quiet: dict[str, Any] = {"asked": 2, "means": "no_trade"}
    gaps = [Gap(minutes(*hole), "no_trade", quiet) for hole in absent]
    gaps[3] = Gap(minutes(400, 401), "unpublished", quiet)
    load_frame(connection, frame, minutes(0, 500), path="x", gaps=gaps)
    halted = instrument("BTCUSDT", status="BREAK")
    sync_instruments(connection, VENUE, [halted], observed_at=moment(95))
    sync_instruments(connection, VENUE, [halted], observed_at=moment(105))
    sync_instruments(connection, VENUE, [instrument("BTCUSDT")], observed_at=moment(106))
    connection.commit()

    def asked(*, unexplained_only: bool) -> list[Span]:
        return [
            gap.span
            for gap in asked_gaps(
                connection, "candle_1m", NAME, minutes(0, 500), unexplained_only=unexplained_only
            )
        ]

    assert asked(unexplained_only=True) == []
    # Inside a halt by now, long, and a loss; nine quiet minutes in trading hours are everyday life.
    assert asked(unexplained_only=False) == [
        minutes(100, 101),
        minutes(200, 210),
        minutes(400, 401),
    ]
    connection.execute("UPDATE ledger.gap SET reason = 'unknown', closed_at = NULL")
    assert len(asked(unexplained_only=True)) == 4
