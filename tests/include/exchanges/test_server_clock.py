"""A venue's clock is believed in epoch milliseconds only, and held against ours."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.server_clock import (
    EARLIEST_MS,
    LATEST_MS,
    ClockReading,
    read_clock,
    require_epoch_ms,
)
from include.market.errors import ContractError, InvalidInputError

NOW_MS = 1_794_302_243_000


@pytest.mark.parametrize("instant", [NOW_MS, EARLIEST_MS, LATEST_MS - 1])
def test_milliseconds_of_our_time_are_a_time(instant: int) -> None:
    assert require_epoch_ms(instant, "/time") == instant


@pytest.mark.parametrize(
    "instant",
    [NOW_MS // 1000, NOW_MS * 1000, float(NOW_MS), str(NOW_MS), True, None, -1, "\x1b[2J"],
)
def test_other_units_and_types_are_another_format(instant: object) -> None:
    with pytest.raises(ContractError, match="epoch milliseconds") as caught:
        require_epoch_ms(instant, "/api/v3/time")
    assert str(caught.value).startswith("/api/v3/time: ")
    assert str(caught.value).isprintable()


class Venue:
    """A venue whose clock is ``ahead_ms`` ahead, at the far end of a line with delays."""

    def __init__(self, ahead_ms: float, delays_ms: Sequence[tuple[float, float]]) -> None:
        self.ahead_ms, self.delays_ms = ahead_ms, list(delays_ms)
        self.now_ms = float(NOW_MS)

    def ask(self) -> int:
        there, back = self.delays_ms.pop(0)
        self.now_ms += there
        said = int(self.now_ms + self.ahead_ms)
        self.now_ms += back
        return said

    def read(self, asks: int) -> ClockReading:
        return read_clock(
            self.ask,
            asks=asks,
            wall_s=lambda: self.now_ms / 1000,
            passed_s=lambda: self.now_ms / 1000 - 5_000,
        )


delays = st.tuples(st.floats(0, 4_000), st.floats(0, 4_000))


@given(st.floats(-1e6, 1e6), st.lists(delays, min_size=1, max_size=5))
def test_the_true_offset_lies_within_the_bound(
    ahead_ms: float, delays_ms: list[tuple[float, float]]
) -> None:
    reading = Venue(ahead_ms, delays_ms).read(len(delays_ms))
    assert abs(reading.offset_ms - ahead_ms) <= reading.bound_ms + 1e-3
    # The quickest answer is the one that counts.
    quickest = min(there + back for there, back in delays_ms)
    assert reading.bound_ms == pytest.approx(quickest / 2 + 0.5, abs=1e-3)


def test_clocks_differ_for_certain_only_beyond_the_bound() -> None:
    reading = ClockReading(NOW_MS, offset_ms=-1_500.0, bound_ms=400.0)
    assert reading.is_beyond(1_000)
    assert not reading.is_beyond(1_100)
    assert not reading.is_beyond(1_101)


def test_a_clock_is_asked_at_least_once() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        Venue(0, []).read(0)
