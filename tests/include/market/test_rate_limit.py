"""Counting against a window: nothing above the limit, wherever the venue's clock stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import BannedError, InvalidInputError, RateLimitedError
from include.market.rate_limit import Answer, RateLimit, WindowCount, wait_for_grant

LIMIT = RateLimit("venue", 100, window_s=10)
wishes = st.lists(
    st.tuples(st.floats(0, 12, allow_nan=False), st.integers(0, LIMIT.allowed)), max_size=60
)


@given(wishes, st.floats(0, LIMIT.late_s))
def test_no_window_of_the_venue_gets_more_than_the_share(
    asked: list[tuple[float, int]], travel_s: float
) -> None:
    """Requests arrive up to ``late_s`` after their grant, some in the next window."""
    count, now_s = WindowCount(LIMIT), 1_000.0
    arrived: dict[int, int] = {}
    for later_s, weight in asked:
        now_s += later_s
        if count.take(weight, now_s).ruling == "granted":
            window = int((now_s + travel_s) // LIMIT.window_s)
            arrived[window] = arrived.get(window, 0) + weight
    assert all(weight <= LIMIT.allowed for weight in arrived.values())


@given(wishes)
def test_a_wish_that_fits_is_never_refused(asked: list[tuple[float, int]]) -> None:
    count, now_s = WindowCount(LIMIT), 1_000.0
    granted: list[tuple[float, int]] = []
    for later_s, weight in asked:
        now_s += later_s
        start_s = now_s // LIMIT.window_s * LIMIT.window_s
        recent = sum(w for at_s, w in granted if at_s >= start_s - LIMIT.late_s - 1e-9)
        answer = count.take(weight, now_s)
        if answer.ruling == "granted":
            granted.append((now_s, weight))
        else:
            assert recent + weight > LIMIT.allowed
            assert 0 < answer.wait_s <= LIMIT.window_s


@given(st.integers(1, LIMIT.allowed), st.floats(0, 9.9))
def test_who_waits_as_told_gets_his_turn(weight: int, into_s: float) -> None:
    count, now_s = WindowCount(LIMIT), 1_000.0 + into_s
    count.take(LIMIT.allowed, now_s)
    waits = 0
    while (answer := count.take(weight, now_s)).ruling != "granted":
        now_s += answer.wait_s
        waits += 1
    assert 1 <= waits <= 2


def test_the_venues_own_count_wins_only_when_it_is_higher_and_of_the_running_window() -> None:
    count = WindowCount(LIMIT)
    count.take(10, 1_000.0)
    count.correct(5, 100)
    assert count.used == 10
    count.correct(79, 99)
    assert count.used == 10
    count.correct(79, 100)
    assert count.take(2, 1_001.0) == Answer("full", 9.0)
    assert count.take(2, 1_010.0) == Answer("granted")


def test_a_clock_set_back_by_a_moment_opens_no_second_window() -> None:
    count = WindowCount(LIMIT)
    count.take(80, 1_000.0)
    assert count.take(1, 999.9).ruling == "full"
    assert count.take(1, 1_000.1).ruling == "full"


def test_a_clock_that_was_far_ahead_does_not_silence_us_until_then() -> None:
    count = WindowCount(LIMIT)
    count.take(80, 90_000.0)
    assert count.take(1, 1_000.0).ruling == "granted"


def test_pauses_and_bans_end_when_they_end() -> None:
    count = WindowCount(LIMIT, paused_until_s=1_005.0)
    assert count.take(1, 1_000.0) == Answer("paused", 5.0)
    assert count.take(1, 1_005.0) == Answer("granted")
    count.banned_until_s = 2_000.0
    assert count.take(1, 1_500.0) == Answer("banned", 500.0)
    assert count.take(1, 2_000.0) == Answer("granted")


@pytest.mark.parametrize(
    ("weight", "share", "allowed"), [(6000, 0.8, 4800), (100, 0.8, 80), (10, 0.29, 2), (1, 1, 1)]
)
def test_the_share_is_rounded_down(weight: int, share: float, allowed: int) -> None:
    assert RateLimit("venue", weight, share=share).allowed == allowed


@pytest.mark.parametrize(
    ("weight", "window_s", "share"), [(1, 60, 0.8), (0, 60, 1), (9, 0, 1), (9, 60, 0), (9, 60, 1.1)]
)
def test_a_limit_that_grants_nothing_is_refused(weight: int, window_s: int, share: float) -> None:
    with pytest.raises(InvalidInputError, match="rate limit 'venue'"):
        RateLimit("venue", weight, window_s=window_s, share=share)


class Script:
    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.slept_s: list[float] = []

    def ask(self) -> Answer:
        return self.answers.pop(0)

    def wait(self, longest_wait_s: float) -> None:
        wait_for_grant(self.ask, LIMIT, longest_wait_s=longest_wait_s, sleep=self.slept_s.append)


def test_who_waited_asks_again_a_little_apart_from_the_others() -> None:
    moments = set()
    for _ in range(20):
        script = Script(Answer("full", 5.0), Answer("granted"))
        script.wait(60)
        moments.add(script.slept_s[0])
    assert len(moments) == 20
    assert all(5.0 <= slept_s <= 5.2 for slept_s in moments)


def test_waits_may_not_add_up_beyond_what_a_worker_is_held_for() -> None:
    script = Script(Answer("full", 30.0), Answer("full", 30.0), Answer("paused", 31.0))
    with pytest.raises(RateLimitedError, match=r"venue: no request may go for 31 s") as caught:
        script.wait(90)
    assert len(script.slept_s) == 2
    assert caught.value.retry_after_s == 31.0


def test_a_ban_is_not_waited_for() -> None:
    script = Script(Answer("banned", 1.0))
    with pytest.raises(BannedError) as caught:
        script.wait(600)
    assert (script.slept_s, caught.value.retry_after_s) == ([], 1.0)
