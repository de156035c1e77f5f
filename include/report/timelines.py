"""Events by day and kind: the figures behind the timelines of quarantine and drift. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from include.market.errors import InvalidInputError

OTHER: Final = "other"
COLOURS: Final = 8
"""Kinds that can be told apart by colour; the last is that of all others."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many events of a kind a UTC day saw."""

    day: date
    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Events by kind and UTC day; ``counts`` has the shape (names, days), most frequent first."""

    first_day: date
    days: int
    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """How many events there were."""
        return int(self.counts.sum())


def lay_out_timeline(
    events: Iterable[DayCount], *, first_day: date, days: int, most: int = 6
) -> Timeline:
    """Spread events over the days [first_day, first_day + days).

    The ``most`` frequent kinds keep their names (of equals the first by name), the others are added
    up as ``other``. Events of other days are left out.

    Raises:
        InvalidInputError: fewer than one day or kind asked for.
    """
    if days < 1 or most < 1:
        raise InvalidInputError(f"timeline of {days} days and {most} kinds: ask for one at least")
    last_day = first_day + timedelta(days=days)
    inside = [one for one in events if first_day <= one.day < last_day and one.count > 0]
    totals: Counter[str] = Counter()
    for one in inside:
        totals[one.name] += one.count
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    # One more kind is shown rather than put under a name that says less.
    shown = ranked if len(ranked) <= most + 1 else ranked[:most]
    names = (*shown, OTHER) if len(ranked) > len(shown) else tuple(shown)
    places = {name: place for place, name in enumerate(shown)}
    counts = np.zeros((len(names), days), dtype=np.int64)
    for one in inside:
        counts[places.get(one.name, len(names) - 1), (one.day - first_day).days] += one.count
    return Timeline(first_day=first_day, days=days, names=names, counts=counts)


def series_colour(name: str, place: int) -> int:
    """Return which colour of a theme's series the kind at a place of a timeline has."""
    return COLOURS - 1 if name == OTHER else min(place, COLOURS - 2)
