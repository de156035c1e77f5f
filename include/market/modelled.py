"""Which timeframes channels are fitted to, and which is the parent of which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from include.market.timeframe import CHAIN, DAY_MS, H4, Timeframe


def modelled_of(chain: Sequence[Timeframe]) -> tuple[Timeframe, ...]:
    """Return the timeframes of ``chain`` that are modelled, the coarsest first.

    Those whose candles are all of one length and fill a day; four hours are always among them,
    because reports show them.
    """
    even = {each for each in chain if not each.months and DAY_MS % each.length_ms == 0}
    return tuple(sorted({*even, H4}, reverse=True))


def parent_in(chain: Sequence[Timeframe], child: Timeframe) -> Timeframe | None:
    """Return the next coarser timeframe of ``chain`` that ``child`` fills, None without one."""
    coarser = [each for each in chain if child.divides(each)]
    return min(coarser) if coarser else None


MODELLED: Final = modelled_of(CHAIN)
"""Those of the configured chain, the coarsest first: parents before their children."""


def parent_of(child: Timeframe) -> Timeframe | None:
    """Return the timeframe whose channels enter those of ``child``, None for the coarsest."""
    return parent_in(MODELLED, child)


def is_parent(timeframe: Timeframe) -> bool:
    """Tell whether any modelled timeframe is a child of ``timeframe``."""
    return any(parent_of(each) == timeframe for each in MODELLED)
