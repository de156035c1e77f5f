"""What a load says of absent candles, and who is believed."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from include.market.span import Span
from include.warehouse.bulk_rows import Member, _encode_cells, encode_place, read_ahead
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.ledger import coverage, open_gaps
from include.warehouse.pgbinary import encode_rows
from include.warehouse.reference import sync_instruments
from include.warehouse.settlement import Proof, SettledPart, extend_coverage, settle
from tests.support.bulk import WEEK, land, load_together, member
from tests.support.warehouse import (
    START,
    VENUE,
    candles,
    instrument,
    load_frame,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
)


def reasons(connection: Connection) -> list[tuple[Span, str, int]]:
    found = [(gap.span, gap.reason, gap.attempts) for gap in open_gaps(connection, "candle_1m")]
    connection.commit()
    return found


@pytest.mark.parametrize("together", [True, False], ids=["with its month", "alone"])
def test_what_the_venue_says_of_an_instruments_life_wins(
    connection: Connection, *, together: bool
) -> None:
    listed = instrument("BTCUSDT", listed_at=START + timedelta(minutes=50))
    sync_instruments(connection, VENUE, [listed], observed_at=START)
    connection.commit()
    landing = land(connection, minutes(0, WEEK))
    frame = walk(WEEK).drop(index=range(100))
    told = [Gap(minutes(0, 100), "outage", {"told": "by the landing"})]
    if together:
        assert load_together(connection, member(connection, landing, frame, gaps=told))
    else:
        load_landing(connection, landing, frame, gaps=told)
    assert reasons(connection) == [
        (minutes(0, 50), "pre_listing", 1),
        (minutes(50, 100), "outage", 1),
    ]
    assert coverage(connection, "candle_1m", 1) == [minutes(0, WEEK)]


def test_parts_of_one_gap_are_settled_one_after_the_other(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([]), minutes(0, 100))
    load_id = query(connection, "SELECT load_id FROM ledger.load")[0][0]
    with connection.transaction():
        settle(
            connection,
            "candle_1m",
            [
                SettledPart(1, minutes(0, 10), [minutes(5, 10)], [], load_id),
                SettledPart(1, minutes(20, 30), [], [Gap(minutes(20, 30), "outage")], load_id),
                SettledPart(
                    1, minutes(30, 40), [minutes(30, 40)], [Gap(minutes(30, 40), "halted")], load_id
                ),
            ],
        )
    assert reasons(connection) == [
        (minutes(5, 10), "unknown", 2),
        (minutes(10, 20), "unknown", 1),
        (minutes(30, 40), "halted", 2),
        (minutes(40, 100), "unknown", 1),
    ]
    filled = "SELECT span_start, span_end FROM ledger.gap WHERE closed_at IS NOT NULL ORDER BY 1"
    assert query(connection, filled) == [(moment(0), moment(5)), (moment(20), moment(30))]
    assert coverage(connection, "candle_1m", 1) == [minutes(0, 5), minutes(20, 40)]


def test_coverage_of_many_series_is_told_once_each(connection: Connection) -> None:
    ids = seed_reference(connection)
    load_frame(connection, walk(1), minutes(0, 1))
    load_id = query(connection, "SELECT load_id FROM ledger.load")[0][0]
    proofs = [
        Proof(ids["ETHUSDT"], [minutes(0, 5), minutes(7, 9)], load_id),
        Proof(ids["BTCUSDT"], [minutes(0, 3)], load_id),
        Proof(ids["BTCUSDT"], [minutes(3, 4)], load_id),
        Proof(ids["BTCUSDT"], [], load_id),
    ]
    for _ in range(2):
        with connection.transaction():
            extend_coverage(connection, "candle_1m", proofs)
    assert coverage(connection, "candle_1m", ids["BTCUSDT"]) == [minutes(0, 4)]
    assert coverage(connection, "candle_1m", ids["ETHUSDT"]) == [minutes(0, 5), minutes(7, 9)]
    connection.commit()
    changes = "SELECT instrument_id, span_start, span_end FROM ledger.change ORDER BY 1, 2"
    assert query(connection, changes) == [
        (ids["BTCUSDT"], moment(0), moment(1)),
        (ids["BTCUSDT"], moment(1), moment(4)),
        (ids["ETHUSDT"], moment(0), moment(5)),
        (ids["ETHUSDT"], moment(7), moment(9)),
    ]


def test_series_that_share_a_span_are_proven_together(connection: Connection) -> None:
    ids = seed_reference(connection)
    bitcoin, ether = ids["BTCUSDT"], ids["ETHUSDT"]
    load_frame(connection, walk(1), minutes(0, 1))
    load_id = query(connection, "SELECT load_id FROM ledger.load")[0][0]
    for end in (5, 5, 8):
        proofs = [Proof(owner, [minutes(0, end)], load_id) for owner in (ether, bitcoin, ether)]
        with connection.transaction():
            extend_coverage(connection, "candle_1m", proofs)
    for owner in (bitcoin, ether):
        assert coverage(connection, "candle_1m", owner) == [minutes(0, 8)]
    connection.commit()
    changes = "SELECT instrument_id, span_start, span_end FROM ledger.change ORDER BY 1, 2"
    assert sorted(query(connection, changes)) == sorted([
        (bitcoin, moment(0), moment(1)),
        (bitcoin, moment(1), moment(5)),
        (bitcoin, moment(5), moment(8)),
        (ether, moment(0), moment(5)),
        (ether, moment(5), moment(8)),
    ])  # fmt: skip


def test_work_ahead_comes_in_order_and_stops_with_its_reader() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 50:
            raise LookupError(number)
        return number

    reads = [lambda number=number: work(number) for number in range(100)]
    found: list[int] = []
    with pytest.raises(LookupError, match="50"):
        found.extend(read_ahead(reads))
    assert found == list(range(50))
    assert list(read_ahead(reads[:50])) == list(range(50))
    begun.clear()
    ahead = read_ahead(reads[:50])
    assert next(ahead) == 0
    ahead.close()
    assert max(begun) < 10, "what nobody waits for is not worked on"


@pytest.mark.parametrize("count", [1, 2, 4096, 9001])
def test_repeated_cells_are_encoded_like_any_other(count: int) -> None:
    draw = np.random.default_rng(count)
    whole = [draw.integers(0, 9, count), draw.normal(size=count)]
    sparse = [np.array([7], dtype=np.int32), *whole, np.array([-9], dtype=np.int64)]
    full = [np.full(count, 7, dtype=np.int32), *whole, np.full(count, -9, dtype=np.int64)]
    assert bytes(_encode_cells(sparse, count)) == encode_rows(full, count)


def test_a_file_that_cannot_be_read_is_left_to_the_careful_way(connection: Connection) -> None:
    seed_reference(connection)

    def read() -> None:
        raise FileNotFoundError("gone")

    landing = land(connection, minutes(0, WEEK))
    gone = Member(landing, 1, read)  # type: ignore[arg-type]
    place = type("Place", (), {"member": gone})()
    assert encode_place(place) is None
