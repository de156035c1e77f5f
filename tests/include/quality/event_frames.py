"""Landed trades and funding payments for tests: sound ones, and strategies that break them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from include.market.span import Span
from include.quality.events import FUNDING_COLUMNS, TRADE_COLUMNS, EventTerms

START_MS = 1_690_848_000_000
HOUR_MS = 3_600_000
SPAN = Span(START_MS, START_MS + HOUR_MS)
TERMS = EventTerms(SPAN, START_MS + 2 * HOUR_MS)
WEEK = EventTerms(Span(START_MS, START_MS + 168 * HOUR_MS), START_MS + 200 * HOUR_MS)


def trade(number: int, **changes: Any) -> dict[str, Any]:
    """Return the sound trade ``number``, one a second, times in epoch ms, with ``changes``."""
    return {
        "trade_time": START_MS + number * 1000,
        "trade_id": 100 + number,
        "price": 100.0 + number,
        "quantity": 0.5,
        "first_trade_id": 1000 + 2 * number,
        "last_trade_id": 1001 + 2 * number,
        "buyer_is_maker": number % 2 == 0,
        "raw": f'{{"a": {100 + number}}}',
        **changes,
    }


def payment(number: int, **changes: Any) -> dict[str, Any]:
    """Return the sound payment ``number``, every eight hours, with ``changes``."""
    return {
        "funding_time": START_MS + number * 8 * HOUR_MS + 7,
        "rate": 0.0001,
        "mark_price": 100.0 + number,
        "interval_ms": 8 * HOUR_MS,
        "raw": f'{{"n": {number}}}',
        **changes,
    }


VOID = {"price": 0.0, "quantity": 0.0, "first_trade_id": -1, "last_trade_id": -1}


def trades(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return plain rows as landed trades; None in a time is NaT, in a number NaN."""
    return _landed(rows, TRADE_COLUMNS)


def payments(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return plain rows as landed funding payments."""
    return _landed(rows, FUNDING_COLUMNS)


def _landed(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    cells: dict[str, Any] = {}
    for name in columns:
        values = [row[name] for row in rows]
        if name.endswith("_time"):
            ms = pd.array(values, dtype="Int64")
            times = pd.to_datetime(pd.Series(ms), unit="ms", utc=True)
            cells[name] = times.astype("datetime64[us, UTC]")
        elif name in ("price", "quantity", "rate", "mark_price"):
            cells[name] = np.array(values, dtype=np.float64)
        elif name == "raw":
            cells[name] = pd.Series(values, dtype=object)
        else:
            cells[name] = np.array(values, dtype=bool if name == "buyer_is_maker" else np.int64)
    return pd.DataFrame(cells)


odd_numbers = st.sampled_from(
    [None, float("inf"), float("-inf"), -1.0, 0.0, -0.0, 1e-300, 1e12, 1.1e12, 1e18, 1.1e18, 0.75,
     0.7500001, 100.0]
)  # fmt: skip
odd_ids = st.sampled_from([-2, -1, 0, 99, 100, 101, 103, 1000, 1001, 2**62])
odd_times = st.one_of(
    st.none(),
    st.integers(min_value=-3, max_value=10).map(lambda second: START_MS + second * 1000),
    st.sampled_from(
        [SPAN.end_ms - 1, SPAN.end_ms, START_MS - 1, START_MS + 2 * HOUR_MS + 1000,
         START_MS + 2 * HOUR_MS + 1001, 0, START_MS * 10]
    ),
)  # fmt: skip


@st.composite
def trade_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a trade: sound, taken back, or with one to three cells broken; ids repeat often."""
    made = trade(draw(st.integers(min_value=0, max_value=6)))
    fate = draw(st.integers(min_value=0, max_value=5))
    if fate == 0:
        made |= VOID
    if fate <= 1:
        for _ in range(draw(st.integers(min_value=1, max_value=3))):
            name = draw(st.sampled_from(TRADE_COLUMNS[:6]))
            kind = odd_times if name == "trade_time" else odd_ids
            made[name] = draw(odd_numbers if name in ("price", "quantity") else kind)
    return made


@st.composite
def payment_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a payment: sound, or with one or two cells broken; times repeat often."""
    made = payment(draw(st.integers(min_value=0, max_value=5)))
    if draw(st.booleans()):
        return made
    for _ in range(draw(st.integers(min_value=1, max_value=2))):
        name = draw(st.sampled_from(FUNDING_COLUMNS[:4]))
        if name == "funding_time":
            beside = st.sampled_from([-60_001, -60_000, 59_999, 60_000, 60_001, 1_800_000])
            made[name] = draw(st.one_of(odd_times, beside.map(lambda ms: START_MS + HOUR_MS + ms)))
        elif name == "interval_ms":
            made[name] = draw(st.sampled_from([-1, 0, 1, HOUR_MS, 3 * HOUR_MS, 4 * HOUR_MS]))
        else:
            made[name] = draw(odd_numbers)
    return made
