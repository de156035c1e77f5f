"""From breaches to a verdict on trades and funding payments; as ``verdict`` does for candles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from include.market.span import from_ms
from include.quality.details import DETAILED, show_examples
from include.quality.event_rules import (
    BENIGN_EVENT_RULES,
    FUNDING_RULES,
    TRADE_RULES,
    find_funding_breaches,
    find_trade_breaches,
)
from include.quality.events import EventTerms, normalise_funding, normalise_trades
from include.quality.outcome import Severity
from include.quality.rules import Breaches, IntArray, ObjectArray
from include.quality.verdict import FIRST_US, LAST_US, Found, Verdict

_EXPECTED: Final = {
    "taken_back": "a trade that stands: the venue marks it as taken back",
    "not_a_number": "a time and finite numbers",
    "impossible_price": "a price above zero that can be stored",
    "impossible_quantity": "a quantity above zero that can be stored",
    "impossible_fills": "fills numbered from 0, the last not before the first",
    "repeated_id": "one trade per id, another one landed earlier",
    "repeated_trade": "each trade once, an equal one landed earlier",
    "falling_time": "a time not before that of the trades landed earlier",
    "rate_range": "a rate far below the whole position",
    "mark_price_range": "a mark price above zero that can be stored",
    "funding_interval": "a payment on a full hour, every 1, 2, 4 or 8 hours",
    "repeated_time": "one payment per instant, another one landed earlier",
    "repeated_payment": "each payment once, an equal one landed earlier",
}


@dataclass(frozen=True, slots=True)
class EventKind:
    """What tells trades from funding payments: suite, time column, rules, how rows are read."""

    suite: str
    time_column: str
    rules: tuple[str, ...]
    normalise: Callable[[pd.DataFrame], pd.DataFrame]
    find_breaches: Callable[[pd.DataFrame, EventTerms], Breaches]


TRADES: Final = EventKind(
    "landed_trades", "trade_time", TRADE_RULES, normalise_trades, find_trade_breaches
)
FUNDING: Final = EventKind(
    "landed_funding", "funding_time", FUNDING_RULES, normalise_funding, find_funding_breaches
)


def event_severity(rule: str) -> Severity:
    """Return how grave a breach of an event's ``rule`` is."""
    return "warn" if rule in BENIGN_EVENT_RULES else "block"


def judge_live_events(frame: pd.DataFrame, terms: EventTerms, kind: EventKind) -> Verdict:
    """Judge landed events by the rules in numpy; arguments and verdict as ``event_gate``'s.

    Raises:
        ContractError: the frame lacks a column or holds one of a wrong type.
    """
    batch = kind.normalise(frame)
    breaches = kind.find_breaches(batch, terms)
    columns = [name for name in batch.columns if name != "raw"]
    found = [Found(rule, rule, columns, np.flatnonzero(breaches[rule])) for rule in kind.rules]
    return settle_events(batch, breaches, found, terms, kind, engine="numpy")


def settle_events(
    batch: pd.DataFrame,
    breaches: Breaches,
    found: Sequence[Found],
    terms: EventTerms,
    kind: EventKind,
    *,
    engine: str,
) -> Verdict:
    """Turn what was found on a normalised frame of events into a verdict.

    A row is refused once, by the first of the kind's rules it breaks; ``open_time`` of a refused
    row is the time of the event. Accepted rows keep their order and lose ``raw``.
    """
    unbroken = len(kind.rules)
    rule_of_row = np.full(len(batch), unbroken, dtype=np.int64)
    for number, rule in reversed(list(enumerate(kind.rules))):
        rule_of_row[breaches[rule]] = number
    rows = np.flatnonzero(rule_of_row < unbroken)
    tally = np.bincount(rule_of_row[rows], minlength=unbroken).tolist()
    counts = {rule: count for rule, count in zip(kind.rules, tally, strict=True) if count}
    benign = sum(count for rule, count in counts.items() if rule in BENIGN_EVENT_RULES)
    faulty = len(rows) - benign
    share = faulty / (len(batch) - benign) if faulty else 0.0
    accepted = batch.loc[rule_of_row == unbroken].drop(columns="raw").reset_index(drop=True)
    return Verdict(
        accepted=accepted,
        refused=_refused(batch, rows, rule_of_row[rows], terms, kind),
        results={
            "suite": kind.suite,
            "engine": engine,
            "span": str(terms.span),
            "server_time_ms": terms.server_time_ms,
            "rows": len(batch),
            "expectations": [_entry(batch, one, kind) for one in found],
            "accepted": len(accepted),
            "refused": len(rows),
            "refused_share": share,
            "rules": counts,
            "success": faulty == 0,
        },
        success=faulty == 0,
        refused_share=share,
    )


def _refused(
    batch: pd.DataFrame, rows: IntArray, numbers: IntArray, terms: EventTerms, kind: EventKind
) -> pd.DataFrame:
    times = batch[kind.time_column].iloc[rows].reset_index(drop=True)
    # What PostgreSQL cannot hold is told by the payload alone.
    held = times.where(times.astype("int64").between(FIRST_US, LAST_US))
    return pd.DataFrame(
        {
            "open_time": held,
            "raw": batch["raw"].to_numpy()[rows],
            "rule": np.array(kind.rules, dtype=object)[numbers],
            "detail": _details(batch, rows, numbers, terms, kind),
        }
    )


def _details(
    batch: pd.DataFrame, rows: IntArray, numbers: IntArray, terms: EventTerms, kind: EventKind
) -> ObjectArray:
    """Return a line per refused row; beyond ``DETAILED`` of a rule the expectation alone."""
    expected = _EXPECTED | {
        "outside_span": f"a time inside {terms.span}",
        "in_future": f"a time not after the venue's clock {from_ms(terms.server_time_ms)}",
    }
    plain = [f"expected {expected[rule]}; its values are in the payload" for rule in kind.rules]
    lines: ObjectArray = np.array(plain, dtype=object)[numbers]
    shown = [name for name in batch.columns if name != "raw"]
    for number in np.unique(numbers).tolist():
        places = np.flatnonzero(numbers == number)[:DETAILED]
        few = batch.iloc[rows[places]][shown].astype(str)
        values = few.apply(lambda row: ", ".join(f"{k}={v}" for k, v in row.items()), axis=1)
        rule = kind.rules[number]
        lines[places] = [f"expected {expected[rule]}, was {text}" for text in values]
    return lines


def _entry(batch: pd.DataFrame, found: Found, kind: EventKind) -> dict[str, Any]:
    count = len(found.rows)
    shown = [kind.time_column, *(name for name in found.columns if name in batch)]
    return {
        "name": found.name,
        "rule": found.rule,
        "severity": event_severity(found.rule),
        "success": count == 0,
        "unexpected_count": count,
        "unexpected_percent": 100 * count / len(batch) if count else 0.0,
        "examples": show_examples(batch, shown, found.rows),
    }
