"""Tells an outage of a whole venue from the silence of single instruments. Pure.

An instrument is *silent* in a span when its venue was asked for candles of it and had none, and
*trading* where candles of it are stored. A venue is out while every instrument that ought to trade
and is known of is silent, and none trades: instruments fail one by one for reasons of their own,
all together only with their venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from include.market.span import Span, intersect_spans, merge_spans, subtract_spans
from include.market.timeframe import DAY_MS, M1

QUORUM = 2
"""So many instruments must be silent: one alone says nothing about its venue."""
LEAST_SHARE = 0.5
"""Share of the instruments that ought to trade which must be known to be silent."""
LEAST_QUIET_MS = 10 * M1.length_ms
"""Shorter silences are everyday life where minutes without trades are left out."""
RARITY = 5
"""So many times as long as the longest other silence of the time around it is no chance."""
AROUND_MS = 7 * DAY_MS
"""How far around a silence others are looked at."""


@dataclass(frozen=True, slots=True)
class SeriesKnowledge:
    """What is known of one instrument: when it ought to trade, did, and was asked for in vain.

    Spans of neither ``traded`` nor ``silent`` were never asked for, or the asking failed.
    """

    instrument_id: int
    active: Sequence[Span]
    traded: Sequence[Span] = ()
    silent: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class VenueSilence:
    """A span in which a venue was silent as a whole, and how many instruments that rests on.

    ``silent`` is the least number of silent instruments at any instant of it, ``active`` the
    greatest number of those that ought to have traded.
    """

    span: Span
    silent: int
    active: int


@dataclass(slots=True)
class _Counts:
    """How many series are in each state at an instant."""

    active: int = 0
    traded: int = 0
    silent: int = 0
    steps: dict[int, list[int]] = field(default_factory=dict)

    def add(self, spans: Iterable[Span], place: int) -> None:
        for span in merge_spans(spans):
            self.steps.setdefault(span.start_ms, [0, 0, 0])[place] += 1
            self.steps.setdefault(span.end_ms, [0, 0, 0])[place] -= 1

    def pieces(self) -> Iterator[tuple[Span, int, int, int]]:
        """Yield spans in which nothing changes: active, traded and silent series."""
        for start_ms, end_ms in pairwise(sorted(self.steps)):
            active, traded, silent = self.steps[start_ms]
            self.active += active
            self.traded += traded
            self.silent += silent
            yield Span(start_ms, end_ms), self.active, self.traded, self.silent


def find_venue_silences(
    series: Sequence[SeriesKnowledge], *, quorum: int = QUORUM
) -> list[VenueSilence]:
    """Return the spans in which a venue was silent as a whole, sorted and apart.

    Each has an end on both sides: trade is known of right before and right after it, so that what
    may still come, and what nobody has asked for, is never taken for an outage.
    """
    counts = _Counts()
    for one in series:
        idle = intersect_spans(one.active, one.silent)
        counts.add(one.active, 0)
        counts.add(one.traded, 1)
        counts.add(idle, 2)
    found: list[VenueSilence] = []
    run: VenueSilence | None = None
    bounded = False
    for span, active, traded, silent in counts.pieces():
        if traded:
            found += [run] if run is not None else []
            run, bounded = None, True
        elif silent >= quorum and silent >= active * LEAST_SHARE and (run or bounded):
            run = _joined(run, VenueSilence(span, silent, active))
        else:
            run, bounded = None, False
    return found


def rare_silences(silences: Sequence[VenueSilence]) -> list[VenueSilence]:
    """Return those of ``silences`` that chance does not explain, for a venue that omits minutes.

    Where a minute without trades leaves no candle, short silences of all instruments are nothing
    special. One counts as an outage if it lasts ten minutes and more than five times as long as any
    other within a week of it; of two outages in a week only the far longer one is found.
    """
    found = sorted(silences, key=lambda one: one.span)
    starts, ends = (
        np.array([getattr(one.span, name) for one in found], dtype=np.int64)
        for name in ("start_ms", "end_ms")
    )
    lengths = ends - starts
    # As they are apart, those that begin in order end in order.
    firsts = np.searchsorted(ends, starts - AROUND_MS, side="right")
    lasts = np.searchsorted(starts, ends + AROUND_MS, side="left")
    return [
        found[at]
        for at in np.flatnonzero(lengths >= LEAST_QUIET_MS).tolist()
        if lengths[at] > RARITY * _longest(lengths[firsts[at] : at], lengths[at + 1 : lasts[at]])
    ]


def _longest(before: NDArray[np.int64], after: NDArray[np.int64]) -> int:
    return max(int(before.max(initial=0)), int(after.max(initial=0)))


def disconnected_spans(alive: Iterable[Span], span: Span) -> list[Span]:
    """Return the parts of ``span`` in which no connection was alive, sorted.

    ``alive`` are the spans from each connection's first instant to its last message of data.
    """
    return subtract_spans(span, alive)


def _joined(run: VenueSilence | None, piece: VenueSilence) -> VenueSilence:
    if run is None:
        return piece
    return VenueSilence(
        Span(run.span.start_ms, piece.span.end_ms),
        min(run.silent, piece.silent),
        max(run.active, piece.active),
    )
