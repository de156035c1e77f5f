"""Rows that lack the same columns go in one part, without these columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.market.candle import ABSENT_COUNT, OPTIONAL_COLUMNS
from include.market.errors import ContractError
from include.market.timeframe import M5
from include.warehouse.staging import stage_natural, stage_resolved
from tests.support.warehouse import candles, walk, without


def coarse(count: int) -> pd.DataFrame:
    frame = candles(range(count), timeframe=M5)
    return frame.assign(instrument_id=1, children_present=5, children_expected=5)


def test_rows_that_lack_nothing_are_one_part_of_every_column() -> None:
    staged = stage_natural(walk(9), venue="v", symbol="s")
    (part,) = staged.parts
    assert set(OPTIONAL_COLUMNS) < set(part.columns)
    assert staged.count == 9
    (empty,) = stage_natural(walk(9)[:0], venue="v", symbol="s").parts
    assert empty.columns == part.columns


def test_what_a_source_never_states_is_not_sent_at_all() -> None:
    (full,) = stage_natural(walk(9), venue="v", symbol="s").parts
    for lacking in (OPTIONAL_COLUMNS, OPTIONAL_COLUMNS[3:], OPTIONAL_COLUMNS[:1]):
        (part,) = stage_natural(without(walk(9), *lacking), venue="v", symbol="s").parts
        assert list(part.columns) == [name for name in full.columns if name not in lacking]
        assert len(full.payload) - len(part.payload) == 9 * len(lacking) * (4 + 8)


def test_coarse_rows_are_parted_by_what_they_lack() -> None:
    frame = coarse(6)
    frame.loc[[0, 3, 4], "quote_volume"] = np.nan
    frame.loc[[3, 5], "trade_count"] = ABSENT_COUNT
    staged = stage_resolved(frame)
    found = {
        frozenset(OPTIONAL_COLUMNS) - frozenset(part.columns): part.payload for part in staged.parts
    }
    rows = {
        frozenset[str](): [1, 2],
        frozenset({"quote_volume"}): [0, 4],
        frozenset({"trade_count"}): [5],
        frozenset({"quote_volume", "trade_count"}): [3],
    }
    assert found.keys() == rows.keys()
    (width,) = {
        (len(payload) - 21) // len(rows[lacking]) + 12 * len(lacking)
        for lacking, payload in found.items()
    }
    assert width == (len(stage_resolved(coarse(6)).parts[0].payload) - 21) // 6
    assert staged.count == 6


@pytest.mark.parametrize("column", OPTIONAL_COLUMNS)
def test_a_source_that_states_a_column_now_and_then_is_refused(column: str) -> None:
    frame = walk(9)
    frame.loc[[2, 7], column] = ABSENT_COUNT if column == "trade_count" else np.nan
    with pytest.raises(ContractError, match=f"{column}: expected .* all 9 rows .* absent from 2"):
        stage_natural(frame, venue="v", symbol="s")
