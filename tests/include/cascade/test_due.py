"""What is due, against a bucket-by-bucket account; and many instruments rolled up as one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from include.cascade.due import find_due
from include.cascade.rollup import roll_up, roll_up_series
from include.cascade.series import SeriesCandles
from include.market.candle import (
    CANDLE_COLUMNS,
    COARSE_COLUMNS,
    PRICE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.market.span import Span, merge_spans
from include.market.timeframe import H4, M1, M5, M30, MO1, W1, Timeframe
from tests.include.cascade.frames import STEPS, children, frame_of

MINUTE = M1.length_ms
TARGETS = st.sampled_from([M5, M30])
places = st.integers(min_value=-40, max_value=200)
spans = st.tuples(places, places).map(lambda pair: Span(min(pair) * MINUTE, max(pair) * MINUTE))
some_spans = st.lists(spans, max_size=4)


def buckets(parts: list[Span], target: Timeframe) -> set[int]:
    return {
        open_ms for part in parts for open_ms in range(part.start_ms, part.end_ms, target.length_ms)
    }


def minutes_of(parts: list[Span]) -> set[int]:
    return {minute for part in parts for minute in range(part.start_ms, part.end_ms, MINUTE)}


@settings(max_examples=150, deadline=None)
@given(
    changed=st.dictionaries(st.integers(1, 4), some_spans.filter(any), min_size=1),
    proven=st.dictionaries(st.integers(1, 4), some_spans),
    built=st.dictionaries(st.integers(1, 4), some_spans),
    retired=st.lists(spans, max_size=1),
    target=TARGETS,
)
def test_due_is_what_is_touched_and_proven_or_built_and_not_retired(
    changed: dict[int, list[Span]],
    proven: dict[int, list[Span]],
    built: dict[int, list[Span]],
    retired: list[Span],
    target: Timeframe,
) -> None:
    # Only whole buckets are ever built.
    whole = {
        owner: [Span(target.floor_ms(s.start_ms), target.floor_ms(s.end_ms)) for s in parts]
        for owner, parts in built.items()
    }
    due = find_due(changed, proven, whole, retired, target)
    out = {target.floor_ms(minute) for minute in minutes_of(retired)}
    found = {owner: [s for other, s in due.rebuilt if other == owner] for owner in changed}
    settled = {owner: [s for other, s in due.proven if other == owner] for owner in changed}
    for owner, parts in changed.items():
        touched = {target.floor_ms(minute) for minute in minutes_of(parts)} - out
        known = minutes_of(proven.get(owner, []))
        sure = {
            open_ms
            for open_ms in touched
            if known.issuperset(range(open_ms, open_ms + target.length_ms, MINUTE))
        }
        once = {open_ms for open_ms in touched if open_ms in minutes_of(whole.get(owner, []))}
        assert buckets(found[owner], target) == sure | once
        assert buckets(settled[owner], target) == sure
        assert found[owner] == merge_spans(found[owner]), "disjoint, in order"


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_many_instruments_are_rolled_up_as_each_alone(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(STEPS))
    frames = [
        frame_of(data.draw(children(source, target))).sort_values("open_time")
        for _ in range(data.draw(st.integers(1, 4)))
    ]
    together = pd.concat(frames, ignore_index=True)
    owners = np.repeat(np.arange(len(frames)) * 7 + 1, [len(frame) for frame in frames])
    cells = {name: together[name].to_numpy() for name in CANDLE_COLUMNS[1:]}
    opens = together["open_time"].astype("int64").to_numpy()
    rolled = roll_up_series(SeriesCandles(owners, opens, cells), source, target)
    for place, frame in enumerate(frames):
        own = rolled.take(rolled.owners == place * 7 + 1)
        alone = roll_up(frame, source, target)
        assert own.open_us.tolist() == alone["open_time"].astype("int64").tolist()
        for name in COARSE_COLUMNS[1:]:
            assert own.cells[name].tobytes() == alone[name].to_numpy().tobytes(), name


def test_two_instruments_that_share_a_bucket_are_two_candles() -> None:
    row: dict[str, Any] = dict.fromkeys(PRICE_COLUMNS, 5.0) | dict.fromkeys(VOLUME_COLUMNS, 1.0)
    frame = frame_of([{"open_time": 0, "trade_count": 1, **row}] * 2)
    cells = {name: frame[name].to_numpy() for name in CANDLE_COLUMNS[1:]}
    series = SeriesCandles(np.array([3, 4]), np.array([0, 0]), cells)
    for target in (M5, H4, W1, MO1):
        rolled = roll_up_series(series, M1, target)
        assert rolled.owners.tolist() == [3, 4]
        assert rolled.cells["children_present"].tolist() == [1, 1]


def test_neighbours_that_differ_in_one_respect_only_are_told_apart() -> None:
    """Lists that are equal but not one, lists that are one, and each kind of difference."""
    early, late = Span(0, 5 * MINUTE), Span(5 * MINUTE, 10 * MINUTE)
    both = Span(0, 10 * MINUTE)
    changed = {1: [early], 2: [early], 3: [early], 4: [early], 5: [late], 6: [early]}
    proven = {1: [both], 2: [both], 3: [late], 4: [late], 5: [late], 6: [both]}
    built = {4: [early], 5: [early]}
    due = find_due(changed, proven, built, [], M5)
    assert due.rebuilt == [(1, early), (2, early), (4, early), (5, late), (6, early)]
    assert due.proven == [(1, early), (2, early), (5, late), (6, early)]
