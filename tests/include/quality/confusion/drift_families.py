"""Families of drifts: markets that begin to behave otherwise, beside such that only breathe."""

from __future__ import annotations

from typing import Final

import pandas as pd

from include.market.timeframe import DAY_MS, M30
from include.quality.drift import DriftPlan, gather_evidence, judge_run
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.include.quality.market_models import (
    START_MS,
    Change,
    after,
    coarser,
    garch_market,
    louder,
    scaled,
)

PLAN: Final = DriftPlan(window_days=3, reference_days=60)
DAYS: Final = 63
EACH: Final = 3

DRIFTS: Final[tuple[tuple[str, Change, str, frozenset[str]], ...]] = (
    # What drifts first of all, and what else must where that does.
    ("volatility six times", louder(6), "range", frozenset({"return", "open_gap", "impact"})),
    ("volume ten times", scaled("volume", 10), "volume", frozenset({"trade_size", "impact"})),
    ("trades of a third the size", scaled("trade_count", 3), "trade_size",
     frozenset({"trade_count"})),
    ("opens off the close", lambda frame: frame.assign(open=frame["open"] * (1 + 1e-4)),
     "open_gap", frozenset({"range", "impact"})),
)  # fmt: skip


def distributions() -> list[Observation]:
    """Markets that change three days before they are judged, each beside one that does not."""
    pairs = EACH * len(DRIFTS)
    markets = [coarser(one, M30) for one in garch_market(DAYS, 2 * pairs, seed=20261122)]
    found: list[Observation] = []
    for number in range(pairs):
        kind, change, measure, follow = DRIFTS[number % len(DRIFTS)]
        changed, still = markets[2 * number : 2 * number + 2]
        one, other = _drifted([after(changed, DAYS - PLAN.window_days, change), still])
        beside = one - follow - {measure}
        said = measure if measure in one and not beside else "+".join(sorted(one)) or CLEAN
        found.append(Observation(f"drift, {kind}", measure, said))
        found.append(Observation(CLEAN, CLEAN, "+".join(sorted(other)) or CLEAN))
    return found


def _drifted(markets: list[pd.DataFrame]) -> list[set[str]]:
    """Return the measures of each market that are told to drift, all judged in one run."""
    end_ms = START_MS + DAYS * DAY_MS
    evidence = [gather_evidence(market, M30, end_ms, PLAN) for market in markets]
    verdicts = iter(judge_run([one for own in evidence for one in own], fdr=0.05))
    return [
        {verdict.evidence.measure for verdict in [next(verdicts) for _ in own] if verdict.drifted}
        for own in evidence
    ]
