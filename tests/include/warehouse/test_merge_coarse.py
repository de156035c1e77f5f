"""Coarse candles go through the same merge, in the transaction of the stage that made them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from include.market.candle import ABSENT_COUNT, CANDLE_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import CASCADE, H4, M5, M30, Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.ledger import coverage, read_changes
from include.warehouse.loader import merge_coarse
from include.warehouse.merge import LoadReceipt
from tests.support.warehouse import (
    START_MS,
    candles,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
)

INCOMPLETE = (
    "SELECT timeframe, open_time, children_present, children_explained, proven "
    "FROM market.incomplete_candle ORDER BY open_time"
)


def coarse(
    places: Sequence[int],
    *,
    price: float = 100.0,
    timeframe: Timeframe = M5,
    present: int = 5,
    expected: int = 5,
    instrument_id: int = 1,
) -> pd.DataFrame:
    return candles(places, price=price, timeframe=timeframe).assign(
        children_present=present, children_expected=expected, instrument_id=instrument_id
    )


def merge(connection: Connection, frame: pd.DataFrame, timeframe: Timeframe = M5) -> LoadReceipt:
    receipt = merge_coarse(connection, timeframe, frame, run_id="r")
    connection.commit()
    return receipt


@pytest.mark.parametrize("timeframe", [M5, M30, H4], ids=lambda timeframe: timeframe.label)
def test_new_same_and_revised_coarse_candles_are_told_apart(
    connection: Connection, timeframe: Timeframe
) -> None:
    seed_reference(connection)
    expected = next(
        coarser.length_ms // finer.length_ms for finer, coarser in CASCADE if coarser == timeframe
    )
    sound = {"timeframe": timeframe, "present": expected, "expected": expected}
    first = merge(connection, coarse(range(4), **sound), timeframe)  # type: ignore[arg-type]
    again = merge(connection, coarse(range(4), **sound), timeframe)  # type: ignore[arg-type]
    other = coarse(range(2, 6), price=101, **sound)  # type: ignore[arg-type]
    changed = merge(connection, other, timeframe)
    assert [
        (receipt.inserted, receipt.updated, receipt.unchanged)
        for receipt in (first, again, changed)
    ] == [(4, 0, 0), (0, 0, 4), (2, 2, 0)]
    span = Span(START_MS, START_MS + 10 * timeframe.length_ms)
    assert read_candles(connection, timeframe, 1, span)["close"].tolist() == [100] * 2 + [101] * 4
    changes = query(
        connection,
        "SELECT dataset, reason, extract(epoch FROM span_end - span_start) * 1000 / %s "
        "FROM ledger.change ORDER BY change_id",
        timeframe.length_ms,
    )
    dataset = f"candle_{timeframe.label}"
    assert changes == [(dataset, "new", 4), (dataset, "revised", 2), (dataset, "new", 2)]
    assert (
        query(
            connection,
            "SELECT timeframe, close, children_present, source FROM market.candle_revision",
        )
        == [(timeframe.label, 100, expected, "cascade")] * 2
    )


def test_another_number_of_children_is_a_revision(connection: Connection) -> None:
    seed_reference(connection)
    merge(connection, coarse([0], present=4))
    receipt = merge(connection, coarse([0], present=5))
    assert (receipt.updated, receipt.unchanged) == (1, 0)


def test_rows_of_one_merge_may_lack_different_columns(connection: Connection) -> None:
    seed_reference(connection)
    frame = coarse(range(8))
    frame["open"] = frame["close"] = frame["low"] = [100.0 - place for place in range(8)]
    frame.loc[[1, 6], "quote_volume"] = float("nan")
    frame.loc[[2, 6], ["taker_buy_volume", "taker_buy_quote_volume"]] = float("nan")
    frame.loc[[2, 4], "trade_count"] = ABSENT_COUNT
    shuffled = frame.sample(frac=1, random_state=1)
    assert merge(connection, shuffled).inserted == 8
    stored = query(
        connection,
        "SELECT open, quote_volume, taker_buy_volume, trade_count FROM market.candle_5m ORDER BY 1",
    )
    assert stored == [
        (
            100.0 - place,
            None if place in (1, 6) else 100.0,
            None if place in (2, 6) else 100.0,
            None if place in (2, 4) else 7,
        )
        for place in reversed(range(8))
    ]
    span = Span(START_MS, START_MS + 8 * M5.length_ms)
    read = read_candles(connection, M5, 1, span)
    pd.testing.assert_frame_equal(read, frame[list(CANDLE_COLUMNS)], check_exact=True)
    connection.commit()
    assert merge(connection, shuffled).unchanged == 8
    stated = frame.fillna(100.0).assign(trade_count=7)
    assert merge(connection, stated).updated == 4


def test_nothing_is_committed_by_the_merge(connection: Connection) -> None:
    seed_reference(connection)
    merge_coarse(connection, M5, coarse([0]), run_id="r")
    connection.rollback()
    assert query(connection, "SELECT FROM market.candle_5m") == []
    assert query(connection, "SELECT FROM ledger.load") == []


def test_several_merges_fit_into_one_transaction_and_one_row_may_change_twice(
    connection: Connection,
) -> None:
    seed_reference(connection)
    for price in (100, 101, 102):
        merge_coarse(connection, M5, coarse([0, 1], price=price), run_id="r")
    connection.commit()
    assert query(connection, "SELECT DISTINCT close, revision FROM market.candle_5m") == [(102, 3)]
    stood = query(
        connection,
        "SELECT r.close, upper(r.recorded_during) = coalesce(lead(lower(r.recorded_during)) "
        "OVER (PARTITION BY r.open_time ORDER BY r.revision), c.recorded_at) "
        "FROM market.candle_revision AS r JOIN market.candle_5m AS c "
        "USING (instrument_id, open_time) ORDER BY r.open_time, r.revision",
    )
    assert stood == [(100, True), (101, True)] * 2


def test_several_instruments_fit_into_one_merge(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = pd.concat(
        [coarse([0, 1], instrument_id=ids["BTCUSDT"]), coarse([1, 3], instrument_id=ids["ETHUSDT"])]
    )
    receipt = merge(connection, frame)
    assert receipt.inserted == 4
    assert query(
        connection, "SELECT instrument_id, count(*) FROM ledger.change GROUP BY 1 ORDER BY 1"
    ) == [
        (ids["BTCUSDT"], 1),
        (ids["ETHUSDT"], 2),
    ]


def test_a_merge_of_nothing_stores_nothing(connection: Connection) -> None:
    seed_reference(connection)
    receipt = merge(connection, coarse([]))
    assert receipt == LoadReceipt(None, 0, 0, 0, 0)
    assert query(connection, "SELECT FROM ledger.load") == []


def test_a_merge_is_read_by_the_next_stage(connection: Connection) -> None:
    seed_reference(connection)
    merge(connection, coarse([0, 1]))
    todo = read_changes(connection, "cascade_30m", "candle_5m")
    while not todo.changes:  # an automatic ANALYZE elsewhere may hold the cursor for a moment
        connection.commit()
        todo = read_changes(connection, "cascade_30m", "candle_5m")
    assert [change.span for change in todo.changes] == [minutes(0, 10)]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ({"instrument_id": 99}, "instrument_id_fkey"),
        ({"children_present": 6}, "candle_children"),
        ({"children_present": 40_000}, "children_present"),
        ({"high": 1.0}, "candle_high_is_highest"),
    ],
)
def test_a_candle_that_cannot_be_is_refused(
    connection: Connection, spoil: dict[str, float], named: str
) -> None:
    seed_reference(connection)
    with pytest.raises(ContractError, match=named):
        merge(connection, coarse([0]).assign(**spoil))


def test_coarse_coverage_is_what_the_minutes_prove_in_whole_buckets(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(3, 22)), minutes(3, 22))
    merge_coarse(connection, M5, coarse(range(5)), run_id="r")
    connection.commit()
    assert coverage(connection, "candle_5m", 1) == [minutes(5, 20)]


def test_a_bucket_that_is_empty_for_a_known_reason_is_covered_when_it_was_rolled_up(
    connection: Connection,
) -> None:
    seed_reference(connection)
    present = [*range(5), *range(10, 15)]
    outage = Gap(minutes(5, 10), "outage")
    load_frame(connection, candles(present), minutes(0, 15), gaps=[outage])
    merge_coarse(connection, M5, coarse([0, 2]), run_id="r", spans={1: [minutes(0, 15)]})
    connection.commit()
    assert coverage(connection, "candle_5m", 1) == [minutes(0, 15)]


def test_an_incomplete_candle_is_visible_until_its_absent_minutes_are_explained(
    connection: Connection,
) -> None:
    seed_reference(connection)
    present = [0, 1, 2, *range(5, 10)]
    load_frame(connection, candles(present), minutes(0, 10), path="a")
    merge(connection, pd.concat([coarse([0], present=3), coarse([1])]))
    assert query(connection, INCOMPLETE) == [("5m", moment(0), 3, 0, False)]
    half = Gap(minutes(3, 4), "no_trade")
    load_frame(connection, candles(present), minutes(0, 10), path="b", gaps=[half])
    assert query(connection, INCOMPLETE) == [("5m", moment(0), 3, 1, False)]
    rest = Gap(minutes(4, 5), "outage")
    load_frame(connection, candles(present), minutes(0, 10), path="c", gaps=[half, rest])
    assert query(connection, INCOMPLETE) == []


def test_a_candle_the_cascade_has_not_rebuilt_yet_is_visible_as_incomplete(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(5)), minutes(0, 5))
    merge(connection, coarse([0], present=3))
    assert query(connection, INCOMPLETE) == [("5m", moment(0), 3, 0, True)]


def test_only_whole_children_count_as_explained(connection: Connection) -> None:
    seed_reference(connection)
    # Of the six 5m children of the half hour, the outage swallows one whole and half of two.
    outage = Gap(minutes(7, 18), "outage")
    present = [*range(7), *range(18, 30)]
    load_frame(connection, candles(present), minutes(0, 30), gaps=[outage])
    merge(connection, coarse([0], timeframe=M30, present=5, expected=6), M30)
    assert query(connection, INCOMPLETE) == []
    merge(connection, coarse([0], timeframe=M30, present=4, expected=6), M30)
    assert query(connection, INCOMPLETE) == [("30m", moment(0), 4, 1, True)]
