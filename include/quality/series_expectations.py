"""Expectations about a row and the one before it: continuity, ids, funding; and about forecasts.

Built as ``row_expectations`` describes. The row before is that of the same instrument, so whoever
builds the frame puts its values beside each row; the first row of an instrument has none.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)

from include.quality.row_expectations import Real, RowExpectation, Whole


class NothingMissing(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows before which as many are absent as the ledger explains."""

    condition_metric_name = "multicolumn_values.candlewick_continuous"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        missing, explained = column_list.iloc[:, 0], column_list.iloc[:, 1]
        return ~missing.gt(explained)


class ExpectSeriesToBeContinuous(RowExpectation):
    """Continuity: expect no more rows absent just before a row than are explained.

    ``column_list`` is the number of places of the grid between a row and the one before it, and
    how many of these the ledger explains (outage, no trade, not listed yet …).
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_continuous"


class TradeIdsContinuous(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose id follows the one before, where the venue promises ids without holes."""

    condition_metric_name = "multicolumn_values.candlewick_trade_ids"

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:
        step, explained = column_list.iloc[:, 0], column_list.iloc[:, 1]
        return ~step.gt(1 + explained)


class ExpectTradeIdsToBeContinuous(RowExpectation):
    """Trade-id continuity: expect no id to be more than one above the one before it.

    ``column_list`` is the step from the id before (missing for the first trade of an instrument
    and where the venue promises nothing) and how many ids between the two are known to be holes.
    """

    map_metric: ClassVar[str] = "multicolumn_values.candlewick_trade_ids"


class FundingOnTime(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows one known interval after the payment before, give or take the jitter."""

    condition_metric_name = "multicolumn_values.candlewick_funding"
    condition_value_keys = ("intervals_ms", "jitter_ms")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls, column_list: pd.DataFrame, intervals_ms: list[int], jitter_ms: int, **kwargs: Any
    ) -> pd.Series:
        step, stated = column_list.iloc[:, 0], column_list.iloc[:, 1]
        # A repeated instant is a fault of its own.
        known = step.eq(0)
        for interval_ms in intervals_ms:
            known |= (step - interval_ms).abs() <= jitter_ms
        told = stated.le(0) | stated.isin(intervals_ms)
        late = stated.gt(0) & (step > stated + jitter_ms)
        return told & ~late & (step.isna() | known)


class ExpectFundingToKeepItsInterval(RowExpectation):
    """Funding interval: expect a payment one of ``intervals_ms`` after the one before it.

    ``column_list`` is the step from the payment before and the interval the venue states, both
    milliseconds; the step may be missing, a stated interval at or below 0 is none. A stated
    interval must be a known one and no payment may be later than it says; earlier ones happen
    when a venue shortens the interval. Payments lie up to ``jitter_ms`` beside the full hour.
    """

    intervals_ms: list[int]
    jitter_ms: Whole
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_funding"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "intervals_ms", "jitter_ms")


class KeysOnce(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows that repeat no earlier row's key, or repeat it in the other way."""

    condition_metric_name = "multicolumn_values.candlewick_keys_once"
    condition_value_keys = ("alike",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, alike: bool, **kwargs: Any) -> pd.Series:
        key, *values = column_list.columns
        again = column_list[key].duplicated()
        first = column_list[~again].set_index(key)[values].reindex(column_list[key])
        first.index = column_list.index
        own = column_list[values]
        equal = (own.eq(first) | (own.isna() & first.isna())).all(axis=1)
        return ~(again & (equal if alike else ~equal))


class ExpectKeysNotToRepeat(RowExpectation):
    """Expect no row to repeat the key of an earlier one.

    ``column_list`` is the key and the values. With ``alike`` only rows that repeat the values too
    are unexpected, without it only those that contradict them.
    """

    alike: bool
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_keys_once"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "alike")


class ProbabilitiesWhole(MulticolumnMapMetricProvider):  # type: ignore[misc]
    """Rows whose probabilities lie in 0..1 and add up to 1."""

    condition_metric_name = "multicolumn_values.candlewick_probabilities"
    condition_value_keys = ("tolerance",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, tolerance: float, **kwargs: Any) -> pd.Series:
        total, least, greatest = (column_list.iloc[:, place] for place in range(3))
        return (total - 1).abs().le(tolerance) & least.ge(0) & greatest.le(1)


class ExpectProbabilitiesToAddUp(RowExpectation):
    """Expect probabilities that add up to 1, give or take ``tolerance``, each within 0..1.

    ``column_list`` is their sum, the least and the greatest of them.
    """

    tolerance: Real
    map_metric: ClassVar[str] = "multicolumn_values.candlewick_probabilities"
    success_keys: ClassVar[tuple[str, ...]] = ("mostly", "tolerance")
