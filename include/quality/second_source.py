"""When another venue may stand in for one that has lost its candles, and whether its prices fit.

Another venue's candles are the market's, not the venue's: they are taken only where the own venue
is known to have been asked in vain and trades on both sides, and only while both tell one price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from include.market.second_source import SecondSource
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1

OVERLAP_MS: Final = 60 * M1.length_ms
"""How far to each side of a hole the two venues are compared."""
FEWEST_COMMON: Final = 10
"""So many candles must stand in both accounts on each side of a hole."""
MOST_PIECES: Final = 20
"""A venue that has no more than scraps of a hole is no second source of it."""
LONGEST_MS: Final = 31 * DAY_MS
"""What is absent for longer is history to be loaded, and no gap to be mended."""
AGAIN_MS: Final = DAY_MS
"""What came and did not fill the gap is not taken again before."""
LENDABLE: Final = frozenset(
    {"unknown", "fetch_failed", "disconnected", "depth_exhausted", "unpublished"}
)
"""Reasons that say the venue's candles are lost. The others say that there never were any."""
NOTE: Final = "second_source"
"""Key in the proof of a gap under which it is kept what came of it."""

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Closes:
    """Closing prices by open time (epoch ms, ascending) of one account."""

    open_ms: IntArray
    price: FloatArray

    def within(self, span: Span) -> Closes:
        """Return those that open in ``span``."""
        inside = (self.open_ms >= span.start_ms) & (self.open_ms < span.end_ms)
        return Closes(self.open_ms[inside], self.price[inside])


def may_lend(
    second: SecondSource,
    *,
    reason: str,
    attempts: int,
    span: Span,
    proof: Mapping[str, Any],
    at_ms: int,
) -> bool:
    """Tell whether a gap is to be looked for at the second venue now.

    ``attempts`` counts the looks at the venue itself in vain, the one just made included. A gap
    whose rows came and were refused (``refused_in_landing``) is a matter of its own.
    """
    if reason not in LENDABLE or "refused_in_landing" in proof:
        return False
    if attempts < second.after_looks or span.end_ms - span.start_ms > LONGEST_MS:
        return False
    note = proof.get(NOTE, {})
    return "rows" not in note or at_ms - int(note["at_ms"]) >= AGAIN_MS


def around(span: Span) -> tuple[Span, Span]:
    """Return where the two venues are compared, before and after a hole."""
    before = Span(max(0, span.start_ms - OVERLAP_MS), span.start_ms)
    return before, Span(span.end_ms, span.end_ms + OVERLAP_MS)


def judge_level(own: Closes, other: Closes, span: Span, tolerance: float) -> str | None:
    """Return why prices of another venue do not fit around ``span``, None where they do.

    On each side of the hole the median ratio of closes that both state must be within
    ``tolerance`` of one; of each side, since a unit may have changed inside.
    """
    for name, side in zip(("before", "after"), around(span), strict=True):
        mine, theirs = own.within(side), other.within(side)
        _, at_mine, at_theirs = np.intersect1d(
            mine.open_ms, theirs.open_ms, assume_unique=True, return_indices=True
        )
        if len(at_mine) < FEWEST_COMMON:
            return (
                f"{len(at_mine)} candles {name} the gap stand in both accounts, "
                f"{FEWEST_COMMON} are needed to compare prices"
            )
        ratio = float(np.median(theirs.price[at_theirs] / mine.price[at_mine]))
        if not abs(ratio - 1) <= tolerance:
            return (
                f"{name} the gap its prices are {ratio:.6g} times ours, "
                f"further off than {tolerance:g} of one"
            )
    return None


def whole_pieces(open_ms: IntArray, span: Span) -> list[Span]:
    """Return the parts of ``span`` that minutes opening at ``open_ms`` fill without a hole."""
    inside = np.unique(open_ms[(open_ms >= span.start_ms) & (open_ms < span.end_ms)])
    if not len(inside):
        return []
    breaks = np.flatnonzero(np.diff(inside) != M1.length_ms)
    starts = inside[np.append(0, breaks + 1)]
    ends = inside[np.append(breaks, len(inside) - 1)] + M1.length_ms
    return [Span(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]
