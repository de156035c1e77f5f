"""Times beside the grid are moved where that is beyond doubt, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.market.candle import FLAG_NAMES, SNAPPED, TRUNCATED
from include.market.timeframe import H4, M1
from include.quality.alignment import align_landed
from include.quality.landed import Terms, normalise_landed
from tests.include.quality.landed_frames import (
    FAR_FUTURE_MS,
    MINUTE_MS,
    START_MS,
    landed,
    minutes,
    row,
    server_times,
)
from tests.include.quality.naive_alignment import align

TERMS = Terms(M1, minutes(10), FAR_FUTURE_MS)
MISFITS = {0: None, 1: "time_unit", 2: "mixed_units", 3: "snap_conflict"}


def shifted(minute: int, by_ms: int, **changes: Any) -> dict[str, Any]:
    """Return a sound row that begins and ends ``by_ms`` late."""
    opens = START_MS + minute * MINUTE_MS + by_ms
    return row(minute, open_time=opens, close_time=opens + MINUTE_MS - 1, **changes)


def aligned(rows: list[dict[str, Any]], terms: Terms = TERMS) -> pd.DataFrame:
    return align_landed(normalise_landed(landed(rows)), terms)


def places(frame: pd.DataFrame) -> list[float]:
    """Return the open times as minutes of the test's day."""
    return ((frame["open_time"].astype("int64") / 1000 - START_MS) / MINUTE_MS).tolist()


def test_sound_rows_stay_as_they_are() -> None:
    frame = normalise_landed(landed([row(minute) for minute in range(5)]))
    made = align_landed(frame, TERMS)
    pd.testing.assert_frame_equal(made[frame.columns], frame)
    assert made["flags"].eq(0).all()
    assert made["misfit"].eq(0).all()
    assert made["end_time"].equals(made["close_time"])


@pytest.mark.parametrize("by_ms", [1, 14_837, 29_999, -1, -29_999])
def test_less_than_half_a_candle_is_moved(by_ms: int) -> None:
    made = aligned([row(2), shifted(3, by_ms), row(4)])
    assert places(made) == [2, 3, 4]
    assert made["flags"].tolist() == [0, SNAPPED, 0]
    # What it really spoke for is kept: it is over when that is.
    ends = made["end_time"].astype("int64").tolist()
    assert ends[1] == (START_MS + 4 * MINUTE_MS + by_ms - 1) * 1000


def test_half_a_candle_belongs_to_neither() -> None:
    for by_ms in (30_000, -30_000):
        made = aligned([shifted(3, by_ms)])
        assert places(made) == [3 + by_ms / MINUTE_MS]
        assert made["flags"].tolist() == made["misfit"].tolist() == [0]


def test_a_whole_day_that_began_late_is_moved_as_it_is() -> None:
    made = aligned([shifted(minute, 14_837) for minute in range(10)])
    assert places(made) == list(range(10))
    assert made["flags"].eq(SNAPPED).all()


def test_a_place_that_is_taken_is_not_given_twice() -> None:
    made = aligned([row(3), shifted(3, 9_000)])
    assert places(made) == [3, 3.15]
    assert made["misfit"].tolist() == [0, 3]
    # Not even when the row there is broken: which of the two is the candle, nobody knows.
    assert aligned([row(3, low=None), shifted(3, 9_000)])["misfit"].tolist() == [0, 3]


def test_a_place_wanted_by_two_is_given_to_none() -> None:
    made = aligned([shifted(3, -9_000), shifted(3, 9_000)])
    assert made["misfit"].tolist() == [3, 3]
    assert made["flags"].tolist() == [0, 0]


def test_a_row_sent_twice_wants_one_place() -> None:
    made = aligned([shifted(3, 9_000), shifted(3, 9_000)])
    assert places(made) == [3, 3]
    assert made["flags"].tolist() == [SNAPPED, SNAPPED]


def test_a_candle_that_begins_late_ends_with_its_bucket() -> None:
    late = row(3, open_time=START_MS + 3 * MINUTE_MS + 14_838)
    assert places(aligned([late])) == [3]
    # One that begins early and ends with the bucket would be longer than a candle.
    early = row(3, open_time=START_MS + 3 * MINUTE_MS - 14_838)
    assert aligned([early])["flags"].tolist() == [0]
    # Any other end is nobody's.
    odd = shifted(3, 9_000) | {"close_time": START_MS + 4 * MINUTE_MS}
    assert aligned([odd])["flags"].tolist() == [0]


def test_without_close_times_the_shift_alone_counts() -> None:
    terms = Terms(M1, minutes(10), FAR_FUTURE_MS, ("close_time",))
    made = aligned([shifted(3, 9_000) | {"close_time": None}], terms)
    assert places(made) == [3]
    ends = made["end_time"].astype("int64").tolist()
    assert ends == [(START_MS + 4 * MINUTE_MS + 9_000 - 1) * 1000]


