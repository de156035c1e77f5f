"""History folded in machine code has the bits of the candles folded one by one."""

from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade import fold
from include.cascade.fold import fold_few, fold_many
from include.cascade.rollup import roll_up
from include.market.candle import ABSENT_COUNT, VOLUME_COLUMNS
from include.market.timeframe import M1, M5
from tests.support.warehouse import walk

NUMBERS = st.one_of(
    st.floats(0, 1e18, allow_subnormal=True),
    st.floats(0, 1e3).map(lambda number: round(number, 3)),
    st.sampled_from([0.0, 5e-324, 1e-300, 1e16, 1.0, 0.1, math.nan]),
)


@given(data=st.data(), lengths=st.lists(st.integers(1, 7), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_machine_code_and_numpy_give_the_same_bits(data: st.DataObject, lengths: list[int]) -> None:
    size = sum(lengths)
    values = {
        name: np.array(data.draw(st.lists(NUMBERS, min_size=size, max_size=size)))
        for name in (*VOLUME_COLUMNS, "high", "low")
    }
    for name in ("high", "low"):
        values[name] = np.nan_to_num(values[name], nan=1.0)
    counts = np.array(
        data.draw(
            st.lists(st.integers(0, 10**12) | st.just(ABSENT_COUNT), min_size=size, max_size=size)
        )
    )
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    few, many = fold_few(values, counts, first), fold_many(values, counts, first)
    assert few.keys() == many.keys()
    for name, column in few.items():
        assert column.tobytes() == many[name].tobytes(), name


def test_a_sum_beyond_doubles_is_an_error_and_not_infinity() -> None:
    values = dict.fromkeys((*VOLUME_COLUMNS, "high", "low"), np.full(3, 1.7e308))
    with pytest.raises(OverflowError):
        fold_many(values, np.ones(3, dtype=np.int64), np.array([0]))


def test_the_way_is_chosen_by_size_and_changes_nothing() -> None:
    frame = walk(1_000)
    with patch.object(fold, "BULK_CHILDREN", 10), patch.object(fold, "fold_few") as unused:
        many = roll_up(frame, M1, M5)
    assert not unused.called
    pd.testing.assert_frame_equal(many, roll_up(frame, M1, M5), check_exact=True)
