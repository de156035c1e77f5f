import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade.rollup import roll_up, settled_buckets, touched_span
from include.market.candle import ABSENT_COUNT, COARSE_COLUMNS, OPTIONAL_COLUMNS
from include.market.errors import ContractError, InvalidInputError
from include.market.span import Span, merge_spans
from include.market.timeframe import CASCADE, H4, M1, M5, M30, Timeframe
from tests.include.cascade.frames import (
    STEPS,
    children,
    coarse_frame_of,
    frame_of,
    roll_up_naively,
    rows_of,
)

MINUTE = M1.length_ms
steps = st.sampled_from(STEPS)
instants = st.integers(min_value=-500, max_value=900).map(lambda minute: minute * MINUTE // 2)
spans = st.tuples(instants, instants).map(lambda pair: Span(min(pair), max(pair)))


def child(minute: int, **changes: Any) -> dict[str, Any]:
    return {
        "open_time": minute * MINUTE,
        "open": 10.0 + minute,
        "high": 12.0 + minute,
        "low": 9.0 + minute,
        "close": 11.0 + minute,
        "volume": 0.1,
        "quote_volume": 1.1,
        "taker_buy_volume": 0.0,
        "taker_buy_quote_volume": 0.0,
        "trade_count": 2,
        "flags": 0,
        **changes,
    }


def assert_same_bits(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    numbers = [name for name in left.columns if left[name].dtype == np.float64]
    assert left[numbers].to_numpy().tobytes() == right[numbers].to_numpy().tobytes()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_bit_equals_the_plain_roll_up(data: st.DataObject) -> None:
    source, target = data.draw(steps)
    rows = data.draw(children(source, target))
    coarse = roll_up(frame_of(rows), source, target)
    assert_same_bits(coarse, coarse_frame_of(roll_up_naively(rows, source, target)))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_order_and_batching_change_no_bit(data: st.DataObject) -> None:
    source, target = data.draw(steps)
    rows = data.draw(children(source, target))
    whole = roll_up(frame_of(rows), source, target)

    shuffled = data.draw(st.permutations(rows))
    assert_same_bits(roll_up(frame_of(shuffled), source, target), whole)

    buckets = sorted({target.floor_ms(row["open_time"]) for row in rows})
    batch_of = {bucket: data.draw(st.integers(min_value=0, max_value=2)) for bucket in buckets}
    parts = [
        roll_up(
            frame_of([r for r in rows if batch_of[target.floor_ms(r["open_time"])] == batch]),
            source,
            target,
        )
        for batch in range(3)
    ]
    merged = pd.concat(parts).sort_values("open_time", ignore_index=True)
    assert_same_bits(merged, whole)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_chain_reaches_the_prices_and_counts_of_the_direct_way(data: st.DataObject) -> None:
    rows = data.draw(children(M1, H4))
    direct = roll_up(frame_of(rows), M1, H4)
    chained = frame_of(rows)
    for source, target in CASCADE:
        chained = roll_up(chained, source, target)
    # Of the flags too: a child that is wanting anything shows however many levels lie between.
    exact = ["open_time", "open", "high", "low", "close", "trade_count", "flags"]
    assert_same_bits(chained[exact], direct[exact])
    for name in ("volume", "quote_volume"):
        np.testing.assert_allclose(chained[name], direct[name], rtol=1e-15)


def test_a_bucket_by_hand() -> None:
    rows = [child(4), child(0), child(2, high=99.0), child(3, low=0.5), child(1), child(5)]
    first, second = rows_of(roll_up(frame_of(rows), M1, M5))
    assert first == {
        "open_time": 0,
        "open": 10.0,
        "high": 99.0,
        "low": 0.5,
        "close": 15.0,
        "volume": 0.5,
        "quote_volume": 5.5,
        "taker_buy_volume": 0.0,
        "taker_buy_quote_volume": 0.0,
        "trade_count": 10,
        "flags": 0,
        "children_present": 5,
        "children_expected": 5,
    }
    assert (second["open_time"], second["children_present"]) == (5 * MINUTE, 1)


def test_a_value_that_one_child_lacks_is_absent_from_its_bucket_alone() -> None:
    poor: dict[str, Any] = dict.fromkeys(OPTIONAL_COLUMNS, math.nan) | {"trade_count": ABSENT_COUNT}
    rows = [child(0), child(1, **poor), child(2, trade_count=3), child(5), child(6)]
    first, second = rows_of(roll_up(frame_of(rows), M1, M5))
    assert all(math.isnan(first[name]) for name in OPTIONAL_COLUMNS[:3])
    assert first["trade_count"] == ABSENT_COUNT
    assert (first["volume"], first["children_present"]) == (math.fsum([0.1] * 3), 3)
    assert (second["quote_volume"], second["trade_count"]) == (2.2, 4)

    (next_up,) = rows_of(roll_up(roll_up(frame_of(rows), M1, M5), M5, M30))
    assert math.isnan(next_up["quote_volume"])
    assert next_up["trade_count"] == ABSENT_COUNT


def test_absent_children_are_counted_and_an_empty_bucket_has_no_row() -> None:
    coarse = roll_up(frame_of([child(1), child(3), child(14)]), M1, M5)
    assert (coarse["open_time"].astype("int64") // 60_000_000).tolist() == [0, 10]
    assert coarse["children_present"].tolist() == [2, 1]
    assert coarse["children_expected"].tolist() == [5, 5]


def test_direct_children_are_counted_not_grandchildren() -> None:
    coarse = roll_up(frame_of([child(minute) for minute in range(12)]), M1, M5)
    assert roll_up(coarse, M5, M30)["children_present"].tolist() == [3]
    assert roll_up(coarse, M5, M30)["children_expected"].tolist() == [6]


@pytest.mark.parametrize("first_day", ["1969-12-31", "1900-02-28", "2024-02-28", "2000-02-28"])
def test_buckets_around_1970_and_leap_days_start_on_utc_boundaries(first_day: str) -> None:
    times = pd.date_range(first_day, periods=3 * 1440, freq="min", tz="UTC")
    rows = [child(0, open_time=int(ms)) for ms in times.as_unit("ms").asi8]
    coarse = roll_up(frame_of(rows), M1, H4)
    expected = pd.date_range(first_day, periods=18, freq="4h", tz="UTC")
    assert coarse["open_time"].tolist() == expected.tolist()
    assert set(coarse["children_present"]) == {240}


def test_no_children_are_no_candles_with_types() -> None:
    filled = roll_up(frame_of([child(0)]), M1, M5)
    for empty in (frame_of([]), pd.DataFrame(columns=list(COARSE_COLUMNS))):
        coarse = roll_up(empty, M1, M5)
        assert len(coarse) == 0
        assert list(coarse.columns) == list(COARSE_COLUMNS)
        assert coarse.dtypes.equals(filled.dtypes)


def test_the_children_are_not_changed_and_their_index_and_unit_do_not_matter() -> None:
    frame = frame_of([child(3), child(1)])
    frame.index = pd.Index([9, 9])
    frame["open_time"] = frame["open_time"].dt.as_unit("ms").dt.tz_convert("Asia/Tokyo")
    before = frame.copy(deep=True)
    assert_same_bits(roll_up(frame, M1, M5), roll_up(frame_of([child(1), child(3)]), M1, M5))
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(("source", "target"), [(M5, M1), (M5, M5), (Timeframe(7, "7ms"), M1)])
def test_a_source_that_does_not_fill_the_target_is_refused(
    source: Timeframe, target: Timeframe
) -> None:
    with pytest.raises(InvalidInputError, match=f"{source.label} up to {target.label}"):
        roll_up(frame_of([]), source, target)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([child(1), child(2), child(1)], "repeat open time 1970-01-01 00:01"),
        ([child(1), child(2, open_time=150_001)], "off the grid"),
        ([child(1), child(2, volume=float("nan"))], "column volume: expected finite"),
        ([child(1), child(2, quote_volume=float("inf"))], "column quote_volume: expected finite"),
        ([child(1), child(2, trade_count=-2)], "column trade_count: expected counts.* was -2"),
        ([child(1), child(2, high=float("inf"))], "column high: expected finite"),
    ],
)
def test_children_that_cannot_be_candles_are_refused(
    rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        roll_up(frame_of(rows), M1, M5)


def test_a_child_without_time_column_or_count_is_refused() -> None:
    frame = frame_of([child(1), child(2)])
    with pytest.raises(ContractError, match="NaT"):
        roll_up(frame.assign(open_time=frame["open_time"].where(np.array([True, False]))), M1, M5)
    with pytest.raises(ContractError, match="open_time: expected UTC"):
        roll_up(frame.assign(open_time=frame["open_time"].dt.tz_localize(None)), M1, M5)
    with pytest.raises(ContractError, match="lack the columns high, trade_count"):
        roll_up(frame.drop(columns=["high", "trade_count"]), M1, M5)
    with pytest.raises(ContractError, match="column trade_count: expected int64, was float64"):
        roll_up(frame.assign(trade_count=1.5), M1, M5)
    with pytest.raises(ContractError, match="column close: expected finite"):
        roll_up(frame.assign(close=["1.0", "2.0"]), M1, M5)


@given(spans, st.sampled_from([M5, M30, H4]))
def test_touched_buckets_are_those_that_meet_the_span(span: Span, target: Timeframe) -> None:
    touched = touched_span(span, target)
    minutes = range(span.start_ms, span.end_ms, MINUTE // 2)
    buckets = sorted({target.floor_ms(instant) for instant in minutes})
    if not buckets:
        assert not touched
    else:
        assert touched == Span(buckets[0], buckets[-1] + target.length_ms)


@settings(max_examples=200)
@given(st.lists(spans, max_size=6), spans, st.sampled_from([M5, M30]))
def test_settled_buckets_are_the_touched_ones_covered_to_their_end(
    covered: list[Span], touched: Span, target: Timeframe
) -> None:
    settled = settled_buckets(covered, touched, target)

    halves = {
        instant for span in covered for instant in range(span.start_ms, span.end_ms, MINUTE // 2)
    }
    whole = touched_span(touched, target)
    expected = [
        Span(start_ms, start_ms + target.length_ms)
        for start_ms in range(whole.start_ms, whole.end_ms, target.length_ms)
        if halves.issuperset(range(start_ms, start_ms + target.length_ms, MINUTE // 2))
    ]
    assert settled == merge_spans(expected)


def test_a_forming_bucket_is_never_settled() -> None:
    touched = Span(0, 12 * MINUTE)
    assert settled_buckets([Span(0, 12 * MINUTE)], touched, M5) == [Span(0, 10 * MINUTE)]
    assert settled_buckets([Span(0, 15 * MINUTE)], touched, M5) == [Span(0, 15 * MINUTE)]
    assert settled_buckets([Span(0, 15 * MINUTE - 1)], touched, M5) == [Span(0, 10 * MINUTE)]
    assert settled_buckets([], touched, M5) == []


def test_coverage_that_touches_counts_as_one_and_a_hole_splits_the_run() -> None:
    pieces = [Span(7 * MINUTE, 20 * MINUTE), Span(0, 7 * MINUTE), Span(21 * MINUTE, 40 * MINUTE)]
    assert settled_buckets(pieces, Span(0, 40 * MINUTE), M5) == [
        Span(0, 20 * MINUTE),
        Span(25 * MINUTE, 40 * MINUTE),
    ]
