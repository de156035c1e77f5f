"""From breaches to a verdict: who is accepted, who is refused, by which rule and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from include.market.candle import ABSENT_COUNT, CANDLE_COLUMNS, VALUE_COLUMNS
from include.quality.details import Refusals, describe_refusals, show_examples
from include.quality.landed import Terms
from include.quality.outcome import Severity
from include.quality.rules import (
    BENIGN_RULES,
    RULES,
    BoolArray,
    Breaches,
    IntArray,
    ObjectArray,
)

SUITE_NAME = "candles"
OUT_OF_ORDER = "out_of_order"
REPEATS = ("duplicate_key", "duplicate_row")
REFUSED_COLUMNS = ("open_time", "raw", "rule", "detail")
ACCEPTED = len(RULES)

# What PostgreSQL and datetime both hold: years 1 to 9999. Beyond, only ``raw`` keeps the time.
FIRST_US = -62_135_596_800_000_000
LAST_US = 253_402_300_799_999_999


@dataclass(frozen=True, slots=True)
class Found:
    """The rows one expectation did not expect: landed positions, ascending."""

    name: str
    rule: str
    columns: list[str]
    rows: IntArray


@dataclass(frozen=True, slots=True)
class Findings:
    """What one form of the rules found in a batch: a mask per rule, and the evidence."""

    engine: str
    breaches: Breaches
    out_of_order: int
    expectations: list[Found]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one landed batch; accepted and refused rows add up to the landed ones.

    ``accepted`` is a candle frame, sorted, one row per open time. ``refused`` has the columns of
    ``REFUSED_COLUMNS`` in landed order. ``success`` means that no row was refused for a fault;
    ``refused_share`` is the share of faulty rows among those that were due, 0 to 1, for the
    caller to compare with the share at which a batch is held. Refusals of ``BENIGN_RULES`` count
    for neither. ``results`` is JSON without NaN.
    """

    accepted: pd.DataFrame
    refused: pd.DataFrame
    results: dict[str, Any]
    success: bool
    refused_share: float


def severity(rule: str) -> Severity:
    """Return how grave a breach of ``rule`` is.

    Rows that healthy paging brings along are refused as well, but hold no batch back.
    """
    if rule == OUT_OF_ORDER:
        return "info"
    return "warn" if rule in BENIGN_RULES else "block"


def settle_verdict(batch: pd.DataFrame, findings: Findings, terms: Terms) -> Verdict:
    """Turn the findings on a normalised landed frame into a verdict.

    A row is refused once, by the first rule of ``RULES`` it breaks. Of sound rows that share an
    open time the one landed last is kept; its exact copies are ``duplicate_row``, the others
    ``duplicate_key``. So a broken repetition never displaces a sound candle.
    """
    rule_of_row, kept_row = _name_refusals(batch, findings.breaches)
    rows = np.flatnonzero(rule_of_row < ACCEPTED)
    refusals = Refusals(rows, rule_of_row[rows], kept_row[rows])
    tally = np.bincount(refusals.rules, minlength=ACCEPTED).tolist()
    counts = {rule: count for rule, count in zip(RULES, tally, strict=True) if count}
    benign = sum(count for rule, count in counts.items() if rule in BENIGN_RULES)
    faulty = len(rows) - benign
    share = faulty / (len(batch) - benign) if faulty else 0.0
    return Verdict(
        accepted=_candle_frame(batch, rule_of_row == ACCEPTED),
        refused=_refused_frame(
            batch, refusals, describe_refusals(batch, findings.breaches, refusals, terms)
        ),
        results=_summarise(batch, findings, terms)
        | {
            "accepted": len(batch) - len(rows),
            "refused": len(rows),
            "refused_share": share,
            "rules": counts,
            "success": faulty == 0,
        },
        success=faulty == 0,
        refused_share=share,
    )


def _name_refusals(batch: pd.DataFrame, breaches: Breaches) -> tuple[IntArray, IntArray]:
    """Return each row's position in ``RULES`` (or ACCEPTED), and the row kept in its place."""
    rule_of_row = np.full(len(batch), ACCEPTED, dtype=np.int64)
    for number, rule in reversed(list(enumerate(RULES))):
        if rule not in REPEATS:
            rule_of_row[breaches[rule]] = number
    sound = np.flatnonzero((rule_of_row == ACCEPTED) & breaches["duplicate_key"])
    _, group = np.unique(batch["open_time"].astype("int64").to_numpy()[sound], return_inverse=True)
    last = np.zeros(len(sound), dtype=np.int64)
    np.maximum.at(last, group, sound)
    superseded = last[group] != sound
    rows, keepers = sound[superseded], last[group][superseded]
    values = batch[list(VALUE_COLUMNS)].to_numpy()
    mine, theirs = values[rows], values[keepers]
    # Sound rows hold NaN in declared columns only: both are silent there, which is no difference.
    equal = ((mine == theirs) | (np.isnan(mine) & np.isnan(theirs))).all(axis=1)
    rule_of_row[rows] = np.where(equal, RULES.index("duplicate_row"), RULES.index("duplicate_key"))
    kept_row = np.full(len(batch), -1, dtype=np.int64)
    kept_row[rows] = keepers
    return rule_of_row, kept_row


def _candle_frame(batch: pd.DataFrame, accepted: BoolArray) -> pd.DataFrame:
    stated = batch.loc[accepted, [name for name in CANDLE_COLUMNS if name in batch.columns]]
    frame = stated.sort_values("open_time", ignore_index=True)
    frame["trade_count"] = frame["trade_count"].fillna(ABSENT_COUNT).astype("int64")
    return frame if "flags" in frame else frame.assign(flags=np.int64(0))


def _refused_frame(batch: pd.DataFrame, refusals: Refusals, details: ObjectArray) -> pd.DataFrame:
    frame = batch.loc[refusals.rows, ["open_time", "raw"]].reset_index(drop=True)
    epoch_us = frame["open_time"].astype("int64")
    frame["open_time"] = frame["open_time"].where(epoch_us.between(FIRST_US, LAST_US))
    frame["rule"] = pd.Series(np.array(RULES, dtype=object)[refusals.rules], dtype=object)
    frame["detail"] = pd.Series(details, dtype=object)
    return frame


def _summarise(batch: pd.DataFrame, findings: Findings, terms: Terms) -> dict[str, Any]:
    return {
        "suite": SUITE_NAME,
        "engine": findings.engine,
        "timeframe": terms.timeframe.label,
        "span": str(terms.span),
        "server_time_ms": terms.server_time_ms,
        "absent": list(terms.absent),
        "rows": len(batch),
        "out_of_order": findings.out_of_order,
        "expectations": [_entry(batch, found) for found in findings.expectations],
    }


def _entry(batch: pd.DataFrame, found: Found) -> dict[str, Any]:
    count = len(found.rows)
    return {
        "name": found.name,
        "rule": found.rule,
        "severity": severity(found.rule),
        "success": count == 0,
        "unexpected_count": count,
        "unexpected_percent": 100 * count / len(batch) if count else 0.0,
        "examples": show_examples(batch, found.columns, found.rows),
    }
