"""Rows of trades and funding payments, as sources read them, fit the gate."""

from __future__ import annotations

import numpy as np

from include.exchanges.rows import FundingRows
from include.jobs.event_frames import as_funding_frame, as_trade_frame
from include.market.span import Span
from include.quality.event_verdict import FUNDING, TRADES, judge_live_events
from include.quality.events import FUNDING_COLUMNS, TRADE_COLUMNS, EventTerms
from tests.support.agg_trades import BASE_MS, trade, trade_rows, void

HOUR_MS = 3_600_000
TERMS = EventTerms(Span(BASE_MS, BASE_MS + HOUR_MS), BASE_MS + HOUR_MS)


def test_trades_of_a_source_are_judged_as_they_came() -> None:
    rows = trade_rows([trade(7, 0), void(8, 5), trade(9, 9, m=False)])
    frame = as_trade_frame(rows)
    assert list(frame.columns) == list(TRADE_COLUMNS)
    verdict = judge_live_events(frame, TERMS, TRADES)
    assert verdict.refused["rule"].tolist() == ["taken_back"]
    assert verdict.refused["raw"][0].startswith('{"a":8,')
    assert verdict.accepted["trade_id"].tolist() == [7, 9]
    assert verdict.accepted["buyer_is_maker"].tolist() == [True, False]
    assert verdict.accepted["trade_time"].astype("int64").tolist() == [
        BASE_MS * 1000,
        (BASE_MS + 9) * 1000,
    ]


def test_funding_payments_of_a_source_are_judged_as_they_came() -> None:
    first_ms = BASE_MS - BASE_MS % HOUR_MS + HOUR_MS
    rows = FundingRows(
        np.array([first_ms + 3, first_ms + HOUR_MS // 2]),
        np.array([0.0001, 0.0002]),
        np.array([np.nan, 20.0]),
        np.array([-1, -1]),
        [b'{"n":1}', b'{"n":"\xff"}'],
    )
    frame = as_funding_frame(rows)
    assert list(frame.columns) == list(FUNDING_COLUMNS)
    terms = EventTerms(Span(BASE_MS, BASE_MS + 9 * HOUR_MS), BASE_MS + 10 * HOUR_MS)
    verdict = judge_live_events(frame, terms, FUNDING)
    assert verdict.refused["rule"].tolist() == ["funding_interval"]
    assert verdict.refused["raw"].tolist() == ['{"n":"\\xff"}']
    assert len(verdict.accepted) == 1
