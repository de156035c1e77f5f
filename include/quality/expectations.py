"""The candle suite as Great Expectations, and one run of it over a landed batch.

Importing this module costs seconds (Great Expectations): never at DAG parse, never in the live
path. Nothing is kept between runs: each gets an ephemeral context of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.metadata_types import FailureSeverity

from include.market.candle import MAX_PRICE, MAX_VOLUME, PRICE_COLUMNS, VOLUME_COLUMNS
from include.market.errors import FinalError
from include.market.span import from_ms
from include.quality.candle_expectations import (
    ExpectColumnValuesToFallOnGrid,
    ExpectRowValuesToBeBetween,
    ExpectRowValuesToBeFinite,
    ExpectTradeCountToFollowVolume,
)
from include.quality.landed import NUMBER_COLUMNS, TIME_COLUMNS, Terms
from include.quality.rules import (
    MAX_TRADE_COUNT,
    MIN_PRICE,
    QUOTE_STEP,
    QUOTE_TOLERANCE,
    RULES,
    Breaches,
)
from include.quality.verdict import OUT_OF_ORDER, SUITE_NAME, Findings, Found, severity

RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 5,
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
    "include_unexpected_rows": False,
}
EVERY_ROW = {"ignore_row_if": "never"}
KNOWN_PAIRS = {"ignore_row_if": "either_value_is_missing"}


def open_context() -> EphemeralDataContext:
    """Return a fresh context in memory: no files, no progress bars, nothing sent anywhere."""
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


def build_suite(terms: Terms) -> gx.ExpectationSuite:
    """Return the candle suite for batches judged against ``terms``; a context must be open.

    Every expectation carries the rule it guards in ``meta["rule"]``. It expects the columns of
    ``add_limits`` beside those of a normalised landed frame.
    """
    suite = gx.ExpectationSuite(name=SUITE_NAME)
    for rule, expectation in _expectations(terms):
        expectation.meta = {"rule": rule}
        expectation.severity = FailureSeverity(severity(rule))
        suite.add_expectation(expectation)
    return suite


def run_suite(batch: pd.DataFrame, terms: Terms) -> Findings:
    """Validate a normalised landed frame with the candle suite.

    Raises:
        FinalError: Great Expectations could not evaluate one of the expectations.
    """
    context = open_context()
    asset = context.data_sources.add_pandas("landing").add_dataframe_asset("candles")
    definition = gx.ValidationDefinition(
        name=SUITE_NAME,
        data=asset.add_batch_definition_whole_dataframe("whole"),
        suite=context.suites.add(build_suite(terms)),
    )
    report = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": add_limits(batch)}, result_format=RESULT_FORMAT
    )
    return _read_report(report, len(batch))


def add_limits(batch: pd.DataFrame) -> pd.DataFrame:
    """Return ``batch`` with what the expectations compare that spans several columns of a row.

    ``body_low`` and ``body_high`` are the lesser and greater of open and close;
    ``least_quote_volume`` and ``most_quote_volume`` bound what low..high times volume can be
    worth; ``length_us`` is the time from open to the end of the closing millisecond.
    """
    slack = batch["trade_count"] * QUOTE_STEP
    # A number, because column pairs of aware times trip over a deprecation between the two
    # libraries; it wraps for absurd times, never onto a real length.
    length_us = batch["close_time"].astype("int64") - batch["open_time"].astype("int64") + 1000
    with np.errstate(invalid="ignore", over="ignore"):
        return batch.drop(columns="raw").assign(
            body_low=batch[["open", "close"]].min(axis=1),
            body_high=batch[["open", "close"]].max(axis=1),
            least_quote_volume=batch["low"] * batch["volume"] * (1 - QUOTE_TOLERANCE) - slack,
            most_quote_volume=batch["high"] * batch["volume"] * (1 + QUOTE_TOLERANCE) + slack,
            length_us=length_us.where(batch[list(TIME_COLUMNS)].notna().all(axis=1)),
        )


def _expectations(terms: Terms) -> Iterator[tuple[str, gxe.Expectation]]:
    yield from _number_expectations()
    yield from _pair_expectations()
    yield from _time_expectations(terms)


def _number_expectations() -> Iterator[tuple[str, gxe.Expectation]]:
    for column in TIME_COLUMNS:
        yield "not_a_number", gxe.ExpectColumnValuesToNotBeNull(column=column)
    numbers = list(NUMBER_COLUMNS)
    yield "not_a_number", ExpectRowValuesToBeFinite(column_list=numbers, **EVERY_ROW)
    yield (
        "price_range",
        ExpectRowValuesToBeBetween(
            column_list=list(PRICE_COLUMNS), min_value=MIN_PRICE, max_value=MAX_PRICE, **EVERY_ROW
        ),
    )
    yield (
        "volume_range",
        ExpectRowValuesToBeBetween(
            column_list=list(VOLUME_COLUMNS), min_value=0, max_value=MAX_VOLUME, **EVERY_ROW
        ),
    )


def _pair_expectations() -> Iterator[tuple[str, gxe.Expectation]]:
    yield "ohlc_order", _at_least("body_low", "low")
    yield "ohlc_order", _at_least("high", "body_high")
    yield "taker_volume", _at_least("volume", "taker_buy_volume")
    yield "taker_volume", _at_least("quote_volume", "taker_buy_quote_volume")
    yield "quote_volume_unit", _at_least("quote_volume", "least_quote_volume")
    yield "quote_volume_unit", _at_least("most_quote_volume", "quote_volume")
    yield (
        "trade_count",
        ExpectTradeCountToFollowVolume(
            column_list=["volume", "trade_count"],
            max_count=MAX_TRADE_COUNT,
            ignore_row_if="any_value_is_missing",
        ),
    )


def _time_expectations(terms: Terms) -> Iterator[tuple[str, gxe.Expectation]]:
    server_time = from_ms(terms.server_time_ms)
    latest_open = from_ms(terms.server_time_ms + terms.timeframe.length_ms)
    yield (
        "off_grid",
        ExpectColumnValuesToFallOnGrid(column="open_time", length_us=terms.length_us),
    )
    yield (
        "truncated_candle",
        _between("length_us", min_value=terms.length_us, max_value=terms.length_us),
    )
    yield (
        "outside_span",
        _between(
            "open_time",
            min_value=terms.span.start_time,
            max_value=terms.span.end_time,
            strict_max=True,
        ),
    )
    yield "in_future", _between("open_time", max_value=latest_open)
    yield "unfinished", _between("close_time", max_value=server_time, strict_max=True)
    yield "duplicate_key", gxe.ExpectColumnValuesToBeUnique(column="open_time")
    yield OUT_OF_ORDER, gxe.ExpectColumnValuesToBeIncreasing(column="open_time")


def _between(column: str, **limits: Any) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, **limits)


def _at_least(larger: str, smaller: str) -> gxe.Expectation:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, or_equal=True, **KNOWN_PAIRS
    )


def _read_report(report: Any, rows: int) -> Findings:
    found = [_read_result(result) for result in report.results]
    breaches: Breaches = {rule: np.zeros(rows, dtype=np.bool_) for rule in RULES}
    for entry in found:
        if entry.rule != OUT_OF_ORDER:
            breaches[entry.rule][entry.rows] = True
    return Findings(
        engine=f"great_expectations {gx.__version__}",
        breaches=breaches,
        out_of_order=sum(len(entry.rows) for entry in found if entry.rule == OUT_OF_ORDER),
        expectations=found,
    )


def _read_result(result: Any) -> Found:
    config = result.expectation_config
    keys = ("column", "column_A", "column_B")
    columns = config.kwargs.get("column_list") or [
        config.kwargs[key] for key in keys if key in config.kwargs
    ]
    name = f"{config.type}({', '.join(columns)})"
    rows = result.result.get("unexpected_index_list")
    # An expectation that raised reports no rows; read as "none unexpected" it would let all pass.
    if rows is None or len(rows) != result.result["unexpected_count"]:
        raise FinalError(
            f"Great Expectations could not evaluate {name}: {result.exception_info}; "
            f"nothing of this batch was accepted"
        )
    return Found(name, config.meta["rule"], columns, np.asarray(rows, dtype=np.int64))
