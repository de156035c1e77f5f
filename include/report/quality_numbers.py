"""Totals of the days shown, and how numbers and times are written for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.report.coverage import OUTSIDE_LIFE, STATES, CoverageMap, count_states
from include.report.quality_lines import OpenGapLine
from include.report.quality_page import Tile
from include.report.timelines import Timeline

_KIND = {state.name: state.kind for state in STATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityNumbers:
    """The totals of the days shown; minutes are those inside the instruments' lives.

    ``gaps`` counts all open unexplained gaps; ``oldest_gap`` is the one known longest.
    """

    expected: int
    stored: int
    explained: int
    unexplained: int
    never_asked: int
    refused: int
    alarms: int
    gaps: int
    oldest_gap: OpenGapLine | None
    at: datetime


def add_up(
    found: CoverageMap,
    refused: Timeline,
    drift: Timeline,
    *,
    gaps: Sequence[OpenGapLine],
    gap_count: int,
) -> QualityNumbers:
    """Return the totals of a map of 1m candles and of its timelines."""
    totals = count_states(found.counts["1m"])
    by_kind = dict.fromkeys(_KIND.values(), 0)
    for name, count in totals.items():
        if name not in OUTSIDE_LIFE:
            by_kind[_KIND[name]] += count
    return QualityNumbers(
        expected=sum(by_kind.values()),
        stored=by_kind["stored"],
        explained=by_kind["explained"],
        unexplained=by_kind["unexplained"],
        never_asked=by_kind["pending"],
        refused=refused.total,
        alarms=drift.total,
        gaps=gap_count,
        oldest_gap=min(gaps, key=lambda gap: (gap.found_at, gap.start), default=None),
        at=found.at,
    )


def describe_numbers(numbers: QualityNumbers) -> str:
    """Return one line for a picture's head."""
    if not numbers.expected:
        return "Nothing was expected in these days"
    return (
        f"{show_share(numbers.stored, numbers.expected)} of {numbers.expected:,} minutes stored, "
        f"{numbers.explained:,} absent for a known reason, {numbers.unexplained:,} unexplained, "
        f"{numbers.never_asked:,} never asked for"
    )


def head_tiles(numbers: QualityNumbers) -> list[Tile]:
    """Return the numbers at the head of the page."""
    whole = numbers.stored + numbers.explained == numbers.expected
    oldest = numbers.oldest_gap
    return [
        Tile(
            "Minutes stored",
            show_share(numbers.stored, numbers.expected),
            f"{numbers.stored:,} of {numbers.expected:,}",
            "good" if whole and numbers.expected else "plain",
        ),
        Tile("Absent, explained", f"{numbers.explained:,}", "minutes, each with proof"),
        Tile(
            "Unexplained",
            f"{numbers.unexplained:,}",
            f"minutes; {numbers.gaps:,} open gaps",
            "bad" if numbers.unexplained else "good",
        ),
        Tile("Never asked for", f"{numbers.never_asked:,}", "minutes"),
        Tile(
            "Oldest open gap",
            "none" if oldest is None else show_age(numbers.at - oldest.found_at),
            "" if oldest is None else f"{oldest.symbol}, {oldest.looks} looks",
            "good" if oldest is None else "bad",
        ),
        Tile("Rows refused", f"{numbers.refused:,}", "kept in quarantine"),
        Tile("Drift alarms", f"{numbers.alarms:,}", "", "bad" if numbers.alarms else "good"),
    ]


def show_share(part: int, whole: int) -> str:
    """Return a share in per cent; only what is whole is 100 %, only nothing is 0 %."""
    if whole == 0:
        return "-"
    share = 100 * part / whole
    if part < whole and share >= 99.995:
        return "> 99.99 %"
    if part > 0 and share < 0.005:
        return "< 0.01 %"
    return f"{share:.2f} %" if 0 < part < whole else f"{share:.0f} %"


def show_time(instant: datetime | None) -> str:
    """Return an instant to the minute, UTC."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def show_age(age: timedelta) -> str:
    """Return a length of time in its two largest units."""
    minutes = max(int(age / timedelta(minutes=1)), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
