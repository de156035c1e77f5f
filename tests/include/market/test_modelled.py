"""Which timeframes are modelled, and in whose light."""

from __future__ import annotations

import pytest

from include.market.modelled import MODELLED, is_parent, modelled_of, parent_in, parent_of
from include.market.timeframe import H4, M1, M5, M30, parse_chain


def test_parents_come_before_their_children() -> None:
    assert MODELLED == (H4, M30, M5, M1)
    assert [parent_of(each) for each in MODELLED] == [None, H4, M30, M5]
    assert [is_parent(each) for each in MODELLED] == [True, True, True, False]


@pytest.mark.parametrize(
    ("chain", "modelled"),
    [
        ("1m 5m 1h 1d 1w 1M", ["1d", "4h", "1h", "5m", "1m"]),
        ("1m", ["4h", "1m"]),
        ("1m 1h", ["4h", "1h", "1m"]),
    ],
)
def test_candles_of_one_length_are_modelled_and_four_hours_always(
    chain: str, modelled: list[str]
) -> None:
    assert [each.label for each in modelled_of(parse_chain(chain))] == modelled


def test_a_parent_is_filled_by_its_child() -> None:
    chain = modelled_of(parse_chain("1m 3m 5m 1h"))
    by_label = {each.label: each for each in chain}
    assert parent_in(chain, by_label["3m"]) == by_label["1h"]
    assert parent_in(chain, by_label["1m"]) == by_label["3m"]
