from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from include.exchanges.governor import LocalGovernor
from include.market.errors import BannedError, InvalidInputError, RateLimitedError
from include.market.rate_limit import RateLimit

SPOT = RateLimit("spot", 100)
FUNDING = RateLimit("funding", 10, window_s=300)


class Clock:
    def __init__(self, now_s: float = 600.0) -> None:
        self.now_s = now_s
        self.slept_s: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


def governor(clock: Clock, *limits: RateLimit, longest_wait_s: float = 120.0) -> LocalGovernor:
    return LocalGovernor(
        *(limits or (SPOT,)), longest_wait_s=longest_wait_s, now=clock.now, sleep=clock.sleep
    )


def test_requests_inside_the_budget_do_not_wait() -> None:
    clock = Clock()
    weights = governor(clock)
    for _ in range(40):
        weights.acquire(2)
    assert clock.slept_s == []


def test_the_request_that_would_exceed_it_waits_for_the_next_minute() -> None:
    clock = Clock(615.0)
    weights = governor(clock)
    for _ in range(41):
        weights.acquire(2)
    assert [round(slept_s) // 2 * 2 for slept_s in clock.slept_s] in ([44], [46])
    assert clock.now_s >= 660


def test_the_venues_own_count_wins_because_others_ask_too() -> None:
    clock = Clock()
    weights = governor(clock)
    weights.acquire(2)
    weights.note_usage(79)
    weights.acquire(2)
    assert len(clock.slept_s) == 1


def test_a_count_of_a_minute_that_is_over_is_ignored() -> None:
    clock = Clock(659.0)
    weights = governor(clock)
    weights.acquire(2)
    clock.now_s = 660.5
    weights.note_usage(80)
    weights.acquire(70)
    assert clock.slept_s == []


def test_each_limit_counts_by_itself_in_its_own_window() -> None:
    clock = Clock()
    weights = governor(clock, SPOT, FUNDING, longest_wait_s=400)
    weights.acquire(80)
    weights.acquire(8, scope="funding")
    weights.acquire(80)
    assert 660 <= clock.now_s < 670
    weights.acquire(1, scope="funding")
    assert clock.now_s >= 900


def test_a_wait_longer_than_a_worker_may_be_held_is_refused_at_once() -> None:
    clock = Clock(610.0)
    weights = governor(clock, longest_wait_s=49)
    weights.acquire(80)
    with pytest.raises(RateLimitedError, match="spot") as caught:
        weights.acquire(1)
    assert (clock.slept_s, caught.value.retry_after_s) == ([], 50.0)


def test_a_pause_holds_for_every_limit_and_is_never_shortened() -> None:
    clock = Clock()
    weights = governor(clock, SPOT, FUNDING)
    weights.note_pause(30)
    weights.note_pause(5)
    weights.acquire(1, scope="funding")
    assert clock.now_s >= 630


def test_a_ban_is_news_once_and_ends_by_itself() -> None:
    clock = Clock()
    weights = governor(clock, SPOT, FUNDING)
    assert weights.note_ban(500, reason="HTTP 418") is True
    assert weights.note_ban(100) is False
    for scope in ("spot", "funding"):
        with pytest.raises(BannedError) as caught:
            weights.acquire(1, scope=scope)
        assert caught.value.retry_after_s == 500
    clock.now_s += 500
    weights.acquire(1)
    assert weights.note_ban(10) is True


def test_threads_together_stay_within_the_budget() -> None:
    clock = Clock()
    weights = governor(clock, longest_wait_s=1)

    def take(_: int) -> bool:
        try:
            weights.acquire(1)
        except RateLimitedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(400))) == 80


@pytest.mark.parametrize("limits", [(), (SPOT, SPOT)], ids=["none", "one scope twice"])
def test_limits_that_cannot_be_told_apart_are_refused(limits: tuple[RateLimit, ...]) -> None:
    with pytest.raises(InvalidInputError, match="different scopes"):
        LocalGovernor(*limits)


@pytest.mark.parametrize(("weight", "scope"), [(81, None), (-1, None), (1, "futures")])
def test_a_request_that_can_never_go_is_refused_at_once(weight: int, scope: str | None) -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        governor(Clock()).acquire(weight, scope=scope)
