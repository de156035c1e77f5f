"""The gate between landing and warehouse: Great Expectations judges every landed batch.

Importing this module costs seconds; do it where a batch is checked, not where DAGs are parsed.
"""

from __future__ import annotations

import pandas as pd

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.quality.expectations import run_suite
from include.quality.landed import Terms, normalise_landed
from include.quality.verdict import Verdict, settle_verdict


def judge_candles(
    frame: pd.DataFrame, *, timeframe: Timeframe, span: Span, server_time_ms: int
) -> Verdict:
    """Judge a landed frame of one instrument, in any order, empty ones too.

    Args:
        frame: a landed frame, in the order the venue sent it.
        timeframe: the resolution asked for.
        span: the open times asked for, half-open.
        server_time_ms: the venue's clock, epoch milliseconds; candles closing then or later are
            not final.

    Raises:
        ContractError: the frame lacks a column or holds one of a wrong type.
        FinalError: Great Expectations could not evaluate the suite.
    """
    terms = Terms(timeframe, span, server_time_ms)
    batch = normalise_landed(frame)
    return settle_verdict(batch, run_suite(batch, terms), terms)
