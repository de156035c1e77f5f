"""Candle resolutions, and the chain in which each is built from finer ones.

Every bucket is anchored in UTC, whatever the sessions of a venue: a divisor of a day counts from
midnight (and so from the Unix epoch), ``1w`` opens on Monday 00:00 and ``1M`` on the first of the
month 00:00, as on the exchanges themselves. Leap seconds do not exist in Unix time, and nothing
depends on a local clock.

Which timeframes are kept is said by the environment variable ``CANDLEWICK_TIMEFRAMES``, in one
place for all: ``1m 5m 30m 4h`` when it is not set. Each is built from the coarsest kept one that
fills its buckets, so the chain may be a tree: ``1w`` and ``1M`` both come from ``1d``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from include.market.errors import InvalidInputError
from include.market.span import month_start_ms, next_month_ms

DAY_MS = 86_400_000
VARIABLE: Final = "CANDLEWICK_TIMEFRAMES"
DEFAULT_CHAIN: Final = "1m 5m 30m 4h"
MOST_CHILDREN: Final = 1440
"""The most candles one candle is built from; the tables hold no larger count."""
_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": DAY_MS}


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """A candle resolution such as ``5m``.

    Buckets lie ``length_ms`` apart, one of them at ``anchor_ms``; with ``months`` they are calendar
    months instead, and ``length_ms`` is only the longest there is: ask ``end_ms`` for a bucket's
    own end.
    """

    length_ms: int
    label: str
    anchor_ms: int = 0
    months: bool = False

    @property
    def name(self) -> str:
        """Name in tables, stages and DAG ids, where ``1M`` and ``1m`` are one: ``1mo``."""
        return "1mo" if self.months else self.label

    @property
    def dataset(self) -> str:
        """Name of its candle table, as the ledger writes it: ``candle_5m``."""
        return f"candle_{self.name}"

    @property
    def interval(self) -> str:
        """How long a candle lasts, as PostgreSQL reads an interval in a session of zone UTC."""
        return "1 month" if self.months else f"{self.length_ms} milliseconds"

    def floor_ms(self, instant_ms: int) -> int:
        """Return the open time of the bucket that holds ``instant_ms``."""
        if self.months:
            return month_start_ms(instant_ms)
        return instant_ms - (instant_ms - self.anchor_ms) % self.length_ms

    def ceil_ms(self, instant_ms: int) -> int:
        """Return the first bucket boundary at or after ``instant_ms``."""
        open_ms = self.floor_ms(instant_ms)
        return open_ms if open_ms == instant_ms else self.end_ms(open_ms)

    def end_ms(self, open_ms: int) -> int:
        """Return the first instant after the bucket that opens at ``open_ms``."""
        return next_month_ms(open_ms) if self.months else open_ms + self.length_ms

    def divides(self, coarser: Timeframe) -> bool:
        """Tell whether whole candles of this resolution fill every bucket of ``coarser``."""
        if self.months or coarser <= self:
            return False
        if coarser.months:
            # Months begin at midnight, and each is a whole number of days.
            return not self.anchor_ms and DAY_MS % self.length_ms == 0
        # So do weeks: only what divides a day fills them, and that has an edge at midnight.
        return coarser.length_ms % self.length_ms == 0

    def children_in(self, open_ms: int, source: Timeframe) -> int:
        """Return how many ``source`` candles fill the bucket that opens at ``open_ms``."""
        return (self.end_ms(open_ms) - open_ms) // source.length_ms


M1 = Timeframe(_UNITS_MS["m"], "1m")
M5 = Timeframe(5 * _UNITS_MS["m"], "5m")
M30 = Timeframe(30 * _UNITS_MS["m"], "30m")
H4 = Timeframe(4 * _UNITS_MS["h"], "4h")
D1 = Timeframe(DAY_MS, "1d")
W1 = Timeframe(7 * DAY_MS, "1w", anchor_ms=4 * DAY_MS)
"""Weeks from Monday; the epoch was a Thursday."""
MO1 = Timeframe(31 * DAY_MS, "1M", months=True)


def parse_timeframe(label: str) -> Timeframe:
    """Return the timeframe called ``label``, whether candles of it are kept or not.

    Minutes, hours or one day that divide a day, each written in one way only (``1h``, not
    ``60m``), ``1w`` and ``1M``.

    Raises:
        InvalidInputError: ``label`` is no such timeframe.
    """
    for calendar in (W1, MO1):
        if label == calendar.label:
            return calendar
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", label, re.ASCII)
    length_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not found or DAY_MS % length_ms:
        raise InvalidInputError(
            f"unknown timeframe {label!r}: choose a divisor of a day such as 1m, 5m, 30m, 4h, 1d, "
            "or 1w or 1M"
        )
    written = _written(length_ms)
    if label != written:
        raise InvalidInputError(f"unknown timeframe {label!r}: write it {written}")
    return Timeframe(length_ms, label)


def timeframe_of(dataset: str) -> Timeframe | None:
    """Return the timeframe whose candle table is called ``dataset``, None for another table."""
    name = dataset.removeprefix("candle_")
    try:
        found = parse_timeframe(MO1.label if name == MO1.name else name)
    except InvalidInputError:
        return None
    return found if found.dataset == dataset else None


def parse_chain(text: str) -> tuple[Timeframe, ...]:
    """Read timeframes parted by spaces or commas, in any order; return them, the finest first.

    Nothing but blanks means ``DEFAULT_CHAIN``.

    Raises:
        InvalidInputError: an unknown timeframe, one named twice, no ``1m``, or one that would be
            built from more than ``MOST_CHILDREN`` candles.
    """
    named = [parse_timeframe(label) for label in re.findall(r"[^\s,]+", text)]
    if not named:
        return parse_chain(DEFAULT_CHAIN)
    for place, timeframe in enumerate(named):
        if timeframe in named[:place]:
            raise InvalidInputError(f"timeframes {text!r} name {timeframe.label} twice")
    if M1 not in named:
        raise InvalidInputError(
            f"timeframes {text!r} lack 1m: all others are built from minutes; add it"
        )
    chain = tuple(sorted(named))
    for source, target in arrows_of(chain):
        if target.length_ms > MOST_CHILDREN * source.length_ms:
            raise InvalidInputError(
                f"timeframes {text!r}: {target.label} would be built from "
                f"{target.length_ms // source.length_ms} candles of {source.label}, more than "
                f"{MOST_CHILDREN}: add one between them, such as 1d"
            )
    return chain


def arrows_of(chain: Sequence[Timeframe]) -> tuple[tuple[Timeframe, Timeframe], ...]:
    """Return ``(source, target)`` for every timeframe but ``1m``, the finest target first.

    The source of each is the coarsest of ``chain`` (which holds ``1m``) that fills its buckets.
    """
    return tuple(
        (max(finer for finer in chain if finer.divides(target)), target)
        for target in sorted(chain)
        if target != M1
    )


def _written(length_ms: int) -> str:
    """Return the one label of a length that divides a day: in the longest unit that fits."""
    for unit in ("d", "h"):
        if length_ms % _UNITS_MS[unit] == 0:
            return f"{length_ms // _UNITS_MS[unit]}{unit}"
    return f"{length_ms // _UNITS_MS['m']}m"


def _configured() -> tuple[Timeframe, ...]:
    try:
        return parse_chain(os.environ.get(VARIABLE, ""))
    except InvalidInputError as error:
        raise InvalidInputError(f"{VARIABLE}: {error}") from None


CHAIN: Final = _configured()
"""The timeframes kept, the finest first."""
TIMEFRAMES: Final = {timeframe.label: timeframe for timeframe in CHAIN}
CASCADE: Final = arrows_of(CHAIN)
"""What is built from what: ``(source, target)``, a source before all that is built from it."""
