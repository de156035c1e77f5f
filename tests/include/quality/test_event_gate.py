"""Great Expectations' verdict on trades and funding payments against the numpy form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.market.errors import ContractError
from include.quality.event_gate import judge_funding, judge_trades
from include.quality.event_verdict import FUNDING, TRADES, event_severity, judge_live_events
from include.quality.verdict import Verdict
from tests.include.quality.event_frames import (
    START_MS,
    TERMS,
    VOID,
    WEEK,
    payment,
    payment_rows,
    payments,
    trade,
    trade_rows,
    trades,
)


def agree(verdict: Verdict, twin: Verdict, rows: list[dict[str, Any]]) -> None:
    pd.testing.assert_frame_equal(verdict.accepted, twin.accepted, check_exact=True)
    pd.testing.assert_frame_equal(verdict.refused, twin.refused)
    assert (verdict.success, verdict.refused_share) == (twin.success, twin.refused_share)
    assert verdict.results["rules"] == twin.results["rules"]
    assert len(verdict.accepted) + len(verdict.refused) == len(rows)
    json.dumps(verdict.results, allow_nan=False)


@settings(max_examples=6, deadline=None)
@given(st.lists(trade_rows(), min_size=8, max_size=60))
@example([trade(1), trade(1), trade(1, price=7.0), trade(3), trade(2, trade_id=104)])
@example([trade(1, **VOID), trade(1), trade(0, quantity=None), trade(0)])
def test_trades_get_the_verdict_that_numpy_gives(rows: list[dict[str, Any]]) -> None:
    agree(judge_trades(trades(rows), TERMS), judge_live_events(trades(rows), TERMS, TRADES), rows)


@settings(max_examples=6, deadline=None)
@given(st.lists(payment_rows(), min_size=8, max_size=50))
@example([payment(1), payment(1), payment(1, rate=0.2), payment(2, interval_ms=0)])
def test_funding_gets_the_verdict_that_numpy_gives(rows: list[dict[str, Any]]) -> None:
    frame = payments(rows)
    agree(judge_funding(frame, WEEK), judge_live_events(frame, WEEK, FUNDING), rows)


def test_each_defect_of_a_trade_is_refused_by_its_rule() -> None:
    planted = {
        "taken_back": trade(1, **VOID),
        "not_a_number": trade(2, price=None),
        "impossible_price": trade(3, price=-1.0),
        "impossible_quantity": trade(4, quantity=0.0),
        "impossible_fills": trade(5, last_trade_id=3),
        "outside_span": trade(6, trade_time=START_MS - 1),
        "repeated_id": trade(7, price=1.0),
        "repeated_trade": trade(7),
        "falling_time": trade(9, trade_time=START_MS + 500),
    }
    rows = [trade(0), trade(7), *planted.values(), trade(20)]
    verdict = judge_trades(trades(rows), TERMS)
    assert verdict.refused["rule"].tolist() == list(planted)
    assert verdict.refused["raw"].tolist() == [row["raw"] for row in planted.values()]
    assert verdict.accepted["trade_id"].tolist() == [100, 107, 120]
    assert verdict.refused_share == 6 / 9
    assert "price=-1.0" in verdict.refused["detail"][2]


def test_each_defect_of_a_payment_is_refused_by_its_rule() -> None:
    planted = {
        "not_a_number": payment(1, rate=None),
        "rate_range": payment(2, rate=0.8),
        "mark_price_range": payment(3, mark_price=0.0),
        "outside_span": payment(-1),
        "funding_interval": payment(4, funding_time=START_MS + 1_800_000),
        "repeated_time": payment(0, rate=0.5),
        "repeated_payment": payment(0),
    }
    rows = [payment(0), *planted.values(), payment(5, mark_price=None, interval_ms=-1)]
    verdict = judge_funding(payments(rows), WEEK)
    assert verdict.refused["rule"].tolist() == list(planted)
    assert len(verdict.accepted) == 2
    assert not verdict.success


def test_a_sound_tape_is_accepted_whole() -> None:
    frame = trades([trade(number) for number in range(60)])
    verdict = judge_trades(frame, TERMS)
    assert verdict.success
    assert verdict.results["engine"].startswith("great_expectations ")
    pd.testing.assert_frame_equal(verdict.accepted, frame.drop(columns="raw"), check_exact=True)


def test_empty_tapes_are_legal() -> None:
    assert judge_trades(trades([]), TERMS).success
    assert judge_funding(payments([]), WEEK).success


def test_what_is_no_tape_is_a_contract_error() -> None:
    with pytest.raises(ContractError, match="lack trade_id"):
        judge_trades(trades([trade(0)]).drop(columns="trade_id"), TERMS)
    floats = trades([trade(0)]).astype({"trade_id": np.float64})
    with pytest.raises(ContractError, match="trade_id: expected int64"):
        judge_trades(floats, TERMS)


def test_severities_of_events() -> None:
    assert event_severity("taken_back") == "warn"
    assert event_severity("repeated_id") == "block"
