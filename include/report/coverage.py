"""How the candles of every instrument and day stand: the figures behind the coverage map. Pure.

A candle has one state. For 1m it is what the ledger says of its minute. A coarser candle is
``present`` when all of its minutes are, ``partial`` when it was built from fewer because the ledger
explains the others, ``not_built`` while the cascade has not come to it, else it has the worst state
of its minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS, M1, Timeframe

Kind = Literal["stored", "explained", "unexplained", "pending"]


@dataclass(frozen=True, slots=True)
class State:
    """What can be said of a candle: a name, words for people, and whether it is anybody's task."""

    name: str
    label: str
    kind: Kind


STATES: Final = (
    State("present", "stored", "stored"),
    State("partial", "built from fewer, explained", "stored"),
    State("pre_listing", "before its listing", "explained"),
    State("delisted", "after its end", "explained"),
    State("no_trade", "no trade", "explained"),
    State("halted", "trading halted", "explained"),
    State("unpublished", "not published", "explained"),
    State("outage", "venue outage", "explained"),
    State("not_built", "not yet built", "pending"),
    State("not_loaded", "never asked for", "pending"),
    State("depth_exhausted", "history too short", "unexplained"),
    State("disconnected", "feed disconnected", "unexplained"),
    State("fetch_failed", "fetch failed", "unexplained"),
    State("unknown", "unexplained", "unexplained"),
)
"""Every state, the worse the later; a place in it is the state's code."""
CODES: Final = {state.name: code for code, state in enumerate(STATES)}
OUTSIDE_LIFE: Final = frozenset({"pre_listing", "delisted"})

