"""Buckets of columns are those of single instants, and those pandas makes of the calendar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.cascade.buckets import ends_us, expected_children, floor_us
from include.market.timeframe import D1, H4, M1, M5, M30, MO1, W1, Timeframe

ALL = [M1, M5, M30, H4, D1, W1, MO1]
# From 1801 to 2200, in microseconds.
INSTANTS = st.lists(
    st.integers(min_value=-5_333_000_000_000_000, max_value=7_258_000_000_000_000), max_size=30
)


def column(instants_us: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(instants_us, dtype=np.int64)


@given(INSTANTS, st.sampled_from(ALL))
def test_a_column_falls_into_the_buckets_of_its_instants(
    instants_us: list[int], timeframe: Timeframe
) -> None:
    opens = floor_us(column(instants_us), timeframe)
    expected = [timeframe.floor_ms(instant // 1000) * 1000 for instant in instants_us]
    assert opens.tolist() == expected
    ends = [timeframe.end_ms(open_us // 1000) * 1000 for open_us in expected]
    assert ends_us(opens, timeframe).tolist() == ends
    assert opens.dtype == ends_us(opens, timeframe).dtype == np.int64


@given(INSTANTS, st.sampled_from([(M1, M5), (M1, D1), (D1, W1), (H4, W1), (D1, MO1), (H4, MO1)]))
def test_a_bucket_expects_as_many_children_as_fill_it(
    instants_us: list[int], arrow: tuple[Timeframe, Timeframe]
) -> None:
    source, target = arrow
    opens = floor_us(column(instants_us), target)
    counts = [target.children_in(open_us // 1000, source) for open_us in opens.tolist()]
    assert expected_children(opens, source, target).tolist() == counts


@pytest.mark.parametrize(("timeframe", "rule"), [(MO1, "M"), (W1, "W-SUN"), (D1, "D")])
def test_pandas_knows_the_same_calendar(timeframe: Timeframe, rule: str) -> None:
    days = pd.date_range("1895-01-01", "2105-01-01", freq="7h31min", unit="us")
    starts = days.to_period(rule).start_time.as_unit("us")
    assert (floor_us(days.asi8, timeframe) == starts.asi8).all()
