"""The gate between landing and warehouse: Great Expectations judges every landed batch.

Importing this module costs seconds; do it where a batch is checked, not where DAGs are parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.quality.alignment import align_landed
from include.quality.expectations import run_suite
from include.quality.landed import Terms, normalise_landed
from include.quality.verdict import Verdict, settle_verdict


@dataclass(frozen=True, slots=True)
class LandedBatch:
    """A landed frame of one instrument, in the order the venue sent it, and its circumstances.

    ``span`` holds the open times asked for, half-open. ``server_time_ms`` is the venue's clock,
    epoch milliseconds; candles closing then or later are not final. ``absent`` are the columns
    that the source declares never to state, out of ``DECLARABLE_COLUMNS``.
    """

    frame: pd.DataFrame
    span: Span
    server_time_ms: int
    absent: tuple[str, ...] = ()


def judge_batches(batches: Sequence[LandedBatch], *, timeframe: Timeframe) -> list[Verdict]:
    """Judge landed frames of one resolution in a single run; one verdict each, in their order.

    Raises:
        ContractError: a frame lacks a column or holds one of a wrong type, or a column that every
            candle needs is declared absent.
        FinalError: Great Expectations could not evaluate the suite.
    """
    every = [Terms(timeframe, one.span, one.server_time_ms, one.absent) for one in batches]
    todo = [
        (align_landed(normalise_landed(one.frame), terms), terms)
        for one, terms in zip(batches, every, strict=True)
    ]
    return [
        settle_verdict(frame, findings, terms)
        for (frame, terms), findings in zip(todo, run_suite(todo), strict=True)
    ]


def judge_candles(
    frame: pd.DataFrame,
    *,
    timeframe: Timeframe,
    span: Span,
    server_time_ms: int,
    absent: tuple[str, ...] = (),
) -> Verdict:
    """Judge one landed frame, in any order, empty ones too; see :func:`judge_batches`."""
    batch = LandedBatch(frame, span, server_time_ms, absent)
    return judge_batches([batch], timeframe=timeframe)[0]
