"""History folded in machine code has the bits of the candles folded one by one."""

from __future__ import annotations

import math
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade import rollup
from include.cascade.bulk_fold import fold_history
from include.cascade.rollup import roll_up, roll_up_series
from include.cascade.series import SeriesCandles
from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, MAX_FLAGS, VOLUME_COLUMNS
from include.market.timeframe import H4, M1, M5, M30, W1, Timeframe
from tests.support.warehouse import walk

NUMBERS = st.one_of(
    st.floats(0, 1e18, allow_subnormal=True),
    st.floats(0, 1e3).map(lambda number: round(number, 3)),
    st.sampled_from([0.0, 5e-324, 1e-300, 1e16, 1.0, 0.1, math.nan]),
)
STRETCHES = st.lists(
    st.tuples(
        st.integers(-9000, 9000),
        st.lists(st.integers(1, 9).map(lambda step: step if step > 6 else 1), max_size=30),
    ),
    min_size=1,
    max_size=4,
)
"""Of each instrument its first minute, and how many minutes its candles lie apart."""
MINUTE_US = 60_000_000


def laid_out(stretches: list[tuple[int, list[int]]]) -> tuple[np.ndarray, np.ndarray]:
    opens = [np.cumsum([first, *steps]) * MINUTE_US for first, steps in stretches]
    owners = [np.full(len(part), 3 * place + 1) for place, part in enumerate(opens)]
    return np.concatenate(owners), np.concatenate(opens)


def some_candles(owners: np.ndarray, opens: np.ndarray, seed: int) -> SeriesCandles:
    draw, count = np.random.default_rng(seed), len(opens)
    cells = {name: draw.exponential(9, count).round(3) for name in FLOAT_COLUMNS}
    counts, flags = draw.integers(0, 10**12, count), draw.integers(0, MAX_FLAGS + 1, count)
    return SeriesCandles(owners, opens, {**cells, "trade_count": counts, "flags": flags})


def in_both_ways(
    children: SeriesCandles, source: Timeframe, target: Timeframe
) -> tuple[SeriesCandles, SeriesCandles]:
    with patch.object(rollup, "BULK_CHILDREN", math.inf):
        few = roll_up_series(children, source, target)
    return few, fold_history(children, source, target)


def check_same_bits(few: SeriesCandles, many: SeriesCandles) -> None:
    assert few.cells.keys() == many.cells.keys()
    assert few.owners.tobytes() == many.owners.tobytes()
    assert few.open_us.tobytes() == many.open_us.tobytes()
    for name, column in few.cells.items():
        assert column.dtype == many.cells[name].dtype
        assert column.tobytes() == many.cells[name].tobytes(), name


@given(data=st.data(), stretches=STRETCHES)
@settings(max_examples=80, deadline=None)
def test_machine_code_and_numpy_give_the_same_bits(
    data: st.DataObject, stretches: list[tuple[int, list[int]]]
) -> None:
    seed = data.draw(st.integers(0, 10**6))
    children, draw = some_candles(*laid_out(stretches), seed=seed), np.random.default_rng(seed)
    for name in VOLUME_COLUMNS:
        numbers = data.draw(st.lists(NUMBERS, min_size=1, max_size=9))
        children.cells[name][:] = draw.choice(numbers, len(children))
    is_absent = draw.random(len(children)) < data.draw(st.sampled_from([0, 0.05, 1]))
    children.cells["trade_count"][is_absent] = ABSENT_COUNT
    target = data.draw(st.sampled_from([M5, M30, H4, W1, Timeframe(180_000, "3m")]))
    check_same_bits(*in_both_ways(children, M1, target))


@pytest.mark.parametrize("missing", [0, 1, 40])
@pytest.mark.parametrize("minutes", [5, 6, 8, 10])
def test_a_history_in_blocks_has_the_same_bits(missing: int, minutes: int) -> None:
    """Long enough for blocks of every size; with holes, none and a few; short instruments.

    Each instrument begins, within a bucket, at the very minute at which the one before it ends.
    """
    draw = np.random.default_rng(minutes)
    lengths, starts = [9_000, 3, 700, 5_000], [-4_321, 4_679, 4_682, 5_382]
    owners = np.repeat([1, 2, 5, 9], lengths)
    opens = np.concatenate(
        [np.arange(first, first + n) for first, n in zip(starts, lengths, strict=True)]
    )
    kept = np.ones(len(opens), dtype=np.bool_)
    kept[draw.choice(len(opens), missing, replace=False)] = False
    children = some_candles(owners[kept], opens[kept] * MINUTE_US, seed=missing)
    target = Timeframe(60_000 * minutes, f"{minutes}m")
    few, many = in_both_ways(children, M1, target)
    check_same_bits(few, many)
    assert (many.cells["children_present"] < minutes).any()


def test_memory_that_nobody_may_write_is_read_all_the_same() -> None:
    children = some_candles(*laid_out([(0, [1] * 30)]), seed=1)
    message = np.frombuffer(b"?" + children.cells["open"].tobytes(), dtype=np.float64, offset=1)
    assert not message.flags.aligned
    assert not message.flags.writeable
    column = np.repeat(children.cells["close"], 2)[::2]
    unlike = SeriesCandles(
        children.owners, children.open_us, {**children.cells, "open": message, "close": column}
    )
    check_same_bits(fold_history(children, M1, M5), fold_history(unlike, M1, M5))


def test_a_sum_beyond_doubles_is_an_error_and_not_infinity() -> None:
    children = some_candles(*laid_out([(0, [1, 1])]), seed=1)
    children.cells["volume"][:] = 1.7e308
    with pytest.raises(OverflowError):
        fold_history(children, M1, M5)


def test_the_way_is_chosen_by_size_and_changes_nothing() -> None:
    frame = walk(1_000)
    with patch.object(rollup, "BULK_CHILDREN", 10), patch.object(rollup, "fold_few") as unused:
        many = roll_up(frame, M1, M5)
    assert not unused.called
    pd.testing.assert_frame_equal(many, roll_up(frame, M1, M5), check_exact=True)