_PRESENT, _PARTIAL, _NOT_BUILT = (CODES[name] for name in ("present", "partial", "not_built"))
_AHEAD: Final = len(STATES)
"""Code of a minute that is not over: its candle is not counted yet."""
_DAY_MINUTES: Final = DAY_MS // M1.length_ms

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What the ledger says of one instrument's minutes.

    ``states`` are spans by state of the minutes (``not_loaded`` where nothing is said), ``built``
    the spans each coarser timeframe, by label, has been built for.
    """

    instrument_id: int
    venue: str
    symbol: str
    states: Mapping[str, Sequence[Span]]
    built: Mapping[str, Sequence[Span]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """Whose candles a row of the map shows."""

    instrument_id: int
    venue: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageMap:
    """Candles by instrument, UTC day, timeframe and state.

    ``counts[label]`` has the shape (rows, days, states). A candle counts on the day it opens; one
    longer than a day counts once on each of its days. Candles not over at ``at`` are not counted.
    """

    at: datetime
    first_day: date
    days: int
    rows: tuple[MapRow, ...]
    counts: Mapping[str, Counts]

    def day(self, place: int) -> date:
        """Return the day of a place on the axis."""
        return self.first_day + timedelta(days=place)


def map_coverage(
    series: Sequence[Series], timeframes: Sequence[Timeframe], *, first_day: date, at: datetime
) -> CoverageMap:
    """Count the candles of every day from ``first_day`` to the one ``at`` (aware) lies in.

    Instruments that were not yet or no longer listed all the time are left out; rows are in order
    of venue and symbol.

    Raises:
        InvalidInputError: ``at`` lies before ``first_day``.
    """
    start_ms, at_ms = to_ms(datetime(*first_day.timetuple()[:3], tzinfo=UTC)), to_ms(at)
    if at_ms < start_ms:
        raise InvalidInputError(f"map of coverage: {at.isoformat()} lies before {first_day}")
    days = max(1, -(-(at_ms - start_ms) // DAY_MS))
    canvas = _Canvas(start_ms, days, at_ms)
    kept: list[MapRow] = []
    counts: dict[str, list[Counts]] = {timeframe.label: [] for timeframe in timeframes}
    for one in sorted(series, key=lambda one: (one.venue, one.symbol, one.instrument_id)):
        minutes = canvas.paint_states(one.states)
        if np.isin(minutes, [_AHEAD, *(CODES[name] for name in OUTSIDE_LIFE)]).all():
            continue
        kept.append(MapRow(instrument_id=one.instrument_id, venue=one.venue, symbol=one.symbol))
        for timeframe in timeframes:
            built = canvas.paint(one.built.get(timeframe.label, ()))
            counts[timeframe.label].append(_count(canvas, minutes, built, timeframe))
    empty = np.zeros((0, days, len(STATES)), dtype=np.int32)
    return CoverageMap(
        at=at,
        first_day=first_day,
        days=days,
        rows=tuple(kept),
        counts={label: np.stack(rows) if rows else empty for label, rows in counts.items()},
    )


def newest_days(found: CoverageMap, most: int) -> CoverageMap:
    """Return the map of at most the ``most`` newest days; rows stay as they are."""
    skipped = max(found.days - most, 0)
    return replace(
        found,
        first_day=found.day(skipped),
        days=found.days - skipped,
        counts={label: counts[:, skipped:] for label, counts in found.counts.items()},
    )


def count_states(counts: Counts) -> dict[str, int]:
    """Return how many candles stand how, by state, over whatever ``counts`` hold."""
    totals = counts.reshape(-1, len(STATES)).sum(axis=0, dtype=np.int64)
    return {state.name: int(total) for state, total in zip(STATES, totals, strict=True) if total}


def share_of(counts: Counts, kind: Kind) -> NDArray[np.float64]:
    """Return per instrument and day which share of the candles is of a kind, 0.0 to 1.0.

    Candles outside the instrument's life are left out of the whole; a day without any is 0.0.
    """
    inside = [code for code, state in enumerate(STATES) if state.name not in OUTSIDE_LIFE]
    wanted = [code for code in inside if STATES[code].kind == kind]
    whole = counts[..., inside].sum(axis=-1)
    shares: NDArray[np.float64] = np.divide(
        counts[..., wanted].sum(axis=-1), whole, out=np.zeros(whole.shape), where=whole > 0
    )
    return shares


class _Canvas:
    """One byte per minute of the map's days."""

    def __init__(self, start_ms: int, days: int, at_ms: int) -> None:
        self.start_ms, self.days = start_ms, days
        self.minutes = days * _DAY_MINUTES
        self.over = min((at_ms - start_ms) // M1.length_ms, self.minutes)

    def paint_states(self, states: Mapping[str, Sequence[Span]]) -> NDArray[np.uint8]:
        """Return the code of every minute; the worse state wins where spans overlap."""
        minutes = np.full(self.minutes, CODES["not_loaded"], dtype=np.uint8)
        # A state nobody has told us of yet is better shown as unexplained than left out.
        told = sorted(states.items(), key=lambda item: CODES.get(item[0], CODES["unknown"]))
        for name, spans in told:
            self._fill(minutes, spans, CODES.get(name, CODES["unknown"]))
        minutes[self.over :] = _AHEAD
        return minutes

    def paint(self, spans: Sequence[Span]) -> NDArray[np.uint8]:
        """Return 1 for every minute inside ``spans``, else 0."""
        minutes = np.zeros(self.minutes, dtype=np.uint8)
        self._fill(minutes, spans, 1)
        return minutes

    def _fill(self, minutes: NDArray[np.uint8], spans: Sequence[Span], code: int) -> None:
        # A minute belongs to the span its first instant lies in.
        for span in spans:
            first = -(-(span.start_ms - self.start_ms) // M1.length_ms)
            last = -(-(span.end_ms - self.start_ms) // M1.length_ms)
            minutes[max(first, 0) : max(last, 0)] = code


def _count(
    canvas: _Canvas, minutes: NDArray[np.uint8], built: NDArray[np.uint8], timeframe: Timeframe
) -> Counts:
    if timeframe.length_ms > DAY_MS:
        return _count_long(canvas, minutes, built, timeframe)
    per_day, length = DAY_MS // timeframe.length_ms, timeframe.length_ms // M1.length_ms
    by_day, built_by_day = minutes.reshape(-1, _DAY_MINUTES), built.reshape(-1, _DAY_MINUTES)
    counts = np.zeros((canvas.days, _AHEAD + 1), dtype=np.int32)
    lowest, highest = by_day.min(axis=1), by_day.max(axis=1)
    even = lowest == highest
    if timeframe != M1:
        even &= (lowest != _PRESENT) | (built_by_day.min(axis=1) == 1)
    # Nearly every day is the same from midnight to midnight: only the others are looked into.
    counts[even, lowest[even]] = per_day
    codes = by_day[~even]
    if timeframe != M1:
        starts = np.arange(0, codes.size, length)
        codes = _judge_buckets(codes.ravel(), built_by_day[~even].ravel(), starts, starts + length)
    for code in np.unique(codes):
        counts[~even, code] = (codes.reshape(-1, per_day) == code).sum(axis=1)
    return counts[:, :_AHEAD]


def _count_long(
    canvas: _Canvas, minutes: NDArray[np.uint8], built: NDArray[np.uint8], timeframe: Timeframe
) -> Counts:
    """Count buckets longer than a day, cut to the map: the one each day lies in, on each day."""
    start_ms, end_ms = canvas.start_ms, canvas.start_ms + canvas.days * DAY_MS
    opens_ms = [timeframe.floor_ms(start_ms)]
    while (following_ms := timeframe.end_ms(opens_ms[-1])) < end_ms:
        opens_ms.append(following_ms)
    starts = np.maximum((np.array(opens_ms) - start_ms) // M1.length_ms, 0)
    codes = _judge_buckets(minutes, built, starts, np.append(starts[1:], canvas.minutes))
    if following_ms > end_ms:
        codes[-1] = _AHEAD
    days = np.arange(canvas.days)
    counts = np.zeros((canvas.days, _AHEAD + 1), dtype=np.int32)
    counts[days, codes[np.searchsorted(starts, days * _DAY_MINUTES, side="right") - 1]] = 1
    return counts[:, :_AHEAD]


def _judge_buckets(
    minutes: NDArray[np.uint8],
    built: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Return the code of each bucket; ``starts`` and ``ends`` are places in ``minutes``."""
    if not len(starts):
        return np.zeros(0, dtype=np.uint8)
    codes = np.maximum.reduceat(minutes, starts)
    stored = np.add.reduceat((minutes == _PRESENT).astype(np.int32), starts)
    # Where a minute is unexplained or not over, its state says more than anything here.
    buildable = (codes < _NOT_BUILT) & (stored > 0)
    proven = np.minimum.reduceat(built, starts) == 1
    codes[buildable & (stored < ends - starts)] = _PARTIAL
    codes[buildable & ~proven] = _NOT_BUILT
    return codes
