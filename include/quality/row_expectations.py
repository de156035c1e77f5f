"""Expectations about every row on its own: what is stated, ranges, times on their grid, finality.

Each is a metric (which rows are as expected) and an expectation class naming it, as the Great
Expectations documentation on custom map expectations describes; importing the module registers
both. A comparison with a missing value is no breach: that the value is missing is one of its own.
Times are compared as epoch microseconds, UTC. The base classes are untyped for us, hence the
ignores.
"""

from __future__ import annotations

from html import escape
from typing import Any, ClassVar, Literal, Union

import numpy as np
import pandas as pd
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)
from great_expectations.render import LegacyDiagnosticRendererType, RenderedTableContent
from great_expectations.render.renderer.renderer import renderer

from include.market.candle import DECLARABLE_COLUMNS

ABSENT = "absent"
"""Name of the column that tells, row by row, what the row's source never states: bits added up."""

ABSENT_BITS = {name: 1 << place for place, name in enumerate(DECLARABLE_COLUMNS)}

Whole = Union[int, SuiteParameterDict]  # noqa: UP007 - pydantic 1 reads it at run time
Real = Union[float, SuiteParameterDict]  # noqa: UP007


class RowExpectation(MulticolumnMapExpectation):  # type: ignore[misc]
    """Base: looks at every row of ``column_list``, rows with missing values too.

    Texts and times that follow the columns an expectation speaks of tell people which row it is.
    """

    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "never"

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)  # type: ignore[untyped-decorator]
    def _diagnostic_unexpected_table_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None
    ) -> list[RenderedTableContent] | None:
        """Show unexpected rows in Data Docs with a column for each value, not strung together."""
        rows = result.result.get("partial_unexpected_list") if result else None
        if not rows:
            return None
        columns = result.expectation_config.kwargs["column_list"]
        # Which row it is comes first, then what is wrong with it.
        shown = sorted(columns, key=lambda name: isinstance(rows[0].get(name), int | float))
        return [
            RenderedTableContent(
                content_block_type="table",
                header_row=shown,
                # The pages take texts as they are, and symbols come from outside.
                table=[[escape(str(row.get(name, ""))) for name in shown] for row in rows],
                styling={"body": {"classes": ["table-sm"]}},
            )
        ]


class DueValuesStated(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose every value is a time or a finite number, but for the columns declared absent."""

    condition_metric_name = "multicolumn_values.candlewick_stated"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        for name in column_list.columns.drop(ABSENT, errors="ignore"):
            column = column_list[name]
            stated = column.abs() < np.inf if column.dtype.kind in "fiu" else column.notna()
            kept &= stated | is_declared(column_list, name)
        return kept


class ExpectDueRowValuesToBeStated(RowExpectation):
    """Expect a value in every column of ``column_list`` that ``ABSENT``, its last, does not name.

    A value is a time, a text, or a number that is neither NaN nor infinite. Without a column
    ``ABSENT`` every column is due.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_stated"


class AbsentValuesMissing(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows that hold nothing in the columns declared absent."""

    condition_metric_name = "multicolumn_values.candlewick_absent"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        for name in column_list.columns.drop(ABSENT):
            kept &= column_list[name].isna() | ~is_declared(column_list, name)
        return kept


class ExpectAbsentRowValuesToBeMissing(RowExpectation):
    """Expect nothing in those columns of ``column_list`` that ``ABSENT``, its last, names."""

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_absent"


def is_declared(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return which rows come from a source that declares column ``name`` absent."""
    if ABSENT not in rows:
        return pd.Series(False, index=rows.index)
    return (rows[ABSENT] & ABSENT_BITS.get(name, 0)).ne(0)


class RowValuesBetween(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows with no value outside the limits; a missing value is not outside."""

    condition_metric_name = "multicolumn_values.candlewick_between"
    condition_value_keys = ("min_value", "max_value")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column_list: pd.DataFrame, min_value: float, max_value: float, **kwargs: Any
    ) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        for name in column_list:
            column = column_list[name]
            if column.dtype.kind in "fiu":
                kept &= ~(column.lt(min_value) | column.gt(max_value))
        return kept


class ExpectRowValuesToBeBetween(RowExpectation):
    """Expect no number of ``column_list`` below ``min_value`` or above ``max_value``."""

    min_value: Real
    max_value: Real
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_between"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "min_value", "max_value")


class TimesOnGrid(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose time is where its bucket begins."""

    condition_metric_name = "multicolumn_values.candlewick_on_grid"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        instant, bucket = column_list.iloc[:, 0], column_list.iloc[:, 1]
        return instant.isna() | instant.eq(bucket)


class ExpectTimesToFallOnGrid(RowExpectation):
    """Grid alignment: expect the first of ``column_list`` (a time) to equal the second.

    The second is the beginning of the bucket that holds the time, reckoned from its timeframe:
    whole minutes, hours or days since the Unix epoch, weeks from Monday, calendar months, UTC.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_on_grid"


class TimesAhead(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose first time lies before their second."""

    condition_metric_name = "multicolumn_values.candlewick_final"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        return ~column_list.iloc[:, 0].ge(column_list.iloc[:, 1])


class ExpectRowsToBeFinal(RowExpectation):
    """Finality: expect the first of ``column_list`` to lie before the second.

    The first is the last instant a row speaks of, the second what the venue's clock showed before
    the row was asked for: what ends then or later may still change.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_final"


class ValuesOrdered(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose first value is at most their second."""

    condition_metric_name = "multicolumn_values.candlewick_at_most"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        return ~column_list.iloc[:, 0].gt(column_list.iloc[:, 1])


class ExpectValueToBeAtMost(RowExpectation):
    """Expect the first of ``column_list`` to be at most the second, where both are known."""

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_at_most"
