"""What is written beside a refused row: what was expected, and what was there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from include.market.candle import (
    DECLARABLE_COLUMNS,
    MAX_PRICE,
    MAX_VOLUME,
    PRICE_COLUMNS,
    VALUE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.market.span import from_ms
from include.quality.landed import NUMBER_COLUMNS, TIME_COLUMNS, Terms
from include.quality.rules import (
    MIN_PRICE,
    QUOTE_TOLERANCE,
    RULES,
    Breaches,
    IntArray,
    ObjectArray,
)

EXAMPLES = 5
DETAILED = 1000
"""So many refusals of one rule in a batch are described one by one; the rest by the rule alone."""
ABSENCES = {"NaT", "nan"}
NO_VALUES = ABSENCES | {"inf", "-inf"}

SHOWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "not_a_number": (*TIME_COLUMNS, *NUMBER_COLUMNS),
    "undeclared_value": DECLARABLE_COLUMNS,
    "price_range": PRICE_COLUMNS,
    "volume_range": VOLUME_COLUMNS,
    "ohlc_order": PRICE_COLUMNS,
    "taker_volume": VOLUME_COLUMNS,
    "quote_volume_unit": ("low", "high", "volume", "quote_volume"),
    "trade_count": ("volume", "trade_count"),
    "mixed_units": ("open_time",),
    "time_unit": ("open_time",),
    "snap_conflict": ("open_time",),
    "off_grid": ("open_time",),
    "truncated_candle": TIME_COLUMNS,
    "outside_span": ("open_time",),
    "in_future": ("open_time",),
    "unfinished": ("close_time",),
    "duplicate_key": ("open_time",),
    "duplicate_row": ("open_time",),
}


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused rows of a batch, by landed position, ascending.

    ``rules`` are places in ``RULES``. ``kept`` is, for a repeated open time, the position of the
    row kept instead; -1 otherwise.
    """

    rows: IntArray
    rules: IntArray
    kept: IntArray


def describe_refusals(
    batch: pd.DataFrame, breaches: Breaches, refusals: Refusals, terms: Terms
) -> ObjectArray:
    """Return one line per refused row: expectation, values, and the other rules it breaks.

    Beyond ``DETAILED`` rows of a rule the line is the expectation alone: nobody reads on, writing
    half a million lines takes seconds, and the values stand in the row's own text.
    """
    expected = _expected_texts(terms)
    plain = np.array(
        [f"expected {expected[rule]}; its values are in the payload" for rule in RULES]
    )
    lines: ObjectArray = plain.astype(object)[refusals.rules]
    shown = np.sort(
        np.concatenate(
            [
                np.flatnonzero(refusals.rules == rule)[:DETAILED]
                for rule in np.unique(refusals.rules)
            ]
            or [np.empty(0, dtype=np.int64)]
        )
    )
    few = Refusals(refusals.rows[shown], refusals.rules[shown], refusals.kept[shown])
    lines[shown] = _lines(batch, breaches, few, terms)
    return lines


def _lines(batch: pd.DataFrame, breaches: Breaches, refusals: Refusals, terms: Terms) -> list[str]:
    expected = _expected_texts(terms)
    rows = refusals.rows
    mine = batch.iloc[rows][list(VALUE_COLUMNS)].to_numpy()
    theirs = batch.iloc[refusals.kept][list(VALUE_COLUMNS)].to_numpy()
    columns = {name: _texts(batch[name].iloc[rows]) for name in (*TIME_COLUMNS, *NUMBER_COLUMNS)}
    broken = {rule: breaches[rule][rows].tolist() for rule in RULES if rule in breaches}
    lines = []
    for place, (number, kept) in enumerate(
        zip(refusals.rules.tolist(), refusals.kept.tolist(), strict=True)
    ):
        rule = RULES[number]
        shown = {
            name: columns[name][place]
            for name in SHOWN_COLUMNS[rule]
            if _is_telling(rule, columns[name][place], declared=name in terms.absent)
        } or {"open_time": columns["open_time"][place]}
        if kept >= 0:
            shown |= _kept_values(mine[place].tolist(), theirs[place].tolist())
        others = [other for other, mask in broken.items() if mask[place] and other != rule]
        lines.append(_line(expected[rule], shown, [] if kept >= 0 else others))
    return lines


