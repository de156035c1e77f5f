from __future__ import annotations

import math
import time

import pytest

from include.market.errors import InvalidInputError
from include.simulator.clock import FrozenClock, RunningClock, parse_clock


def test_a_frozen_clock_stands_still() -> None:
    clock = parse_clock("frozen:1700000000000")
    assert clock == FrozenClock(1_700_000_000_000)
    assert str(clock) == "frozen:1700000000000"
    assert clock.seconds_until(1_700_000_000_000) == 0.0
    assert clock.seconds_until(1_700_000_000_001) == math.inf


def test_running_clocks_count_from_their_start(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0 + seconds[0] - 100.0)
    clocks = {
        text: parse_clock(text)
        for text in ("real", "offset:-5000", "rate:60", "rate:0.5@1600000000000")
    }
    start = {text: clock.now_ms() for text, clock in clocks.items()}
    assert start == {
        "real": 1_700_000_000_000,
        "offset:-5000": 1_699_999_995_000,
        "rate:60": 1_700_000_000_000,
        "rate:0.5@1600000000000": 1_600_000_000_000,
    }
    seconds[0] += 2.0
    gone = {text: clock.now_ms() - start[text] for text, clock in clocks.items()}
    assert list(gone.values()) == [2_000, 2_000, 120_000, 1_000]
    fast = clocks["rate:60"]
    assert fast.seconds_until(1_700_000_000_000 + 180_000) == pytest.approx(1.0)
    assert fast.seconds_until(0) == 0.0
    assert [str(clock) for clock in clocks.values()] == list(clocks)


def test_a_running_clock_never_runs_backwards() -> None:
    clock = RunningClock("rate:1000", 0.0, time.monotonic(), 1_000.0)
    times = [clock.now_ms() for _ in range(100)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fake",
        "frozen",
        "frozen:x",
        "frozen:-1",
        "frozen:1e300",
        "offset:",
        "rate:0",
        "rate:-2",
        "rate:nan",
        "rate:1@x",
    ],
)
def test_doubtful_clocks_are_refused_with_all_forms(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"rate:X@MS"):
        parse_clock(text)
