"""The suites at the gate for trades and funding payments, as Great Expectations.

Each dataset has two: what a row must be by itself, and what rows that passed must be to each
other, for a row that breaks a rule of its own repeats nothing and stands in nobody's way.
"""

from __future__ import annotations

from typing import Final

import great_expectations.expectations as gxe

from include.market.candle import MAX_PRICE, MAX_VOLUME
from include.quality.event_rules import (
    INTERVALS_MS,
    JITTER_US,
    MAX_FUNDING_RATE,
    NOT_STATED,
)
from include.quality.event_verdict import event_severity
from include.quality.row_expectations import (
    ExpectDueRowValuesToBeStated,
    ExpectValueToBeAtMost,
)
from include.quality.series_expectations import ExpectKeysNotToRepeat
from include.quality.suites import Stated, column_between

LANDED_TRADES: Final = "landed_trades"
TRADES_TOGETHER: Final = "landed_trades_together"
LANDED_FUNDING: Final = "landed_funding"
FUNDING_TOGETHER: Final = "landed_funding_together"

_Entry = tuple[str, str, gxe.Expectation]


def landed_trades() -> list[Stated]:
    """Return what is expected of a landed trade by itself."""
    above_zero = {"min_value": 0, "strict_min": True}
    return _stated(
        (
            "taken_back",
            "no trade the venue has taken back",
            gxe.ExpectColumnValuesToNotBeInSet(column="void", value_set=[1]),
        ),
        (
            "not_a_number",
            "every trade has a time, a price and a quantity",
            ExpectDueRowValuesToBeStated(
                column_list=["stated_time", "stated_price", "stated_quantity"]
            ),
        ),
        (
            "impossible_price",
            "prices above zero that the warehouse can hold",
            column_between("price", max_value=MAX_PRICE, **above_zero),
        ),
        (
            "impossible_quantity",
            "quantities above zero that the warehouse can hold",
            column_between("quantity", max_value=MAX_VOLUME, **above_zero),
        ),
        (
            "impossible_fills",
            "the fills are numbered from 0",
            column_between("first_fill", min_value=0),
        ),
        (
            "impossible_fills",
            "the last fill is not before the first",
            ExpectValueToBeAtMost(column_list=["first_fill", "last_fill"]),
        ),
        *_times("trade_time"),
    )


def trades_together() -> list[Stated]:
    """Return what is expected of trades that are sound by themselves."""
    values = ["trade_time", "price", "quantity", "first_trade_id", "last_trade_id"]
    key = ["trade_id", *values, "buyer_is_maker"]
    return _stated(
        (
            "repeated_id",
            "one trade per id",
            ExpectKeysNotToRepeat(column_list=key, alike=False),
        ),
        (
            "repeated_trade",
            "each trade once",
            ExpectKeysNotToRepeat(column_list=key, alike=True),
        ),
        (
            "falling_time",
            "no trade lies before one that came earlier",
            ExpectValueToBeAtMost(column_list=["latest_before", "trade_time"]),
        ),
    )


def landed_funding() -> list[Stated]:
    """Return what is expected of a landed funding payment by itself."""
    return _stated(
        (
            "not_a_number",
            "every payment has a time and a rate",
            ExpectDueRowValuesToBeStated(column_list=["funding_time", "rate"]),
        ),
        (
            "rate_range",
            "rates far below the whole position",
            column_between("rate", min_value=-MAX_FUNDING_RATE, max_value=MAX_FUNDING_RATE),
        ),
        (
            "mark_price_range",
            "mark prices above zero that the warehouse can hold",
            column_between("mark_price", min_value=0, strict_min=True, max_value=MAX_PRICE),
        ),
        (
            "funding_interval",
            "payments on a full hour, give or take a minute",
            column_between("beside_hour_us", max_value=JITTER_US),
        ),
        (
            "funding_interval",
            "an interval that venues use, where one is stated",
            gxe.ExpectColumnValuesToBeInSet(
                column="interval_ms", value_set=[NOT_STATED, *INTERVALS_MS]
            ),
        ),
        *_times("funding_time"),
    )


def funding_together() -> list[Stated]:
    """Return what is expected of funding payments that are sound by themselves."""
    key = ["funding_time", "rate", "mark_price"]
    return _stated(
        (
            "repeated_time",
            "one payment per instant",
            ExpectKeysNotToRepeat(column_list=key, alike=False),
        ),
        (
            "repeated_payment",
            "each payment once",
            ExpectKeysNotToRepeat(column_list=key, alike=True),
        ),
    )


def _times(column: str) -> tuple[_Entry, ...]:
    return (
        (
            "outside_span",
            "nothing before the span asked for",
            ExpectValueToBeAtMost(column_list=["span_start", column]),
        ),
        (
            "outside_span",
            "nothing after the span asked for",
            ExpectValueToBeAtMost(column_list=[column, "span_last"]),
        ),
        (
            "in_future",
            "nothing after the venue's clock",
            ExpectValueToBeAtMost(column_list=[column, "latest_time"]),
        ),
    )


LANDED_EVENT_SUITES: Final = {
    LANDED_TRADES: landed_trades,
    TRADES_TOGETHER: trades_together,
    LANDED_FUNDING: landed_funding,
    FUNDING_TOGETHER: funding_together,
}


def _stated(*entries: _Entry) -> list[Stated]:
    return [
        Stated(rule, event_severity(rule), text, expectation) for rule, text, expectation in entries
    ]