def _is_telling(rule: str, text: str, *, declared: bool) -> bool:
    """Tell whether a shown value has part in the breach of ``rule``."""
    if rule == "not_a_number":
        return text in NO_VALUES and not declared
    if rule == "undeclared_value":
        return text not in ABSENCES and declared
    return text not in ABSENCES or not declared


def show_examples(
    batch: pd.DataFrame, columns: list[str], rows: IntArray | list[int]
) -> list[dict[str, int | float | str]]:
    """Return the first few of ``rows`` as JSON values: position, open time, ``columns``."""
    few = batch.iloc[list(rows[:EXAMPLES])]
    names = [name for name in dict.fromkeys(["open_time", *columns]) if name in batch.columns]
    shown: dict[str, list[Any]] = {name: _json_values(few[name]) for name in names}
    return [
        {"row": int(row)} | {name: shown[name][place] for name in names}
        for place, row in enumerate(rows[:EXAMPLES])
    ]


def _expected_texts(terms: Terms) -> dict[str, str]:
    server = f"the venue's clock {from_ms(terms.server_time_ms).isoformat()}"
    end = "the candle's end" if "close_time" in terms.absent else "close_time"
    return {
        "not_a_number": "a finite number or a time in every column not declared absent",
        "undeclared_value": f"nothing in what the source never states: {', '.join(terms.absent)}",
        "price_range": f"prices within {MIN_PRICE:g}..{MAX_PRICE:g}",
        "volume_range": f"volumes within 0..{MAX_VOLUME:g}",
        "ohlc_order": "low <= open, close <= high",
        "taker_volume": "taker volumes at most the whole volumes",
        "quote_volume_unit": f"quote_volume within low..high times volume, +-{QUOTE_TOLERANCE:g}",
        "trade_count": "a whole trade_count, zero exactly when volume is zero",
        "mixed_units": "times of one unit throughout the batch",
        "time_unit": "a time in the unit of the others (s, ms or us since 1970)",
        "snap_conflict": "one candle per place of the grid, another lies on it or moves there",
        "off_grid": f"open_time on the {terms.timeframe.label} grid",
        "truncated_candle": f"close_time {terms.timeframe.length_ms - 1} ms after open_time",
        "outside_span": f"open_time inside {terms.span}",
        "in_future": f"open_time at most one candle after {server}",
        "unfinished": f"{end} before {server}",
        "duplicate_key": "one candle per open_time, another one landed later",
        "duplicate_row": "one candle per open_time, an equal one landed later",
    }


def _line(expected: str, shown: dict[str, str], others: list[str]) -> str:
    values = ", ".join(f"{name}={text}" for name, text in shown.items())
    also = f"; also breaks {', '.join(others)}" if others else ""
    return f"expected {expected}, was {values}{also}"


def _kept_values(refused: list[float], kept: list[float]) -> dict[str, str]:
    return {
        name: f"{mine!r} (kept {theirs!r})"
        for name, mine, theirs in zip(VALUE_COLUMNS, refused, kept, strict=True)
        if mine != theirs and not (math.isnan(mine) and math.isnan(theirs))
    }


def _texts(column: pd.Series) -> list[str]:
    if column.dtype.kind != "M":
        return [repr(value) for value in column.tolist()]
    times = np.datetime_as_string(column.dt.tz_localize(None).to_numpy(), unit="ms")
    return [time if time == "NaT" else f"{time}Z" for time in times.tolist()]


def _json_values(column: pd.Series) -> list[Any]:
    if column.dtype.kind == "M":
        return _texts(column)
    return [
        repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for value in column.tolist()
    ]
