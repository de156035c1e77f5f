"""Silence is no proof: what looks in vain must be like to count, and when the next one is."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from include.market.timeframe import DAY_MS, M1
from include.quality.looks import (
    APART_MS,
    BLIND_LOOKS,
    MOST_KEPT,
    RECHECK_AGES_MS,
    WAITS_MS,
    Look,
    conclude,
    independent_looks,
    next_look_ms,
    next_recheck_ms,
    read_looks,
    with_look,
)

MINUTE = M1.length_ms
LOOKS = st.lists(
    st.builds(
        Look,
        st.integers(0, 3 * DAY_MS // MINUTE).map(lambda minute: minute * MINUTE),
        st.sampled_from(["rest", "archive"]),
        st.booleans(),
    ),
    max_size=8,
)


def looks(*minutes: int, neighbours: bool = True, way: str = "rest") -> list[Look]:
    return [Look(minute * MINUTE, way, neighbours) for minute in minutes]


def verdict(found: list[Look], *, is_bounded: bool = True, writes_flat: bool = True) -> str | None:
    return conclude(found, is_bounded=is_bounded, writes_flat=writes_flat)


def test_one_look_proves_nothing_and_two_in_one_breath_are_one() -> None:
    assert verdict(looks(0)) is None
    assert verdict(looks(0, 9)) is None
    assert verdict(looks(0, 10)) == "unpublished"


def test_another_way_confirms_at_once() -> None:
    assert verdict([*looks(0), *looks(0, way="archive")]) == "unpublished"


def test_a_venue_that_omits_empty_minutes_traded_nothing() -> None:
    assert verdict(looks(0, 10), writes_flat=False) == "no_trade"


def test_silence_without_candles_around_it_takes_long_to_believe() -> None:
    blind = looks(0, 60, 600, neighbours=False)
    assert verdict(blind) is None
    assert verdict([*blind, *looks(1439, neighbours=False)]) is None, "not yet a day"
    assert verdict([*blind, *looks(1440, neighbours=False)]) == "unpublished"
    assert verdict([*blind, *looks(900, neighbours=True)]) == "unpublished"


@given(LOOKS)
def test_what_may_still_come_is_never_proven_absent(found: list[Look]) -> None:
    assert verdict(found, is_bounded=False) is None


@given(LOOKS)
def test_proofs_rest_on_looks_apart(found: list[Look]) -> None:
    chosen = independent_looks(found)
    for way in ("rest", "archive"):
        times = [look.at_ms for look in chosen if look.way == way]
        assert all(later - earlier >= APART_MS for earlier, later in pairwise(times))
    proven = verdict(found) is not None
    seen = any(look.neighbours for look in found)
    blind = len(chosen) >= BLIND_LOOKS and chosen[-1].at_ms - chosen[0].at_ms >= DAY_MS
    assert proven is ((len(chosen) >= 2 and seen) or blind)


@given(LOOKS)
def test_a_proof_keeps_its_looks_and_whatever_else_it_says(found: list[Look]) -> None:
    proof: dict[str, object] = {"landing_id": 7}
    for look in found:
        proof = with_look(proof, look)
    assert proof["landing_id"] == 7
    assert read_looks(proof) == sorted(found, key=lambda look: look.at_ms)


def test_of_very_many_looks_the_first_and_the_last_are_kept() -> None:
    proof: dict[str, object] = {}
    for minute in range(50):
        proof = with_look(proof, *looks(minute))
    kept = read_looks(proof)
    assert len(kept) == MOST_KEPT
    assert kept[0].at_ms == 0
    assert kept[-1].at_ms == 49 * MINUTE


def test_looks_grow_rarer_and_end() -> None:
    waits = [next_look_ms(attempts, 0) for attempts in range(1, len(WAITS_MS) + 2)]
    assert waits == [*WAITS_MS, None]
    assert list(WAITS_MS) == sorted(WAITS_MS)
    assert next_look_ms(0, 5) == 5 + WAITS_MS[0]


def test_explained_absence_is_looked_at_again_for_a_week() -> None:
    at, seen = 0, []
    while (again := next_recheck_ms(0, at)) is not None:
        assert again > at
        seen.append(again)
        at = again
    assert tuple(seen) == RECHECK_AGES_MS
