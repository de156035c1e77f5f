"""The gate's twin for the live stream: same rules, same verdict, without Great Expectations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.quality.alignment import align_landed
from include.quality.details import SHOWN_COLUMNS
from include.quality.landed import Terms, normalise_landed
from include.quality.rules import RULES, count_out_of_order, find_breaches
from include.quality.verdict import Findings, Found, Verdict, settle_verdict


def judge_live_candles(
    frame: pd.DataFrame,
    *,
    timeframe: Timeframe,
    span: Span,
    server_time_ms: int,
    absent: tuple[str, ...] = (),
) -> Verdict:
    """Judge a landed frame in milliseconds; arguments and verdict as ``gate.judge_candles``.

    Raises:
        ContractError: the frame lacks a column or holds one of a wrong type, or a column that
            every candle needs is declared absent.
    """
    terms = Terms(timeframe, span, server_time_ms, absent)
    batch = align_landed(normalise_landed(frame), terms)
    breaches = find_breaches(batch, terms)
    findings = Findings(
        engine="numpy",
        breaches=breaches,
        out_of_order=count_out_of_order(batch),
        expectations=[
            Found(rule, rule, list(SHOWN_COLUMNS[rule]), np.flatnonzero(breaches[rule]))
            for rule in RULES
            if rule in breaches
        ],
    )
    return settle_verdict(batch, findings, terms)
