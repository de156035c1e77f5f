from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.river_progress import (
    CASCADE_STAGES,
    CHANNEL_STAGE,
    CURSOR_STAGES,
    STAGES,
    Marks,
    Numbers,
    advance_marks,
    everything_through,
    stage_to_nudge,
    stage_views,
    stages_through,
)

IDLE = Numbers(
    unfinished_runs={},
    landings={"loaded": 8},
    landed_rows=11_520,
    newest_landing=8,
    stored_rows={"candle_1m": 11_520, "candle_5m": 2_304, "candle_30m": 384, "candle_4h": 48},
    waiting=dict.fromkeys(CURSOR_STAGES, 0),
    next_xid="900",
    segments=3,
    channels=3,
    publications={"sent": 5},
    fitted_at=1000.0,
    reported_at=1001.0,
)


def settle(numbers: Numbers, marks: Marks | None = None) -> Marks:
    """Advance as the watcher does, until nothing moves."""
    marks = marks or Marks()
    while (advanced := advance_marks(numbers, marks)) != marks:
        marks = advanced
    return marks


def test_an_idle_river_is_through_after_its_marks_are_set() -> None:
    assert stages_through(IDLE, Marks()) == ("fetch",)
    marks = settle(IDLE)
    assert everything_through(IDLE, marks)
    assert marks.landing == 8
    assert marks.changes == dict.fromkeys((*CASCADE_STAGES, CHANNEL_STAGE), "900")
    assert marks.fitted_at == 1000.0


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"unfinished_runs": {"backfill_history": 1}}, "fetch"),
        ({"landings": {"landed": 1, "loaded": 7}}, "check"),
        ({"landings": {"checked": 1, "loaded": 7}}, "load"),
        ({"waiting": {"cascade_5m": 1}}, "cascade_5m"),
        ({"waiting": {"cascade_30m": 2}}, "cascade_30m"),
        ({"waiting": {"cascade_4h": 1}}, "cascade_4h"),
        ({"waiting": {CHANNEL_STAGE: 1}}, "channels"),
        ({"publications": {"pending": 1, "sent": 4}}, "report"),
        ({"reported_at": 999.0}, "report"),
        ({"reported_at": 0.0}, "report"),
    ],
)
def test_each_stage_holds_back_those_after_it(change: dict[str, object], stage: str) -> None:
    numbers = replace(IDLE, **change)
    marks = settle(numbers)
    assert not everything_through(numbers, marks)
    assert stages_through(numbers, marks) == STAGES[: STAGES.index(stage)]


def test_a_held_batch_is_an_end_and_not_a_wait() -> None:
    numbers = replace(IDLE, landings={"held": 2, "loaded": 6})
    assert everything_through(numbers, settle(numbers))
    assert "2 held" in stage_views(numbers, settle(numbers), 11_520)["load"].note


def test_messages_that_failed_do_not_hold_up() -> None:
    numbers = replace(IDLE, publications={"failed": 1, "sent": 4})
    assert everything_through(numbers, settle(numbers))


def test_nothing_landed_is_never_the_end() -> None:
    numbers = replace(IDLE, landings={}, newest_landing=0, fitted_at=0.0)
    assert not everything_through(numbers, settle(numbers))


def test_too_little_history_for_a_fit_needs_no_report() -> None:
    numbers = replace(IDLE, fitted_at=0.0, reported_at=0.0, segments=0, publications={})
    assert everything_through(numbers, settle(numbers))


def test_a_mark_once_set_does_not_run_away_with_live_candles() -> None:
    marks = settle(IDLE)
    later = replace(IDLE, newest_landing=99, next_xid="5000", fitted_at=2000.0)
    assert settle(later, marks) == marks
    assert everything_through(later, marks)


def test_only_an_idle_stage_is_nudged() -> None:
    waiting = replace(IDLE, waiting={"cascade_30m": 1})
    marks = settle(waiting)
    assert stage_to_nudge(waiting, marks) == "cascade_30m"
    busy = replace(waiting, unfinished_runs={"cascade_30m": 1})
    assert stage_to_nudge(busy, marks) is None
    fetching = replace(IDLE, unfinished_runs={"backfill_history": 1})
    assert stage_to_nudge(fetching, Marks()) is None
    assert stage_to_nudge(IDLE, settle(IDLE)) is None


counts = st.integers(0, 3)
numbers_strategy = st.builds(
    Numbers,
    unfinished_runs=st.dictionaries(
        st.sampled_from(["backfill_history", "check_candles"]), counts, max_size=2
    ),
    landings=st.dictionaries(st.sampled_from(["landed", "checked", "loaded", "held"]), counts),
    landed_rows=st.integers(0, 20_000),
    newest_landing=st.integers(0, 9),
    stored_rows=st.dictionaries(st.sampled_from(["candle_1m", "candle_4h"]), st.integers(0, 99)),
    waiting=st.dictionaries(st.sampled_from(sorted(CURSOR_STAGES)), counts),
    next_xid=st.just("7"),
    segments=counts,
    channels=counts,
    publications=st.dictionaries(st.sampled_from(["pending", "sent", "failed"]), counts),
    fitted_at=st.sampled_from([0.0, 5.0]),
    reported_at=st.sampled_from([0.0, 4.0, 6.0]),
)


@given(numbers_strategy)
def test_the_watcher_always_comes_to_rest(numbers: Numbers) -> None:
    marks = Marks()
    for _ in range(len(STAGES) + 1):
        advanced = advance_marks(numbers, marks)
        if advanced == marks:
            break
        marks = advanced
    assert advance_marks(numbers, marks) == marks
    through = stages_through(numbers, marks)
    assert through == STAGES[: len(through)]


@given(numbers_strategy, st.integers(0, 20_000))
def test_only_a_stage_that_is_through_shows_a_full_bar(numbers: Numbers, expected: int) -> None:
    marks = settle(numbers)
    views = stage_views(numbers, marks, expected)
    assert tuple(views) == STAGES
    for stage, view in views.items():
        assert 0.0 <= view.fraction <= 1.0
        assert (view.fraction == 1.0) == view.done == (stage in stages_through(numbers, marks))
