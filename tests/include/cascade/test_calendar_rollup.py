"""Weeks and months are rolled up as any bucket is: across 1970, leap days and ends of months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.cascade.rollup import roll_up, settled_buckets, touched_span
from include.market.candle import CANDLE_COLUMNS, PARTIAL, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import D1, DAY_MS, H4, MO1, W1, Timeframe

STARTS = [datetime(year, 1, 11, tzinfo=UTC) for year in (1899, 1968, 1969, 1999, 2000, 2023)]
PERIODS = {"1w": "W-SUN", "1M": "M"}
ARROWS = [(D1, W1), (H4, W1), (D1, MO1), (H4, MO1)]
arrows = st.sampled_from(ARROWS)


def children(start: datetime, timeframe: Timeframe, places: list[int], seed: int) -> pd.DataFrame:
    """Return candles of whole prices and volumes, so that any way of adding is exact."""
    draw = np.random.default_rng(seed)
    step = timedelta(milliseconds=timeframe.length_ms)
    times = pd.DatetimeIndex([start + place * step for place in places]).as_unit("us")
    low, body, high = (draw.integers(1, 50, len(places)) for _ in range(3))
    values = draw.integers(0, 1000, (len(places), 4)).astype(float)
    columns = {
        "open_time": times,
        "open": (low + body).astype(float),
        "high": (low + 2 * body + high).astype(float),
        "low": low.astype(float),
        "close": (low + 2 * body).astype(float),
        **{name: values[:, place] for place, name in enumerate(VALUE_COLUMNS[4:8])},
        "trade_count": draw.integers(0, 9, len(places)),
        "flags": np.zeros(len(places), dtype=np.int64),
    }
    return pd.DataFrame({name: columns[name] for name in CANDLE_COLUMNS})


@given(
    arrows,
    st.sampled_from(STARTS),
    st.sets(st.integers(0, 420), min_size=1),
    st.integers(0, 99),
)
def test_pandas_rolls_the_same_candles_up(
    arrow: tuple[Timeframe, Timeframe], start: datetime, places: set[int], seed: int
) -> None:
    source, target = arrow
    frame = children(start, source, sorted(places), seed)
    rolled = roll_up(frame.sample(frac=1, random_state=seed), source, target)
    periods = frame["open_time"].dt.tz_localize(None).dt.to_period(PERIODS[target.label])
    groups = frame.groupby(periods)
    opens = groups.size().index.start_time.tz_localize("UTC")
    ends = [period.end_time.ceil("D") for period in groups.size().index]
    days = [(end - period.start_time).days for end, period in zip(ends, groups.groups, strict=True)]
    assert rolled["open_time"].tolist() == opens.tolist()
    for column, how in {"open": "first", "high": "max", "low": "min", "close": "last"}.items():
        assert rolled[column].tolist() == groups[column].agg(how).tolist()
    for column in VALUE_COLUMNS[4:]:
        assert rolled[column].tolist() == groups[column].sum().tolist()
    assert rolled["children_present"].tolist() == groups.size().tolist()
    expected = [number * (DAY_MS // source.length_ms) for number in days]
    assert rolled["children_expected"].tolist() == expected
    lacking = rolled["children_present"] < rolled["children_expected"]
    assert ((rolled["flags"] & PARTIAL > 0) == lacking).all()


@pytest.mark.parametrize(
    ("month", "days"), [((2024, 2), 29), ((1900, 2), 28), ((1969, 12), 31), ((2026, 4), 30)]
)
def test_a_whole_month_lacks_nothing(month: tuple[int, int], days: int) -> None:
    frame = children(datetime(*month, 1, tzinfo=UTC), D1, list(range(days)), 1)
    [whole] = roll_up(frame, D1, MO1).to_dict("records")
    assert (whole["children_present"], whole["children_expected"]) == (days, days)
    assert whole["flags"] == 0


instants = st.integers(-900 * DAY_MS, 900 * DAY_MS)
spans = st.tuples(instants, st.integers(0, 200 * DAY_MS)).map(lambda s: Span(s[0], s[0] + s[1]))


@given(st.sampled_from([W1, MO1]), spans)
def test_what_touches_a_bucket_touches_all_of_it(target: Timeframe, span: Span) -> None:
    touched = touched_span(span, target)
    assert touched.start_ms == target.floor_ms(span.start_ms)
    if not span:
        assert not touched
        return
    assert target.floor_ms(touched.end_ms) == touched.end_ms
    assert target.floor_ms(span.end_ms - 1) < touched.end_ms
    assert target.end_ms(target.floor_ms(span.end_ms - 1)) == touched.end_ms


@given(st.sampled_from([W1, MO1]), spans, st.lists(spans, max_size=4))
def test_a_bucket_is_settled_when_all_of_it_is_covered(
    target: Timeframe, touched: Span, covered: list[Span]
) -> None:
    whole = touched_span(touched, target)
    settled = settled_buckets(covered, touched, target)
    found, open_ms = [], whole.start_ms
    while open_ms < whole.end_ms:
        end_ms = target.end_ms(open_ms)
        edges = sorted({open_ms, *(one for s in covered for one in (s.start_ms, s.end_ms))})
        # Every instant at which coverage could end within the bucket.
        if all(
            any(s.start_ms <= edge < s.end_ms for s in covered)
            for edge in edges
            if open_ms <= edge < end_ms
        ):
            found.append(open_ms)
        open_ms = end_ms
    inside = [one for span in settled for one in found if span.start_ms <= one < span.end_ms]
    assert inside == found
    assert all(target.floor_ms(span.start_ms) == span.start_ms for span in settled)
    lengths = sum(span.end_ms - span.start_ms for span in settled)
    assert lengths == sum(target.end_ms(one) - one for one in found)
