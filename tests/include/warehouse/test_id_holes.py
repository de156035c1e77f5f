"""Holes in the ids of trades are kept as ranges, and close as the ids come."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.quality.event_rules import find_id_holes
from include.warehouse.engine import Connection, connect
from include.warehouse.id_holes import IdHole, IdRange, note_ids, open_id_holes
from tests.support.warehouse import query, seed_reference


def note(
    connection: Connection, *, came: Sequence[IdRange] = (), holes: Sequence[IdRange] = ()
) -> int:
    with connection.transaction():
        return note_ids(
            connection, "trade", _btc(connection), came=came, holes=holes, is_fault=True
        )


def _btc(connection: Connection) -> int:
    rows = connection.execute(
        "SELECT instrument_id FROM market.instrument WHERE symbol = 'BTCUSDT'"
    ).fetchall()
    return int(rows[0][0])


def ranges(connection: Connection) -> list[IdRange]:
    found = open_id_holes(connection, "trade", _btc(connection))
    connection.commit()
    return [(hole.first_id, hole.last_id) for hole in found]


def test_a_hole_is_written_once_however_often_it_is_told(connection: Connection) -> None:
    seed_reference(connection)
    connection.commit()
    assert note(connection, holes=[(5, 9), (20, 20)]) == 2
    assert note(connection, holes=[(20, 20), (5, 9)]) == 0
    assert ranges(connection) == [(5, 9), (20, 20)]
    assert open_id_holes(connection, "trade", _btc(connection))[0] == IdHole(5, 9, True)
    assert query(connection, "SELECT count(*) FROM ledger.id_hole") == [(2,)]


def test_ids_that_come_cut_their_hole_and_close_it(connection: Connection) -> None:
    seed_reference(connection)
    connection.commit()
    note(connection, holes=[(5, 9)])
    note(connection, came=[(7, 7), (100, 200)])
    assert ranges(connection) == [(5, 6), (8, 9)]
    note(connection, came=[(1, 50)])
    assert ranges(connection) == []
    # Nothing is forgotten: what was absent, and until when.
    kept = "SELECT first_id, last_id, closed_at IS NOT NULL FROM ledger.id_hole ORDER BY hole_id"
    assert query(connection, kept) == [(5, 9, True), (5, 6, True), (8, 9, True)]


def test_ranges_that_run_backwards_are_refused(connection: Connection) -> None:
    seed_reference(connection)
    connection.commit()
    for wrong in ((9, 5), (-1, 3)):
        with pytest.raises(InvalidInputError, match="ranges"):
            note(connection, holes=[wrong])


steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=8
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
def test_whatever_comes_and_goes_the_holes_are_what_is_absent(
    connection: Connection, told: list[tuple[bool, int, int]]
) -> None:
    if not query(connection, "SELECT 1 FROM market.instrument"):
        seed_reference(connection)
        connection.commit()
    note(connection, came=[(0, 1000)])
    absent: set[int] = set()
    for is_hole, first, more in told:
        ids = range(first, first + more + 1)
        absent = absent | set(ids) if is_hole else absent - set(ids)
        one = [(first, first + more)]
        note(connection, **({"holes": one} if is_hole else {"came": one}))
    found = ranges(connection)
    assert {id_ for first, last in found for id_ in range(first, last + 1)} == absent
    assert find_id_holes([*(set(range(-1, 50)) - absent)]) == found


def test_the_jobs_may_write_them(loader_dsn: str, connection: Connection) -> None:
    seed_reference(connection)
    connection.commit()
    with connect(loader_dsn, application="test") as jobs:
        assert note(jobs, holes=[(1, 2)]) == 1
