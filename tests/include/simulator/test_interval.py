from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import to_ms
from include.market.timeframe import DAY_MS
from include.simulator.interval import INTERVALS, Interval

instants = st.integers(
    to_ms(datetime(2017, 1, 1, tzinfo=UTC)), to_ms(datetime(2035, 1, 1, tzinfo=UTC))
)


@given(st.sampled_from(list(INTERVALS.values())), instants)
def test_every_instant_lies_in_its_own_candle(interval: Interval, instant_ms: int) -> None:
    open_ms = interval.floor_ms(instant_ms)
    next_ms = interval.next_ms(open_ms)
    assert open_ms <= instant_ms < next_ms
    assert interval.floor_ms(open_ms) == open_ms
    assert interval.floor_ms(next_ms) == next_ms
    assert interval.floor_ms(next_ms - 1) == open_ms


@given(st.sampled_from(list(INTERVALS.values())), instants)
def test_units_are_whole_days_that_hold_whole_candles(interval: Interval, instant_ms: int) -> None:
    unit = interval.unit(instant_ms)
    assert unit.start_ms <= instant_ms < unit.end_ms
    assert unit.start_ms % DAY_MS == unit.end_ms % DAY_MS == 0
    assert interval.floor_ms(unit.start_ms) == unit.start_ms
    assert interval.floor_ms(unit.end_ms) == unit.end_ms


@given(st.sampled_from(list(INTERVALS.values())), st.lists(instants, min_size=1, max_size=5))
def test_buckets_agree_with_floor(interval: Interval, times: list[int]) -> None:
    buckets = interval.buckets(np.array(times, dtype=np.int64)).tolist()
    assert buckets == [interval.floor_ms(instant_ms) for instant_ms in times]


@pytest.mark.parametrize(
    ("label", "instant", "opens"),
    [
        ("1w", "2026-07-23T10:00:00+00:00", "2026-07-20T00:00:00+00:00"),
        ("1M", "2024-02-29T23:59:59+00:00", "2024-02-01T00:00:00+00:00"),
        ("4h", "2024-02-29T23:59:59+00:00", "2024-02-29T20:00:00+00:00"),
    ],
)
def test_candles_open_where_binance_opens_them(label: str, instant: str, opens: str) -> None:
    instant_ms = to_ms(datetime.fromisoformat(instant))
    assert INTERVALS[label].floor_ms(instant_ms) == to_ms(datetime.fromisoformat(opens))
