"""The candle suite as Great Expectations, and one run of it over landed batches.

Importing this module costs seconds (Great Expectations): never at DAG parse, never in the live
path. Nothing is kept between runs: each gets an ephemeral context of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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

from include.market.candle import (
    DECLARABLE_COLUMNS,
    MAX_PRICE,
    MAX_VOLUME,
    PRICE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.market.errors import FinalError
from include.market.timeframe import Timeframe
from include.quality.candle_expectations import (
    ABSENT,
    ABSENT_BITS,
    ExpectAbsentRowValuesToBeMissing,
    ExpectColumnValuesToFallOnGrid,
    ExpectDueRowValuesToBeStated,
    ExpectRowValuesToBeBetween,
    ExpectTradeCountToFollowVolume,
)
from include.quality.landed import NUMBER_COLUMNS, Terms
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


def build_suite(timeframe: Timeframe) -> gx.ExpectationSuite:
    """Return the candle suite for batches of ``timeframe``; a context must be open.

    Every expectation carries the rule it guards in ``meta["rule"]``. It expects the columns of
    ``add_limits`` beside those of a normalised landed frame.
    """
    suite = gx.ExpectationSuite(name=SUITE_NAME)
    for rule, expectation in _expectations(timeframe):
        expectation.meta = {"rule": rule}
        expectation.severity = FailureSeverity(severity(rule))
        suite.add_expectation(expectation)
    return suite


def run_suite(batches: Sequence[tuple[pd.DataFrame, Terms]]) -> list[Findings]:
    """Validate normalised landed frames of one timeframe with the candle suite, in one run.

    A run costs about half a second whatever its size, so small batches are judged together, those
    of sources that state different columns too; the findings come back per batch, as if each had
    been judged alone.

    Raises:
        FinalError: Great Expectations could not evaluate one of the expectations.
    """
    if not batches:
        return []
    context = open_context()
    asset = context.data_sources.add_pandas("landing").add_dataframe_asset("candles")
    definition = gx.ValidationDefinition(
        name=SUITE_NAME,
        data=asset.add_batch_definition_whole_dataframe("whole"),
        suite=context.suites.add(build_suite(batches[0][1].timeframe)),
    )
    limits = [add_limits(batch, terms, number) for number, (batch, terms) in enumerate(batches)]
    report = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": pd.concat(limits, ignore_index=True)},
        result_format=RESULT_FORMAT,
    )
    return _read_report(report, [len(batch) for batch, _ in batches])


def add_limits(batch: pd.DataFrame, terms: Terms, number: int = 0) -> pd.DataFrame:
    """Return ``batch`` with what the expectations compare beyond single columns of a row.

    ``body_low`` and ``body_high`` are the lesser and greater of open and close;
    ``least_quote_volume`` and ``most_quote_volume`` bound what low..high times volume can be
    worth; ``batch`` is ``number``; ``absent`` names the columns declared absent, by their bits.
    The others are microseconds, NaN where a time is missing; a close time declared absent counts
    as the one that its open time calls for:
    ``length_us`` from open to the end of the closing millisecond, ``step_us`` since the open of
    the row before, ``since_start_us`` and ``until_end_us`` to the limits of the span,
    ``until_latest_us`` and ``until_now_us`` to what the venue's clock allows open and close.
    """
    slack = batch["trade_count"] * QUOTE_STEP
    opens, closes = _microseconds(batch["open_time"]), _microseconds(batch["close_time"])
    if "close_time" in terms.absent:
        closes = opens + (terms.length_us - 1000)
    server_us = terms.server_time_ms * 1000
    with np.errstate(invalid="ignore", over="ignore"):
        return batch.drop(columns="raw").assign(
            batch=number,
            absent=sum(ABSENT_BITS[name] for name in set(terms.absent)),
            body_low=batch[["open", "close"]].min(axis=1),
            body_high=batch[["open", "close"]].max(axis=1),
            least_quote_volume=batch["low"] * batch["volume"] * (1 - QUOTE_TOLERANCE) - slack,
            most_quote_volume=batch["high"] * batch["volume"] * (1 + QUOTE_TOLERANCE) + slack,
            length_us=closes - opens + 1000,
            step_us=opens.dropna().diff(),
            since_start_us=opens - terms.span.start_ms * 1000,
            until_end_us=terms.span.end_ms * 1000 - opens,
            # One candle of grace: a minute may turn between asking for the time and the candles.
            until_latest_us=server_us + terms.length_us - opens,
            until_now_us=server_us - closes,
        )


def _microseconds(times: pd.Series) -> pd.Series:
    """Return epoch microseconds as float64, NaN for NaT; exact for years 1685 to 2255.

    Numbers, because column pairs of aware times trip over a deprecation between Great
    Expectations and pandas; floats, because an integer difference of absurd times would wrap.
    """
    return times.astype("int64").astype("float64").where(times.notna())


def _expectations(timeframe: Timeframe) -> Iterator[tuple[str, gxe.Expectation]]:
    yield from _number_expectations()
    yield from _pair_expectations()
    yield from _time_expectations(timeframe.length_ms * 1000)


def _number_expectations() -> Iterator[tuple[str, gxe.Expectation]]:
    yield "not_a_number", gxe.ExpectColumnValuesToNotBeNull(column="open_time")
    due = ["close_time", *NUMBER_COLUMNS, ABSENT]
    yield "not_a_number", ExpectDueRowValuesToBeStated(column_list=due, **EVERY_ROW)
    absent = [*DECLARABLE_COLUMNS, ABSENT]
    yield "undeclared_value", ExpectAbsentRowValuesToBeMissing(column_list=absent, **EVERY_ROW)
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


def _time_expectations(length_us: int) -> Iterator[tuple[str, gxe.Expectation]]:
    yield (
        "off_grid",
        ExpectColumnValuesToFallOnGrid(column="open_time", length_us=length_us),
    )
    yield "truncated_candle", _between("length_us", min_value=length_us, max_value=length_us)
    yield "outside_span", _between("since_start_us", min_value=0)
    yield "outside_span", _between("until_end_us", min_value=0, strict_min=True)
    yield "in_future", _between("until_latest_us", min_value=0)
    yield "unfinished", _between("until_now_us", min_value=0, strict_min=True)
    yield (
        "duplicate_key",
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["batch", "open_time"], ignore_row_if="any_value_is_missing"
        ),
    )
    yield OUT_OF_ORDER, _between("step_us", min_value=0)


def _between(column: str, **limits: Any) -> gxe.Expectation:
    return gxe.ExpectColumnValuesToBeBetween(column=column, **limits)


def _at_least(larger: str, smaller: str) -> gxe.Expectation:
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, or_equal=True, **KNOWN_PAIRS
    )


def _read_report(report: Any, lengths: Sequence[int]) -> list[Findings]:
    found = [_read_result(result) for result in report.results]
    ends = np.cumsum(lengths)
    return [
        _findings_between(found, int(end) - rows, int(end))
        for rows, end in zip(lengths, ends, strict=True)
    ]


def _findings_between(found: Sequence[Found], start: int, end: int) -> Findings:
    """Return what was found in the rows [start, end) of the run, counted from ``start``."""
    mine = [
        replace(entry, rows=entry.rows[(entry.rows >= start) & (entry.rows < end)] - start)
        for entry in found
    ]
    breaches: Breaches = {rule: np.zeros(end - start, dtype=np.bool_) for rule in RULES}
    for entry in mine:
        if entry.rule != OUT_OF_ORDER:
            breaches[entry.rule][entry.rows] = True
    return Findings(
        engine=f"great_expectations {gx.__version__}",
        breaches=breaches,
        out_of_order=sum(len(entry.rows) for entry in mine if entry.rule == OUT_OF_ORDER),
        expectations=mine,
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
