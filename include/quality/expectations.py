"""One run of the candle suite at the gate, over landed batches, as Great Expectations.

The suite, its data source and its batch definition are those of the project's file context
(``project``). Importing this module costs seconds (Great Expectations): never at DAG parse, never
in the live path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd

from include.market.errors import FinalError
from include.quality.landed import Terms
from include.quality.project import batch_definition, open_project
from include.quality.row_expectations import ABSENT, ABSENT_BITS
from include.quality.rules import RULES, Breaches
from include.quality.suites import LANDED_CANDLES
from include.quality.verdict import OUT_OF_ORDER, Findings, Found

ENGINE = f"great_expectations {gx.__version__}"

ROW_BY_ROW = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
    "include_unexpected_rows": False,
}


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
    limits = [add_limits(batch, terms, number) for number, (batch, terms) in enumerate(batches)]
    found = evaluate(LANDED_CANDLES, pd.concat(limits, ignore_index=True))
    ends = np.cumsum([len(batch) for batch, _ in batches])
    return [
        _findings_between(found, int(end) - len(batch), int(end))
        for (batch, _), end in zip(batches, ends, strict=True)
    ]


def evaluate(suite: str, frame: pd.DataFrame) -> list[Found]:
    """Return which rows of ``frame`` each expectation of ``suite`` did not expect, in its order.

    The batch is validated, not a checkpoint run: nothing is stored, so that hundreds of thousands
    of refused rows are not written down a second time as JSON.

    Raises:
        FinalError: Great Expectations could not evaluate one of the expectations.
    """
    with open_project() as context:
        batch = batch_definition(context, suite).get_batch(batch_parameters={"dataframe": frame})
        report = batch.validate(context.suites.get(suite), result_format=ROW_BY_ROW)
        return [_read_result(result) for result in report.results]


def add_limits(batch: pd.DataFrame, terms: Terms, number: int = 0) -> pd.DataFrame:
    """Return an aligned ``batch`` with what the expectations compare beyond columns of a row.

    ``batch`` is ``number``; ``absent`` names the columns declared absent, by their bits;
    ``grid_time`` is where the bucket of the open time begins, ``latest_time`` and ``server_time``
    are what the venue's clock allows open and end. The others are
    microseconds, NaN where a time is missing: ``excess_us`` how much longer the candle lasts than
    its timeframe, ``step_us`` since the open of the row before, ``since_start_us`` and
    ``until_end_us`` to the limits of the span.
    """
    opens, ends = microseconds(batch["open_time"]), microseconds(batch["end_time"])
    server = pd.Timestamp(terms.server_time_ms, unit="ms", tz="UTC").as_unit("us")
    excess_us = ends - opens + 1000 - terms.length_us
    return batch.drop(columns="raw").assign(
        batch=number,
        **{ABSENT: sum(ABSENT_BITS[name] for name in set(terms.absent))},
        grid_time=grid_times(batch["open_time"], terms),
        # What was flagged has been found to have the length it should.
        excess_us=excess_us.where(batch["flags"].eq(0), 0.0),
        server_time=server,
        # One candle of grace: a minute may turn between asking for the time and the candles.
        latest_time=server + pd.Timedelta(terms.length_us, unit="us").as_unit("us"),
        step_us=opens.dropna().diff(),
        since_start_us=opens - terms.span.start_ms * 1000,
        until_end_us=terms.span.end_ms * 1000 - opens,
    )


def grid_times(times: pd.Series, terms: Terms) -> pd.Series:
    """Return where the buckets of ``times`` begin, NaT where a time is missing."""
    epoch_us = times.astype("int64")
    return times.where(times.isna(), times - pd.to_timedelta(epoch_us % terms.length_us, unit="us"))


def microseconds(times: pd.Series) -> pd.Series:
    """Return epoch microseconds as float64, NaN for NaT; exact for years 1685 to 2255.

    Floats, because an integer difference of absurd times would wrap.
    """
    return times.astype("int64").astype("float64").where(times.notna())


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
        engine=ENGINE,
        breaches=breaches,
        out_of_order=sum(len(entry.rows) for entry in mine if entry.rule == OUT_OF_ORDER),
        expectations=mine,
    )


def _read_result(result: Any) -> Found:
    config = result.expectation_config
    columns = columns_of(config)
    name = f"{config.type}({', '.join(columns)})"
    rows = result.result.get("unexpected_index_list")
    # An expectation that raised reports no rows; read as "none unexpected" it would let all pass.
    if rows is None or len(rows) != result.result["unexpected_count"]:
        raise FinalError(
            f"Great Expectations could not evaluate {name}: {result.exception_info}; "
            f"nothing of this batch was accepted"
        )
    return Found(name, config.meta["rule"], columns, np.asarray(rows, dtype=np.int64))


def columns_of(config: Any) -> list[str]:
    """Return the columns an expectation's configuration names."""
    keys = ("column", "column_A", "column_B")
    return config.kwargs.get("column_list") or [
        config.kwargs[key] for key in keys if key in config.kwargs
    ]
