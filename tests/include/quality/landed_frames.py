"""Landed frames for tests: sound ones, and strategies that break them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from include.market.candle import DECLARABLE_COLUMNS, LANDED_COLUMNS, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1

START_MS = 1_690_848_000_000
MINUTE_MS = M1.length_ms
FAR_FUTURE_MS = 1_900_000_000_000


def minutes(count: int, first: int = 0) -> Span:
    """Return the span of ``count`` minutes from minute ``first`` of the test's day."""
    return Span(START_MS + first * MINUTE_MS, START_MS + (first + count) * MINUTE_MS)


def row(minute: int, **changes: Any) -> dict[str, Any]:
    """Return one sound landed row as plain values, times in epoch ms, with ``changes``."""
    open_ms = START_MS + minute * MINUTE_MS
    return {
        "open_time": open_ms,
        "open": 100.0,
        "high": 102.0,
        "low": 99.0,
        "close": 101.0,
        "volume": 10.0,
        "quote_volume": 1000.0,
        "taker_buy_volume": 4.0,
        "taker_buy_quote_volume": 400.0,
        "trade_count": 7,
        "close_time": open_ms + MINUTE_MS - 1,
        "raw": f'[{open_ms}, "row {minute}"]',
        **changes,
    }


def landed(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return plain rows as a landed frame; None in a time is NaT, in a number NaN."""
    frame = pd.DataFrame(rows, columns=list(LANDED_COLUMNS))
    for name in ("open_time", "close_time"):
        ms = pd.array(frame[name].tolist(), dtype="Int64")
        frame[name] = pd.to_datetime(pd.Series(ms), unit="ms", utc=True).astype(
            "datetime64[us, UTC]"
        )
    for name in VALUE_COLUMNS:
        frame[name] = frame[name].astype("float64")
    return frame.astype({"raw": object})


def sound_frame(count: int, first: int = 0) -> pd.DataFrame:
    """Return ``count`` sound rows in order."""
    return landed([row(minute) for minute in range(first, first + count)])


odd_numbers = st.sampled_from(
    [
        None,
        float("inf"),
        float("-inf"),
        -1.0,
        0.0,
        -0.0,
        1e-13,
        1e-12,
        1e12,
        np.nextafter(1e12, 2e12),
        1e18,
        1.1e18,
        1e30,
        5e-324,
        99.0,
        101.0,
        102.5,
        9.9,
        10.0,
        989.9,
        989.901,
        1020.103,
        0.5,
        7.5,
    ]
)
odd_times = st.one_of(
    st.none(),
    st.integers(min_value=-3, max_value=16).map(lambda minute: START_MS + minute * MINUTE_MS),
    st.sampled_from(
        [START_MS + 1, START_MS + MINUTE_MS - 1, 0, -MINUTE_MS, START_MS * 10, START_MS // 1000]
    ),
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a row: sound, or with one to three cells broken; minutes repeat often."""
    made = row(draw(st.integers(min_value=-1, max_value=12)))
    if draw(st.booleans()):
        return made
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        name = draw(st.sampled_from([*VALUE_COLUMNS, "open_time", "close_time"]))
        made[name] = draw(odd_times if name.endswith("_time") else odd_numbers)
    return made


batches = st.lists(rows(), max_size=40)
absents = st.sets(st.sampled_from(DECLARABLE_COLUMNS)).map(lambda names: tuple(sorted(names)))


@st.composite
def declared_batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Draw rows and the columns declared absent; now and then a row states one all the same."""
    absent = draw(absents)
    made = draw(batches)
    for plain in made:
        for name in absent:
            if draw(st.integers(min_value=0, max_value=9)):
                plain[name] = None
    return made, absent


# On, and one millisecond off, the ends of minutes.
server_times = st.builds(
    lambda minute, off_ms: START_MS + minute * MINUTE_MS + off_ms,
    st.integers(min_value=2, max_value=20),
    st.sampled_from([-1, 0, 1]),
)
