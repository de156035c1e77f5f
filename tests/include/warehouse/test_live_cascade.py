"""Many series at once: those with equal spans are handled together, and each keeps its own."""

from __future__ import annotations

import pandas as pd
import pytest

from include.cascade.rollup import roll_up
from include.jobs.cascade import cascade_all
from include.market.span import Span
from include.market.timeframe import M1, M5
from include.warehouse import live_cascade
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage
from include.warehouse.live_cascade import coverage_of_many, extend_alike
from include.warehouse.many_candles import group_by_span
from include.warehouse.rows import Delivery, load_rows
from include.warehouse.settlement import Proof, extend_coverage
from tests.support.warehouse import START, VENUE, minutes, moment, query, seed_reference, walk

DATASET = M5.dataset
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")
PROVEN = (
    [minutes(0, 5)],
    [minutes(0, 5)],
    [minutes(0, 5), minutes(10, 15)],
    [minutes(5, 10)],
    [minutes(0, 5)],
)


def test_instruments_are_grouped_by_equal_spans_wherever_they_stand() -> None:
    shared = minutes(0, 5)
    owned = [(1, shared), (2, shared), (3, minutes(5, 10)), (4, minutes(0, 5)), (3, shared)]
    assert group_by_span(owned) == {minutes(0, 5): [1, 2, 4, 3], minutes(5, 10): [3]}
    assert list(group_by_span(owned)) == [minutes(0, 5), minutes(5, 10)]
    assert group_by_span([]) == {}


@pytest.mark.parametrize("most", [0, 16], ids=["listed", "span by span"])
def test_every_series_is_covered_by_its_own_spans(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(live_cascade, "MOST_ALIKE", most)
    known = seed_reference(connection, SYMBOLS)
    owners = [known[symbol] for symbol in SYMBOLS]
    proven = dict(zip(owners, PROVEN, strict=True))
    with connection.transaction():
        extend_alike(connection, DATASET, proven)
    assert {owner: coverage(connection, DATASET, owner) for owner in owners} == proven
    wanted = dict.fromkeys(owners, minutes(0, 12))
    assert coverage_of_many(connection, [DATASET], wanted) == {
        DATASET: {owner: _within(parts, 12) for owner, parts in proven.items()}
    }


def test_a_live_pass_builds_of_each_instrument_what_its_own_minutes_prove(
    connection: Connection,
) -> None:
    """Neighbours differ in what changed, in what is proven and in what was built before."""
    known = seed_reference(connection, SYMBOLS)
    connection.autocommit = True
    frames = {symbol: walk(10, seed=place) for place, symbol in enumerate(SYMBOLS)}
    _close(connection, {known[symbol]: frames[symbol].head(5) for symbol in SYMBOLS[:2]})
    cascade_all(connection, run_id="live")
    ends = dict(zip(SYMBOLS, (10, 9, 10, 5, 4), strict=True))
    _close(connection, {known[symbol]: frames[symbol].head(end) for symbol, end in ends.items()})
    cascade_all(connection, run_id="live")
    for symbol, end in ends.items():
        whole = minutes(0, end - end % 5)
        assert coverage(connection, DATASET, known[symbol]) == ([whole] if whole else [])
        stored = read_candles(connection, M5, known[symbol], minutes(0, 30))
        wanted = roll_up(frames[symbol].head(end - end % 5), M1, M5)[list(stored.columns)]
        pd.testing.assert_frame_equal(stored, wanted, check_exact=True, check_dtype=False)
    told = [
        (SYMBOLS[0], 0, 5),
        (SYMBOLS[1], 0, 5),
        (SYMBOLS[0], 5, 10),
        (SYMBOLS[2], 0, 10),
        (SYMBOLS[3], 0, 5),
    ]
    changes = (
        "SELECT instrument_id, span_start, span_end FROM ledger.change WHERE dataset = %s "
        "ORDER BY change_id"
    )
    assert query(connection, changes, DATASET) == [
        (known[symbol], moment(start), moment(end)) for symbol, start, end in told
    ]


def _close(connection: Connection, closed: dict[int, pd.DataFrame]) -> None:
    """Store the first minutes of each instrument, as a stream would, and call them proven."""
    rows = pd.concat([frame.assign(instrument_id=owner) for owner, frame in closed.items()])
    delivery = Delivery(
        source="rest", run_id="live", venue=VENUE.name, span=minutes(0, 10), observed_at=START
    )
    receipt = load_rows(connection, "market.candle_1m", rows, delivery)
    proofs = [
        Proof(owner, [minutes(0, len(frame))], receipt.load_id) for owner, frame in closed.items()
    ]
    with connection.transaction():
        extend_coverage(connection, M1.dataset, proofs)


def _within(parts: list[Span], end: int) -> list[Span]:
    limit = minutes(0, end).end_ms
    return [Span(part.start_ms, min(part.end_ms, limit)) for part in parts if part.start_ms < limit]
