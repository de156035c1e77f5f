"""The laws of trades and funding payments, each alone; the confusion table has recorded ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span
from include.quality.event_rules import (
    BENIGN_EVENT_RULES,
    FUNDING_RULES,
    TRADE_RULES,
    find_funding_breaches,
    find_id_holes,
    find_trade_breaches,
)
from include.quality.events import EventTerms, normalise_funding, normalise_trades

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
TERMS = EventTerms(Span(NOW_MS - 100 * HOUR_MS, NOW_MS + 100 * HOUR_MS), NOW_MS)


def trade(trade_id: int, **changes: Any) -> dict[str, Any]:
    row = {
        "trade_time": NOW_MS - 60_000 + trade_id,
        "trade_id": trade_id,
        "price": 4.0,
        "quantity": 2.5,
        "first_trade_id": 10 * trade_id,
        "last_trade_id": 10 * trade_id + 3,
        "buyer_is_maker": True,
        "raw": "[]",
    }
    return row | changes


VOID = {"price": 0.0, "quantity": 0.0, "first_trade_id": -1, "last_trade_id": -1}


def payment(hours_ago: int, **changes: Any) -> dict[str, Any]:
    at = (NOW_MS // HOUR_MS - hours_ago) * HOUR_MS
    row = {
        "funding_time": at + 7,
        "rate": 1e-4,
        "mark_price": np.nan,
        "interval_ms": 8 * HOUR_MS,
        "raw": "[]",
    }
    return row | changes


def frame_of(rows: list[dict[str, Any]], time: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame[time] = pd.to_datetime(frame[time].astype("Int64"), unit="ms", utc=True).dt.as_unit("us")
    return frame


def broken_trades(*rows: dict[str, Any]) -> list[list[str]]:
    batch = normalise_trades(frame_of(list(rows), "trade_time"))
    breaches = find_trade_breaches(batch, TERMS)
    assert set(breaches) == set(TRADE_RULES)
    return [[rule for rule in TRADE_RULES if breaches[rule][at]] for at in range(len(rows))]


def broken_payments(*rows: dict[str, Any]) -> list[list[str]]:
    batch = normalise_funding(frame_of(list(rows), "funding_time"))
    breaches = find_funding_breaches(batch, TERMS)
    assert set(breaches) == set(FUNDING_RULES)
    return [[rule for rule in FUNDING_RULES if breaches[rule][at]] for at in range(len(rows))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (VOID, ["taken_back"]),
        # A mark of taking back is all four together.
        (VOID | {"first_trade_id": 5, "last_trade_id": 5}, ["impossible_price"]),
        ({"price": np.nan}, ["not_a_number"]),
        ({"quantity": np.inf}, ["not_a_number"]),
        ({"price": -1.0}, ["impossible_price"]),
        ({"price": 1.1e12}, ["impossible_price"]),
        ({"quantity": 0.0}, ["impossible_quantity"]),
        ({"first_trade_id": -1}, ["impossible_fills"]),
        ({"last_trade_id": 9}, ["impossible_fills"]),
        ({"trade_time": NOW_MS + 1_000}, []),
        ({"trade_time": NOW_MS + 1_001}, ["in_future"]),
        ({"trade_time": TERMS.span.start_ms - 1}, ["outside_span"]),
        ({"trade_time": TERMS.span.start_ms}, []),
    ],
)
def test_each_law_of_a_trade_alone(changes: dict[str, Any], expected: list[str]) -> None:
    [found] = broken_trades(trade(1, **changes))
    assert [rule for rule in found if rule != "impossible_quantity" or rule in expected] == expected


def test_the_first_sound_row_of_an_id_stands() -> None:
    assert broken_trades(trade(1), trade(1), trade(1, price=5.0)) == [
        [], ["repeated_trade"], ["repeated_id"],
    ]  # fmt: skip
    # What is broken or taken back takes nobody's place and repeats nothing.
    assert broken_trades(trade(1, **VOID), trade(1), trade(1, price=-1.0)) == [
        ["taken_back"], [], ["impossible_price"],
    ]  # fmt: skip


def test_a_time_falls_only_against_sound_ones_before_it() -> None:
    later = {"trade_time": NOW_MS - 50_000}
    assert broken_trades(trade(1, **later), trade(2), trade(3, **later)) == [
        [], ["falling_time"], [],
    ]  # fmt: skip
    far = {"trade_time": NOW_MS + HOUR_MS}
    assert broken_trades(trade(1, **far), trade(2)) == [["in_future"], []]
    assert broken_trades(trade(1, **(VOID | later)), trade(2)) == [["taken_back"], []]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"rate": -0.75}, []),
        ({"rate": 0.7501}, ["rate_range"]),
        ({"rate": np.nan}, ["not_a_number"]),
        ({"mark_price": 4.0}, []),
        ({"mark_price": 0.0}, ["mark_price_range"]),
        ({"interval_ms": -1}, []),
        ({"interval_ms": 3 * HOUR_MS}, ["funding_interval"]),
        ({"funding_time": NOW_MS // HOUR_MS * HOUR_MS - 60_000}, []),
        ({"funding_time": NOW_MS // HOUR_MS * HOUR_MS - 60_001}, ["funding_interval"]),
        ({"funding_time": TERMS.span.start_ms // HOUR_MS * HOUR_MS}, ["outside_span"]),
        ({"funding_time": (NOW_MS // HOUR_MS + 1) * HOUR_MS}, ["in_future"]),
    ],
)
def test_each_law_of_a_payment_alone(changes: dict[str, Any], expected: list[str]) -> None:
    assert broken_payments(payment(8, **changes)) == [expected]


def test_the_first_payment_of_a_time_stands() -> None:
    said = broken_payments(payment(8), payment(8), payment(8, rate=2e-4), payment(0))
    assert said == [[], ["repeated_payment"], ["repeated_time"], []]


def test_what_healthy_venues_do_is_benign() -> None:
    assert {*TRADE_RULES, *FUNDING_RULES} > BENIGN_EVENT_RULES


@given(st.sets(st.integers(0, 60)))
def test_holes_are_the_ids_between_that_did_not_come(ids: set[int]) -> None:
    holes = find_id_holes(sorted(ids))
    absent = {one for first, last in holes for one in range(first, last + 1)}
    expected = set(range(min(ids), max(ids) + 1)) - ids if ids else set()
    assert absent == expected
    assert all(last + 1 < other for (_, last), (other, _) in pairwise(holes))
