"""Expectations that Great Expectations does not bring: finite rows, the time grid, trade counts.

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


class RowValuesFinite(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose every value is a finite number."""

    condition_metric_name = "multicolumn_values.candlewick_finite"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        return column_list.abs().max(axis=1, skipna=False) < np.inf


class ExpectRowValuesToBeFinite(MulticolumnMapExpectation):  # type: ignore[misc]
    """Expect every value of ``column_list`` to be a number: neither NaN nor infinite."""

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_finite"


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
