"""History in machine code on all cores: where its shortcuts end, and where runs are cut."""

from __future__ import annotations

import math
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade import bulk_fold, rollup
from include.cascade.buckets import cut_runs
from include.cascade.bulk_fold import fold_history
from include.cascade.fold import join_flags
from include.cascade.rollup import roll_up_series
from include.cascade.series import SeriesCandles
from include.market.candle import FLOAT_COLUMNS, VOLUME_COLUMNS
from include.market.timeframe import H4, M1, M5, Timeframe

# Around both bounds that the exactness of a sum rests on, and far beyond them.
SIZES = st.tuples(
    st.floats(1.0, 2.0, exclude_max=True),
    st.sampled_from([-70, -45, -41, -40, -39, -30, -13, 0, 1]),
).map(lambda parts: parts[0] * 2.0 ** parts[1])


ENDLESS = Timeframe(60_000 * 65_536, "65536m")


def sums_of(values: list[float], first: list[int] | None = None) -> list[float]:
    """Return the sums of runs that begin at ``first``, each of an instrument of its own."""
    count = len(values)
    lengths = np.diff([*(first or [0]), count])
    owners = np.repeat(np.arange(len(lengths)), lengths)
    opens = np.concatenate([np.arange(length) for length in lengths]) * 60_000_000
    whole = np.zeros(count, dtype=np.int64)
    cells = {**dict.fromkeys(FLOAT_COLUMNS, np.array(values)), "trade_count": whole, "flags": whole}
    folded = fold_history(SeriesCandles(owners, opens, cells), M1, ENDLESS)
    return folded.cells["volume"].tolist()


@settings(max_examples=150, deadline=None)
@given(values=st.lists(st.one_of(SIZES, SIZES.map(lambda size: -size), st.just(0.0)),
                       min_size=1, max_size=40))  # fmt: skip
def test_a_sum_is_rounded_once_whatever_its_terms(values: list[float]) -> None:
    assert sums_of(values) == [math.fsum(values)]


def test_terms_too_far_apart_for_the_bound_are_rounded_once() -> None:
    """What rounding loses here has more bits than a double: it must not be rounded on its own."""
    values = [1.0, 3 * 2.0**-55, 2.0**-55 * (1 + 2.0**-52)]
    assert sums_of(values) == [math.fsum(values)] == [1 + 2.0**-52]


@pytest.mark.parametrize("count", [8191, 8192, 8193, 50_000])
def test_a_run_too_long_for_the_bound_is_summed_exactly_too(count: int) -> None:
    draw = np.random.default_rng(count)
    values = (draw.random(count) * 2.0 ** draw.integers(-38, 1, count)).tolist()
    assert sums_of(values) == [math.fsum(values)]


def test_every_run_gets_its_share_on_any_number_of_cores() -> None:
    draw = np.random.default_rng(1)
    values = draw.exponential(10, 300).tolist()
    first = [0, 1, 5, 7, 100, 101, 250, 299]
    edges = [*first, 300]
    exact = [math.fsum(values[begin:end]) for begin, end in pairwise(edges)]
    for cores in (1, 2, 3, 5, 8, 64):
        with patch.object(bulk_fold.os, "cpu_count", return_value=cores):
            assert sums_of(values, first) == exact


def test_instruments_that_share_a_bucket_are_not_mixed() -> None:
    """The last minute of one and the first of the next open in one bucket."""
    times = np.array([0, 60_000_000, 120_000_000, 60_000_000]) + 300_000_000
    first, _ = cut_runs(np.array([1, 1, 2, 3]), times, M5)
    assert first.tolist() == [0, 2, 3]


def test_flags_of_a_run_are_joined() -> None:
    first = np.array([0, 2, 3])
    assert join_flags(np.array([1, 2, 0, 4, 4]), first).tolist() == [3, 0, 4]
    assert join_flags(np.zeros(5, dtype=np.int64), first).tolist() == [0, 0, 0]


def test_a_long_history_is_what_its_parts_are() -> None:
    """The bulk way and the live way give the same bits, level after level."""
    count, draw = 1440, np.random.default_rng(5)
    cells = {name: draw.uniform(1, 2, 3 * count).round(4) for name in ("open", "close")}
    cells |= {"high": np.full(3 * count, 3.0), "low": np.full(3 * count, 0.5)}
    cells |= {name: draw.exponential(5, 3 * count).round(3) for name in VOLUME_COLUMNS}
    whole = {**cells, "trade_count": draw.integers(0, 9, 3 * count),
             "flags": draw.integers(0, 4, 3 * count)}  # fmt: skip
    owners = np.repeat([3, 4, 8], count)
    opens = np.tile(np.arange(count) * 60_000_000, 3)
    kept = draw.random(3 * count) < 0.9
    minutes = SeriesCandles(owners, opens, whole).take(kept)
    for source, target in ((M1, M5), (M1, H4)):
        live = roll_up_series(minutes, source, target)
        with (
            patch.object(rollup, "BULK_CHILDREN", 1),
            patch.object(rollup, "fold_few") as unused,
        ):
            bulk = roll_up_series(minutes, source, target)
        assert not unused.called
        assert bulk.open_us.tobytes() == live.open_us.tobytes()
        for name, column in live.cells.items():
            assert bulk.cells[name].tobytes() == column.tobytes(), name
