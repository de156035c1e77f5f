from __future__ import annotations

import pytest

from include.simulator.protocol import VenueError
from include.simulator.weights import WeightMeter


def test_weight_adds_up_per_address_and_starts_anew_each_minute() -> None:
    now = [600.0]
    meter = WeightMeter(10, now_s=lambda: now[0])
    assert [meter.add("a", 4), meter.add("b", 1), meter.add("a", 4)] == [4, 1, 8]
    now[0] = 659.9
    assert meter.add("a", 1) == 9
    now[0] = 660.0
    assert meter.add("a", 1) == 1


def test_beyond_the_limit_requests_are_refused_until_the_minute_ends() -> None:
    meter = WeightMeter(10, now_s=lambda: 622.0)
    meter.check(meter.add("a", 10))
    with pytest.raises(VenueError, match="current limit is 10 request weight") as caught:
        meter.check(meter.add("a", 1))
    assert (caught.value.code, caught.value.status) == (-1003, 429)
    assert caught.value.retry_after_s == 38
