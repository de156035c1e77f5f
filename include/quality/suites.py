"""The suites at the gate, as Great Expectations: what a landed row must be to be taken in.

A suite is a list of stated rules; ``stored_suites`` has those for what is stored already. The
project's files are written from both (``project``). Importing costs seconds: never at DAG parse,
never in the live path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import great_expectations.expectations as gxe
from great_expectations import ExpectationSuite
from great_expectations.expectations.metadata_types import FailureSeverity

from include.market.candle import (
    DECLARABLE_COLUMNS,
    MAX_PRICE,
    MAX_VOLUME,
    PRICE_COLUMNS,
    VALUE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.quality.candle_expectations import (
    ExpectCandlesToBeOrdered,
    ExpectQuoteVolumeToMatchPrices,
    ExpectTradeCountToFollowVolume,
)
from include.quality.outcome import Severity
from include.quality.row_expectations import (
    ABSENT,
    ExpectAbsentRowValuesToBeMissing,
    ExpectDueRowValuesToBeStated,
    ExpectRowsToBeFinal,
    ExpectRowValuesToBeBetween,
    ExpectTimesToFallOnGrid,
    ExpectValueToBeAtMost,
)
from include.quality.rules import (
    MAX_TRADE_COUNT,
    MIN_PRICE,
    MIXED_UNITS,
    QUOTE_STEP,
    QUOTE_TOLERANCE,
    SNAP_CONFLICT,
    TIME_UNIT,
)
from include.quality.verdict import OUT_OF_ORDER, severity

LANDED_CANDLES: Final = "landed_candles"

FAILURE_SEVERITY: Final[dict[Severity, FailureSeverity]] = {
    "block": FailureSeverity.CRITICAL,
    "warn": FailureSeverity.WARNING,
    "info": FailureSeverity.INFO,
}
"""Our words for how grave a failure is, in those of Great Expectations."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One expectation of a suite: the rule it guards, how grave a breach is, and why, in words."""

    rule: str
    severity: Severity
    text: str
    expectation: gxe.Expectation


def build_suite(name: str, stated: Iterable[Stated]) -> ExpectationSuite:
    """Return the suite ``name`` of these expectations; a context must be open.

    Each carries its rule in ``meta["rule"]`` and its severity in ``meta["severity"]``; Data Docs
    show both.
    """
    suite = ExpectationSuite(name=name)
    for one in stated:
        one.expectation.meta = {"rule": one.rule, "severity": one.severity}
        one.expectation.severity = FAILURE_SEVERITY[one.severity]
        one.expectation.description = f"{one.text} ({one.rule}, {one.severity})"
        suite.add_expectation(one.expectation)
    return suite


def landed_candles() -> list[Stated]:
    """Return what is expected of landed candles, with the columns of ``frames.add_limits``."""
    return [
        Stated(rule, severity(rule), text, expectation)
        for rule, text, expectation in (
            *_stated_numbers(),
            *_plausible_numbers(),
            *_times_of_a_candle(),
            *_places_in_a_batch(),
        )
    ]


_Entry = tuple[str, str, gxe.Expectation]


def _stated_numbers() -> Sequence[_Entry]:
    due = ["open_time", "close_time", *VALUE_COLUMNS, ABSENT]
    return (
        (
            "not_a_number",
            "every candle says when it opens",
            gxe.ExpectColumnValuesToNotBeNull(column="open_time"),
        ),
        (
            "not_a_number",
            "a finite number or a time in every column the source does not declare absent",
            ExpectDueRowValuesToBeStated(column_list=due),
        ),
        (
            "undeclared_value",
            "nothing in the columns the source declares never to state",
            ExpectAbsentRowValuesToBeMissing(column_list=[*DECLARABLE_COLUMNS, ABSENT]),
        ),
    )


