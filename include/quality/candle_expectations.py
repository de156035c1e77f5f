"""Expectations about candles: order of prices, units, counts, and what their children say.

Built as ``row_expectations`` describes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)

from include.quality.row_expectations import Real, RowExpectation, Whole

CHILDREN: Final = "children_"
"""Prefix of the columns that hold what a candle's stored children add up to."""


class CandlesOrdered(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose open and close lie within low and high."""

    condition_metric_name = "multicolumn_values.candlewick_ordered"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        opened, high, low, close = (column_list.iloc[:, place] for place in range(4))
        # Of open and close the known one counts where the other is missing.
        lowest = pd.Series(np.fmin(opened, close), index=column_list.index)
        highest = pd.Series(np.fmax(opened, close), index=column_list.index)
        return ~(lowest.lt(low) | highest.gt(high))


class ExpectCandlesToBeOrdered(RowExpectation):
    """OHLC order: expect, in ``column_list`` (open, high, low, close), low <= open, close <= high.

    What is missing breaks no order.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_ordered"


class QuoteVolumePlausible(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose quote volume is what their volume was worth somewhere between low and high."""

    condition_metric_name = "multicolumn_values.candlewick_quote_volume"
    condition_value_keys = ("tolerance", "step")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column_list: pd.DataFrame, tolerance: float, step: float, **kwargs: Any
    ) -> pd.Series:
        low, high, volume, quote, count = (column_list.iloc[:, place] for place in range(5))
        slack = count * step
        with np.errstate(invalid="ignore", over="ignore"):
            least = low * volume * (1 - tolerance) - slack
            most = high * volume * (1 + tolerance) + slack
        return ~(quote.lt(least) | quote.gt(most))


class ExpectQuoteVolumeToMatchPrices(RowExpectation):
    """Unit of volumes: expect the quote volume within low..high times the volume.

    ``column_list`` is low, high, volume, quote_volume, trade_count. ``tolerance`` is relative;
    ``step`` is what each trade may have been rounded by, in quote units. Contracts instead of
    coins, or base and quote in each other's place, are off by far more.
    """

    tolerance: Real
    step: Real
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_quote_volume"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "tolerance", "step")


class TradeCountFollowsVolume(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose count is whole, in range, and zero exactly when the volume is."""

    condition_metric_name = "multicolumn_values.candlewick_trade_count"
    condition_value_keys = ("max_count",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, max_count: int, **kwargs: Any) -> pd.Series:
        volume, count = column_list.iloc[:, 0], column_list.iloc[:, 1]
        whole = count.between(0, max_count) & count.mod(1).eq(0)
        return volume.isna() | count.isna() | (whole & volume.eq(0).eq(count.eq(0)))


class ExpectTradeCountToFollowVolume(RowExpectation):
    """Expect, in ``column_list`` (volume, trade count), a whole count, zero iff no volume."""

    max_count: Whole
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_trade_count"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "max_count")


class CandlesMatchChildren(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows that say what their stored children add up to."""

    condition_metric_name = "multicolumn_values.candlewick_children"
    condition_value_keys = ("tolerance",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, tolerance: float, **kwargs: Any) -> pd.Series:
        kept = pd.Series(True, index=column_list.index)
        own = [name for name in column_list if f"{CHILDREN}{name}" in column_list]
        for name in own:
            stated, summed = column_list[name], column_list[f"{CHILDREN}{name}"]
            apart = (stated - summed).abs()
            kept &= ~(apart > tolerance * summed.abs()) & ~(summed.notna() & stated.isna())
        return kept


class ExpectCandlesToMatchChildren(RowExpectation):
    """Cross-resolution consistency: expect each column to equal its ``children_`` twin.

    ``column_list`` holds, say, ``open`` and ``children_open``: the open of the first child; high
    and low are the extremes, close that of the last, the others sums. ``tolerance`` is relative:
    sums of doubles depend on the order of adding, in the last digits only. A missing twin says
    nothing: the children do not state it, or are still on their way.
    """

    tolerance: Real
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_children"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "tolerance")
