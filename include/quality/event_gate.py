"""The gate for trades and funding payments: Great Expectations judges every landed batch.

Importing this module costs seconds; do it where a batch is checked, not where DAGs are parsed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from include.quality.event_rules import FUTURE_GRACE_US
from include.quality.event_suites import FUNDING_TOGETHER, TRADES_TOGETHER
from include.quality.event_verdict import FUNDING, TRADES, EventKind, settle_events
from include.quality.events import EventTerms
from include.quality.expectations import ENGINE, evaluate
from include.quality.rules import Breaches
from include.quality.verdict import Found, Verdict

_TOGETHER: Final = {TRADES.suite: TRADES_TOGETHER, FUNDING.suite: FUNDING_TOGETHER}


def judge_trades(frame: pd.DataFrame, terms: EventTerms) -> Verdict:
    """Judge landed trades (``events.TRADE_COLUMNS``), in the order the venue sent them.

    Raises:
        ContractError: the frame lacks a column or holds one of a wrong type.
        FinalError: Great Expectations could not evaluate a suite.
    """
    return _judge(frame, terms, TRADES)


def judge_funding(frame: pd.DataFrame, terms: EventTerms) -> Verdict:
    """Judge landed funding payments (``events.FUNDING_COLUMNS``); as ``judge_trades``.

    Raises:
        ContractError: the frame lacks a column or holds one of a wrong type.
        FinalError: Great Expectations could not evaluate a suite.
    """
    return _judge(frame, terms, FUNDING)


def _judge(frame: pd.DataFrame, terms: EventTerms, kind: EventKind) -> Verdict:
    batch = kind.normalise(frame)
    alone = _add_trade_limits if kind is TRADES else _add_funding_limits
    found = evaluate(kind.suite, alone(batch, terms).drop(columns="raw"))
    broken = np.zeros(len(batch), dtype=np.bool_)
    for one in found:
        broken[one.rows] = True
    sound = np.flatnonzero(~broken)
    together = batch.iloc[sound].drop(columns="raw").reset_index(drop=True)
    if kind is TRADES:
        together = together.assign(latest_before=_latest_before(together))
    found += [
        Found(one.name, one.rule, one.columns, sound[one.rows])
        for one in evaluate(_TOGETHER[kind.suite], together)
    ]
    breaches: Breaches = {rule: np.zeros(len(batch), dtype=np.bool_) for rule in kind.rules}
    for one in found:
        breaches[one.rule][one.rows] = True
    return settle_events(batch, breaches, found, terms, kind, engine=ENGINE)


def _add_trade_limits(batch: pd.DataFrame, terms: EventTerms) -> pd.DataFrame:
    """Return trades with what the expectations compare.

    A trade that was taken back is judged for nothing else, so what the others look at holds
    harmless values there; price and quantity are judged where both, and the time, are known.
    """
    void = (
        batch["price"].eq(0)
        & batch["quantity"].eq(0)
        & batch["first_trade_id"].eq(-1)
        & batch["last_trade_id"].eq(-1)
    )
    numbers = batch[["price", "quantity"]]
    known = numbers.abs().lt(np.inf).all(axis=1) & batch["trade_time"].notna() & ~void
    harmless_time = pd.Timestamp(terms.span.start_ms, unit="ms", tz="UTC").as_unit("us")
    return _with_limits(batch, batch["trade_time"].where(~void), "trade_time", terms).assign(
        void=void.astype("int64"),
        stated_time=batch["trade_time"].where(~void, harmless_time),
        stated_price=batch["price"],
        stated_quantity=batch["quantity"],
        price=batch["price"].where(known),
        quantity=batch["quantity"].where(known),
        first_fill=batch["first_trade_id"].where(~void, 0),
        last_fill=batch["last_trade_id"].where(~void, 0),
    )


def _add_funding_limits(batch: pd.DataFrame, terms: EventTerms) -> pd.DataFrame:
    """Return funding payments with what the expectations compare."""
    times = batch["funding_time"]
    beside = (times - times.dt.round("h")).abs()
    return _with_limits(batch, times, "funding_time", terms).assign(
        beside_hour_us=beside.dt.total_seconds() * 1e6,
        # An interval says nothing beside a payment without a time.
        interval_ms=batch["interval_ms"].where(times.notna(), -1),
    )


def _with_limits(
    batch: pd.DataFrame, times: pd.Series, column: str, terms: EventTerms
) -> pd.DataFrame:
    def instant(epoch_us: int) -> pd.Timestamp:
        return pd.Timestamp(epoch_us, unit="us", tz="UTC").as_unit("us")

    return batch.assign(
        **{column: times},
        span_start=instant(terms.span.start_ms * 1000),
        span_last=instant(terms.span.end_ms * 1000 - 1),
        latest_time=instant(terms.server_time_ms * 1000 + FUTURE_GRACE_US),
    )


def _latest_before(trades: pd.DataFrame) -> pd.Series:
    """Return the latest time among the trades that came before each, repetitions left out."""
    first = trades["trade_time"].where(~trades["trade_id"].duplicated())
    latest = first.cummax().ffill().shift()
    return latest.where(~trades["trade_id"].duplicated())