def _plausible_numbers() -> Sequence[_Entry]:
    quote = ["low", "high", "volume", "quote_volume", "trade_count"]
    return (
        (
            "price_range",
            "prices the warehouse can hold",
            between(PRICE_COLUMNS, MIN_PRICE, MAX_PRICE),
        ),
        (
            "volume_range",
            "volumes the warehouse can hold",
            between(VOLUME_COLUMNS, 0.0, MAX_VOLUME),
        ),
        (
            "ohlc_order",
            "low <= open, close <= high",
            ExpectCandlesToBeOrdered(column_list=list(PRICE_COLUMNS)),
        ),
        (
            "taker_volume",
            "takers bought at most the whole volume",
            ExpectValueToBeAtMost(column_list=["taker_buy_volume", "volume"]),
        ),
        (
            "taker_volume",
            "takers paid at most the whole quote volume",
            ExpectValueToBeAtMost(column_list=["taker_buy_quote_volume", "quote_volume"]),
        ),
        (
            "quote_volume_unit",
            "the quote volume is what the volume was worth between low and high",
            ExpectQuoteVolumeToMatchPrices(
                column_list=quote, tolerance=QUOTE_TOLERANCE, step=QUOTE_STEP
            ),
        ),
        (
            "trade_count",
            "a whole number of trades, none exactly when there was no volume",
            ExpectTradeCountToFollowVolume(
                column_list=["volume", "trade_count"], max_count=MAX_TRADE_COUNT
            ),
        ),
    )


def _times_of_a_candle() -> Sequence[_Entry]:
    return (
        (
            "mixed_units",
            "times of one unit throughout a batch",
            gxe.ExpectColumnValuesToNotBeInSet(column="misfit", value_set=[MIXED_UNITS]),
        ),
        (
            "time_unit",
            "times in the unit of the others: s, ms or us since 1970",
            gxe.ExpectColumnValuesToNotBeInSet(column="misfit", value_set=[TIME_UNIT]),
        ),
        (
            "snap_conflict",
            "one candle per place of the grid, no other lies on it or moves there",
            gxe.ExpectColumnValuesToNotBeInSet(column="misfit", value_set=[SNAP_CONFLICT]),
        ),
        (
            "off_grid",
            "candles open where their bucket begins",
            ExpectTimesToFallOnGrid(column_list=["open_time", "grid_time"]),
        ),
        (
            "truncated_candle",
            "candles last as long as their timeframe",
            column_between("excess_us", min_value=0, max_value=0),
        ),
        (
            "in_future",
            "candles open at most one candle after the venue's clock",
            ExpectValueToBeAtMost(column_list=["open_time", "latest_time"]),
        ),
        (
            "unfinished",
            "candles are over by the venue's clock",
            ExpectRowsToBeFinal(column_list=["end_time", "server_time"]),
        ),
    )


def _places_in_a_batch() -> Sequence[_Entry]:
    key = {"column_list": ["batch", "open_time"], "ignore_row_if": "any_value_is_missing"}
    return (
        (
            "outside_span",
            "no candle before the span asked for",
            column_between("since_start_us", min_value=0),
        ),
        (
            "outside_span",
            "no candle after the span asked for",
            column_between("until_end_us", min_value=0, strict_min=True),
        ),
        (
            "duplicate_key",
            "one candle per open time",
            gxe.ExpectCompoundColumnsToBeUnique(**key),
        ),
        (OUT_OF_ORDER, "candles in the order of time", column_between("step_us", min_value=0)),
    )


def between(columns: Iterable[str], least: float, most: float) -> gxe.Expectation:
    """Expect every known value of ``columns`` within the limits."""
    return ExpectRowValuesToBeBetween(column_list=list(columns), min_value=least, max_value=most)


def column_between(column: str, **limits: Any) -> gxe.Expectation:
    """Expect every known value of one column within the limits."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, **limits)


LANDED_SUITES: Final[dict[str, Callable[[], list[Stated]]]] = {LANDED_CANDLES: landed_candles}
