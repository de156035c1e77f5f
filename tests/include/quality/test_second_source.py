"""When another venue may stand in, whether its prices fit, and what of a hole it fills."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.second_source import SecondSource
from include.market.span import Span, merge_spans
from include.market.timeframe import DAY_MS, M1
from include.quality.second_source import (
    FEWEST_COMMON,
    LENDABLE,
    LONGEST_MS,
    Closes,
    around,
    judge_level,
    may_lend,
    whole_pieces,
)

MINUTE = M1.length_ms
GAP = Span(1_000 * MINUTE, 1_030 * MINUTE)
NAMED = SecondSource("binance_usdm", {"BTCUSDT": "BTCUSDT"}, tolerance=0.01, after_looks=3)


def closes(*spans: tuple[int, int], factor: float = 1.0) -> Closes:
    """Return closes of the minutes [first, last) of each span, rising slowly."""
    minutes = np.concatenate([np.arange(first, last) for first, last in spans])
    return Closes(minutes * MINUTE, (100 + minutes / 1e4) * factor)


OWN = closes((900, 1_000), (1_030, 1_200))
OTHER = closes((900, 1_200))


def test_prices_that_agree_on_both_sides_fit() -> None:
    assert judge_level(OWN, OTHER, GAP, 0.01) is None
    assert judge_level(OWN, closes((900, 1_200), factor=1.009), GAP, 0.01) is None


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (closes((900, 1_200), factor=1.02), "before the gap its prices are 1.02 times ours"),
        (closes((900, 1_200), factor=0.001), "before the gap its prices are 0.001 times"),
        (closes((1_000, 1_200)), "0 candles before the gap stand in both"),
        (closes((900, 1_030 + FEWEST_COMMON - 1)), "9 candles after the gap stand in both"),
        # A unit that changed inside the gap: one side alone would not tell.
        (
            Closes(OTHER.open_ms, OTHER.price * np.where(OTHER.open_ms < GAP.end_ms, 1, 10)),
            "after the gap its prices are 10 times ours",
        ),
        (Closes(OTHER.open_ms, OTHER.price * np.nan), "before the gap its prices are nan"),
    ],
    ids=str,
)
def test_prices_that_do_not_fit_are_told_why(other: Closes, says: str) -> None:
    fault = judge_level(OWN, other, GAP, 0.01)
    assert fault is not None
    assert says in fault


def test_candles_far_from_the_gap_prove_nothing() -> None:
    before, after = around(GAP)
    far = closes((0, before.start_ms // MINUTE), (after.end_ms // MINUTE, 3_000))
    assert "0 candles before" in str(judge_level(far, far, GAP, 0.01))


def lends(**changed: Any) -> bool:
    values: dict[str, Any] = {
        "reason": "unknown", "attempts": 3, "span": GAP, "proof": {}, "at_ms": 10 * DAY_MS,
    }  # fmt: skip
    return may_lend(NAMED, **(values | changed))


def test_it_lends_only_what_was_traded_and_lost_after_looks_enough() -> None:
    assert all(lends(reason=reason) for reason in LENDABLE)
    never = ("no_trade", "outage", "halted", "pre_listing", "delisted")
    assert not any(lends(reason=reason) for reason in never)
    assert not lends(attempts=2)
    assert not lends(span=Span(0, LONGEST_MS + MINUTE))
    assert not lends(proof={"refused_in_landing": 7})


def test_what_was_lent_and_did_not_fill_is_not_lent_again_the_same_day() -> None:
    note = {"second_source": {"rows": 5, "at_ms": 9 * DAY_MS + MINUTE}}
    assert not lends(proof=note)
    assert lends(proof=note, at_ms=10 * DAY_MS + MINUTE)
    assert lends(proof={"second_source": {"refused": "why", "at_ms": 10 * DAY_MS}})


@given(st.lists(st.integers(990, 1_040)))
def test_pieces_hold_exactly_the_minutes_there_are(minutes: list[int]) -> None:
    opens = np.array(minutes, dtype=np.int64) * MINUTE
    pieces = whole_pieces(opens, GAP)
    held = [each for piece in pieces for each in range(piece.start_ms, piece.end_ms, MINUTE)]
    assert held == sorted({each for each in opens.tolist() if GAP.start_ms <= each < GAP.end_ms})
    assert merge_spans(pieces) == pieces, "no two of them touch"
