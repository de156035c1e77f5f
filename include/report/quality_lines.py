"""What the tables of the quality page are filled with: one dataclass a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGapLine:
    """An absent span nobody has explained; ``looks`` is how often it was asked for in vain."""

    venue: str
    symbol: str
    start: datetime
    end: datetime
    reason: str
    looks: int
    found_at: datetime
    next_look_at: datetime | None
    given_up_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageLine:
    """A span in which a venue as a whole was silent."""

    venue: str
    start: datetime
    end: datetime
    source: str
    note: str
    instruments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """The newest run of one suite over one dataset."""

    checkpoint: str
    suite: str
    dataset: str
    rows: int
    expectations: int
    failed_block: int
    failed_warn: int
    failed_info: int
    success: bool
    run_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLine:
    """A drift that lasts: what of a series has changed, since when, what models should do."""

    venue: str
    symbol: str
    timeframe: str
    measure: str
    advice: str
    detail: str
    began_at: datetime
    found_at: datetime
    is_accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonLine:
    """What holding two accounts of a venue's candles against each other has come to."""

    venue: str
    timeframe: str
    left: str
    right: str
    instruments: int
    compared: int
    equal: int
    rounding: int
    incomplete: int
    differing: int
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceLine:
    """In how many candles of a series two accounts still differ, in one way, and when last."""

    venue: str
    symbol: str
    timeframe: str
    left: str
    right: str
    kind: str
    candles: int
    newest: datetime
