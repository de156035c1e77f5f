"""Expectations that Great Expectations does not bring: what is stated, the time grid, trade counts.

Each is a metric (which rows are as expected) and an expectation class naming it, as the Great
Expectations documentation on custom map expectations describes. Importing this module registers
both. The base classes are untyped for us, hence the ignores.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import (
    ColumnMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    MulticolumnMapMetricProvider,
    column_condition_partial,
    multicolumn_condition_partial,
)

from include.market.candle import DECLARABLE_COLUMNS

ABSENT = "absent"
"""Name of the column that tells, row by row, what the row's source never states: bits added up."""

ABSENT_BITS = {name: 1 << place for place, name in enumerate(DECLARABLE_COLUMNS)}


class DueRowValuesStated(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose every value is a time or a finite number, but for the columns declared absent."""

    condition_metric_name = "multicolumn_values.candlewick_stated"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        for name in column_list.columns.drop(ABSENT):
            column = column_list[name]
            stated = column.notna() if column.dtype.kind == "M" else column.abs() < np.inf
            kept &= stated | _is_declared(column_list, name)
        return kept


class ExpectDueRowValuesToBeStated(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect a value in every column of ``column_list`` that ``ABSENT``, its last, does not name.

    A value is a time, or a number that is neither NaN nor infinite.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_stated"


class AbsentRowValuesMissing(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows that hold nothing in the columns declared absent."""

    condition_metric_name = "multicolumn_values.candlewick_absent"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        for name in column_list.columns.drop(ABSENT):
            kept &= column_list[name].isna() | ~_is_declared(column_list, name)
        return kept


class ExpectAbsentRowValuesToBeMissing(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect nothing in those columns of ``column_list`` that ``ABSENT``, its last, names."""

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_absent"


def _is_declared(rows: pd.DataFrame, name: str) -> pd.Series:
    return (rows[ABSENT] & ABSENT_BITS.get(name, 0)).ne(0)


class RowValuesBetween(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows with no value outside the limits; a missing value is not outside."""

    condition_metric_name = "multicolumn_values.candlewick_between"
    condition_value_keys = ("min_value", "max_value")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,
        column_list: pd.DataFrame,
        min_value: float,
        max_value: float,
        **kwargs: Any,
    ) -> pd.Series:
        return ~(column_list.lt(min_value) | column_list.gt(max_value)).any(axis=1)


class ExpectRowValuesToBeBetween(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect no value of ``column_list`` below ``min_value`` or above ``max_value``."""

    min_value: float
    max_value: float
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_between"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "min_value", "max_value")


class ColumnValuesOnGrid(ColumnMapMetricProvider):  # type: ignore[misc]
    """Times that are a whole number of candles after the Unix epoch."""

    condition_metric_name = "column_values.candlewick_on_grid"
    condition_value_keys = ("length_us",)

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: pd.Series, length_us: int, **kwargs: Any) -> pd.Series:
        return column.astype("int64").mod(length_us).eq(0)


class ExpectColumnValuesToFallOnGrid(ColumnMapExpectation):  # type: ignore[misc]
    """Expect times (microseconds, UTC) that are multiples of ``length_us`` since the epoch."""

    length_us: int
    map_metric: ClassVar[str] = "column_values.candlewick_on_grid"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "length_us")


class TradeCountFollowsVolume(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose count is whole, in range, and zero exactly when the volume is."""

    condition_metric_name = "multicolumn_values.candlewick_trade_count"
    condition_value_keys = ("max_count",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, max_count: int, **kwargs: Any) -> pd.Series:
        volume, count = column_list.iloc[:, 0], column_list.iloc[:, 1]
        whole = count.between(0, max_count) & count.mod(1).eq(0)
        return whole & volume.eq(0).eq(count.eq(0))


class ExpectTradeCountToFollowVolume(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect, in ``column_list`` (volume, trade count), a whole count, zero iff no volume."""

    max_count: int
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_trade_count"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "max_count")
