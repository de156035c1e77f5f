"""When repeated looks in vain prove that a venue has nothing, and when to look again. Pure.

One empty answer proves nothing: venues answer with nothing at random, and publish late. A look
counts as a proof of absence when one answer held the candles on both sides and none between; two
looks confirm each other when they were taken some time apart or in different ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from include.market.timeframe import DAY_MS, M1

Verdict = Literal["no_trade", "unpublished"]

APART_MS = 10 * M1.length_ms
"""Looks nearer to each other in time are one: the same cache may have answered."""
HOUR_MS = 60 * M1.length_ms
WAITS_MS = (
    10 * M1.length_ms, 30 * M1.length_ms, 2 * HOUR_MS, 8 * HOUR_MS, DAY_MS, DAY_MS,
    3 * DAY_MS, 7 * DAY_MS, 7 * DAY_MS,
)  # fmt: skip
"""How long to wait after each look in vain; after the last one the gap is given up."""
RECHECK_AGES_MS = (HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS, 7 * DAY_MS)
"""How old an explained absence is when it is looked at again: venues mend their data late."""
BLIND_LOOKS = 4
"""So many looks, over a day or more, prove a hole too long for one answer to hold both ends."""
MOST_KEPT = 20


@dataclass(frozen=True, slots=True)
class Look:
    """One look in vain: when (epoch ms), which way, and what was around it.

    ``neighbours`` tells that one answer held the candles right before and right after the hole.
    """

    at_ms: int
    way: str
    neighbours: bool

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept in the proof of a gap."""
        return {"at_ms": self.at_ms, "way": self.way, "neighbours": self.neighbours}


def read_looks(proof: Mapping[str, Any]) -> list[Look]:
    """Return the looks kept in the proof of a gap, oldest first."""
    looks = [
        Look(int(one["at_ms"]), str(one["way"]), bool(one["neighbours"]))
        for one in proof.get("looks", ())
    ]
    return sorted(looks, key=lambda look: look.at_ms)


def with_look(proof: Mapping[str, Any], look: Look) -> dict[str, Any]:
    """Return the proof of a gap with one look more; of very many the first and the last stay."""
    looks = [one.as_json() for one in (*read_looks(proof), look)]
    if len(looks) > MOST_KEPT:
        looks = [looks[0], *looks[-MOST_KEPT + 1 :]]
    return {**proof, "looks": looks}


def independent_looks(looks: Sequence[Look]) -> list[Look]:
    """Return those of ``looks`` that confirm each other: apart in time, or another way."""
    chosen: list[Look] = []
    for look in sorted(looks, key=lambda one: (one.at_ms, one.way)):
        same_way = [one for one in chosen if one.way == look.way]
        if not same_way or look.at_ms - same_way[-1].at_ms >= APART_MS:
            chosen.append(look)
    return chosen


def conclude(looks: Sequence[Look], *, is_bounded: bool, writes_flat: bool) -> Verdict | None:
    """Return what looks in vain prove of a hole, None for nothing yet.

    A hole that is not bounded, with candles known on both sides, proves nothing: they may still
    come. ``writes_flat`` tells that the venue writes a flat candle for a minute without trades:
    there an absent one is its loss (``unpublished``), elsewhere nothing was traded (``no_trade``).
    """
    independent = independent_looks(looks)
    seen = any(look.neighbours for look in looks)
    proven = len(independent) >= 2 and seen
    if not proven and len(independent) >= BLIND_LOOKS:
        proven = independent[-1].at_ms - independent[0].at_ms >= DAY_MS
    if not proven or not is_bounded:
        return None
    return "unpublished" if writes_flat else "no_trade"


def next_look_ms(attempts: int, at_ms: int) -> int | None:
    """Return when to look again after the ``attempts``-th look in vain; None gives it up.

    The first look is the one that found the gap.
    """
    if attempts > len(WAITS_MS):
        return None
    return at_ms + WAITS_MS[max(attempts, 1) - 1]


def next_recheck_ms(found_ms: int, at_ms: int) -> int | None:
    """Return when an explained absence found at ``found_ms`` is looked at again, None for never."""
    return next((found_ms + age for age in RECHECK_AGES_MS if found_ms + age > at_ms), None)
