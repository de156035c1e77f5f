"""A cell shows what is absent, however little it is, the worst lowest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from include.market.errors import InvalidInputError
from include.report.coverage import CODES, STATES
from include.report.map_cells import (
    LEAST_HEIGHT,
    LEAST_WRONG_HEIGHT,
    bin_days,
    choose_width,
    rank_rows,
    stack_cell,
)
from tests.include.report.quality_maps import make_map


def counts(**states: int) -> NDArray[np.int32]:
    found = np.zeros(len(STATES), dtype=np.int32)
    for name, count in states.items():
        found[CODES[name]] = count
    return found


def test_a_whole_cell_and_an_empty_one_have_no_absent_part() -> None:
    assert stack_cell(counts(present=1440)) == []
    assert stack_cell(counts()) == []
    assert stack_cell(counts(pre_listing=700, present=740)) == []


def test_one_absent_candle_in_a_day_can_be_seen() -> None:
    [(code, height)] = stack_cell(counts(present=1439, outage=1))
    assert code == CODES["outage"]
    assert LEAST_HEIGHT <= height < LEAST_HEIGHT + 0.01


def test_one_unexplained_candle_is_not_hidden_by_a_long_outage() -> None:
    layers = stack_cell(counts(present=440, outage=999, unknown=1))
    assert [code for code, _ in layers] == [CODES["unknown"], CODES["outage"]]
    assert layers[0][1] >= LEAST_WRONG_HEIGHT / 2


def test_a_cell_without_any_candle_is_full_of_what_is_absent() -> None:
    layers = stack_cell(counts(no_trade=700, not_loaded=740, delisted=99))
    assert [code for code, _ in layers] == [CODES["not_loaded"], CODES["no_trade"]]
    assert sum(height for _, height in layers) == pytest.approx(1.0)


@given(st.lists(st.integers(0, 1440), min_size=len(STATES), max_size=len(STATES)))
def test_heights_stay_within_the_cell_and_every_absent_state_has_one(values: list[int]) -> None:
    cell = np.array(values, dtype=np.int32)
    layers = stack_cell(cell)
    shown = {code for code, _ in layers}
    assert shown == {
        code
        for code, state in enumerate(STATES)
        if values[code] and state.name not in ("present", "pre_listing", "delisted")
    }
    assert [code for code, _ in layers] == sorted(shown, reverse=True)
    assert sum(height for _, height in layers) <= 1 + 1e-9
    assert all(height >= 0.01 for _, height in layers)


@pytest.mark.parametrize(
    ("days", "width"), [(1, 1), (120, 1), (121, 2), (365, 7), (1096, 14), (10_000, 91)]
)
def test_columns_hold_as_many_days_as_they_must(days: int, width: int) -> None:
    assert choose_width(days, 120) == width
    assert choose_width(10**6, 1) == 10**6


def test_days_are_added_up_and_the_newest_column_is_whole() -> None:
    days = np.arange(1, 8).reshape(7, 1) * counts(present=1)
    assert bin_days(days, 3)[:, 0].tolist() == [1, 2 + 3 + 4, 5 + 6 + 7]
    assert bin_days(days, 7)[:, 0].tolist() == [28]
    assert bin_days(days, 1).tolist() == days.tolist()
    assert bin_days(np.stack([days, days]), 2)[1, :, 0].tolist() == [1, 5, 9, 13]
    with pytest.raises(InvalidInputError, match="was 0"):
        bin_days(days, 0)


def test_the_worst_row_comes_first() -> None:
    found = make_map(
        symbols=("A", "B", "C", "D", "E"),
        planted={
            ("1m", 1, 0): {"present": 440, "outage": 1000},
            ("4h", 3, 2): {"present": 5, "unknown": 1},
            ("1m", 4, 1): {"present": 1340, "not_loaded": 100},
            ("1m", 2, 1): {"present": 1, "pre_listing": 1439},
        },
    )
    assert rank_rows(found) == [3, 4, 1, 0, 2]
