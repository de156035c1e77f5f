"""A venue's clock is believed in epoch milliseconds only."""

from __future__ import annotations

import pytest

from include.exchanges.server_clock import EARLIEST_MS, LATEST_MS, require_epoch_ms
from include.market.errors import ContractError

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