def cut_off(minute: int) -> dict[str, Any]:
    return row(minute, close_time=START_MS + minute * MINUTE_MS + 23_456)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([cut_off(3)], [TRUNCATED]),
        ([cut_off(3), row(7)], [TRUNCATED, 0]),
        ([row(7), cut_off(3)], [0, TRUNCATED]),
        # Something follows at once, on the grid or moved onto it: then it is a broken candle.
        ([cut_off(3), row(4)], [0, 0]),
        ([cut_off(3), shifted(4, 9_000)], [0, SNAPPED]),
        ([cut_off(3), shifted(4, 30_000)], [0, 0]),
        ([cut_off(3), shifted(5, 30_000)], [TRUNCATED, 0]),
        # Sent twice alike it is one candle; with two ends nobody knows when it ended.
        ([cut_off(3), cut_off(3)], [TRUNCATED, TRUNCATED]),
        ([cut_off(3), row(3)], [0, 0]),
        # Nothing is known of what follows the span.
        ([cut_off(9)], [0]),
        ([cut_off(-1)], [0]),
        # A candle too long, or one that ends before it begins, is broken.
        ([row(3, close_time=START_MS + 5 * MINUTE_MS)], [0]),
        ([row(3, close_time=START_MS + 3 * MINUTE_MS - 1)], [0]),
        ([row(3, close_time=START_MS + 3 * MINUTE_MS)], [0]),
        ([row(3, close_time=None)], [0]),
    ],
)
def test_a_candle_cut_off_before_an_absence_is_kept_and_flagged(
    rows: list[dict[str, Any]], expected: list[int]
) -> None:
    assert aligned(rows)["flags"].tolist() == expected


def test_what_may_still_come_does_not_prove_a_halt() -> None:
    over_ms = START_MS + 5 * MINUTE_MS
    for server_ms, expected in [(over_ms, TRUNCATED), (over_ms - 1, 0)]:
        assert aligned([cut_off(3)], Terms(M1, minutes(10), server_ms))["flags"].tolist() == [
            expected
        ]


def in_unit(minute: int, scale: float) -> dict[str, Any]:
    made = row(minute)
    return made | {name: int(made[name] * scale) for name in ("open_time", "close_time")}


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_slip_of_the_unit_is_one_row_s_and_a_change_of_it_the_batch_s(scale: float) -> None:
    for slips, expected in [(1, 1), (2, 1), (3, 2)]:
        rows = [row(0), *(in_unit(1 + place, scale) for place in range(slips))]
        misfit = aligned(rows)["misfit"].tolist()
        assert misfit == [2 if slips > 2 else 0, *[expected] * slips]


def test_a_batch_all_in_another_unit_is_named_so() -> None:
    made = aligned([in_unit(minute, 1e-3) for minute in range(8)])
    assert made["misfit"].eq(1).all()
    # And nothing of it is moved: the numbers mean other times.
    assert made["flags"].eq(0).all()


def test_times_outside_the_span_are_of_no_other_unit() -> None:
    assert aligned([row(0), row(-5), row(400)])["misfit"].eq(0).all()


def test_the_grid_of_four_hours_is_as_wide() -> None:
    opens = START_MS + 90 * MINUTE_MS
    terms = Terms(H4, minutes(2 * 240), FAR_FUTURE_MS)
    frame = landed([row(0, open_time=opens, close_time=opens + H4.length_ms - 1)])
    made = align_landed(normalise_landed(frame), terms)
    assert places(made) == [0]


odd_shifts = st.sampled_from([0, 0, 0, 1, 14_837, 29_999, 30_000, 30_001, 59_999, -1, -14_837])
odd_ends = st.sampled_from([0, 0, 0, 0, -1, -36_543, 1, MINUTE_MS, -MINUTE_MS, -14_837, None])
scales = st.sampled_from([1.0] * 12 + [1e-6, 1e-3, 1e3])


@st.composite
def odd_rows(draw: st.DrawFn) -> dict[str, Any]:
    made = shifted(draw(st.integers(min_value=-2, max_value=12)), draw(odd_shifts))
    scale, by_ms = draw(scales), draw(odd_ends)
    made["open_time"] = int(made["open_time"] * scale)
    made["close_time"] = None if by_ms is None else int((made["close_time"] + by_ms) * scale)
    return made | ({} if draw(st.integers(0, 9)) else {"open_time": None})


@settings(max_examples=100, deadline=None)
@given(st.lists(odd_rows(), max_size=12), server_times, st.sampled_from([(), ("close_time",)]))
def test_the_step_equals_a_plain_reading_of_each_row(
    rows: list[dict[str, Any]], server_ms: int, absent: tuple[str, ...]
) -> None:
    rows = [plain | dict.fromkeys(absent) for plain in rows]
    terms = Terms(M1, minutes(10), server_ms, absent)
    made = aligned(rows, terms)
    expected = align(rows, terms.span, server_ms, absent)
    assert made["flags"].tolist() == [plain["flags"] for plain in expected]
    assert [MISFITS[code] for code in made["misfit"]] == [plain["misfit"] for plain in expected]
    for name, column in (("open_time", "open_time"), ("end", "end_time")):
        stated = made[column].notna()
        instants = (made[column].astype("int64") // 1000).tolist()
        found = [time if there else None for time, there in zip(instants, stated, strict=True)]
        assert found == [plain[name] for plain in expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(odd_rows(), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(rows: list[dict[str, Any]], shuffler: Any) -> None:
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    straight = aligned(rows)
    mixed = aligned([rows[place] for place in order])
    for name in ("open_time", "flags", "misfit"):
        assert straight[name].iloc[order].tolist() == mixed[name].tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(odd_rows(), max_size=12))
def test_no_two_open_times_are_moved_to_one_place(rows: list[dict[str, Any]]) -> None:
    made = aligned(rows)
    sent = normalise_landed(landed(rows))["open_time"]
    moved = made["flags"].to_numpy() & SNAPPED > 0
    pairs = set(zip(made["open_time"][moved], sent[moved], strict=True))
    assert len({target for target, _ in pairs}) == len(pairs)
    assert not np.isin(made["open_time"][moved], sent[sent.notna() & ~moved]).any()
    assert (abs(made["open_time"] - sent)[moved] < pd.Timedelta(30, "s")).all()
    assert set(FLAG_NAMES) > set(np.unique(made["flags"])) - {0, SNAPPED | TRUNCATED}
