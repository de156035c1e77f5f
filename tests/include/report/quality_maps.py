"""Builders for tests of the quality pictures: a map of coverage with known counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from include.report.coverage import CODES, STATES, CoverageMap, MapRow
from include.report.timelines import DayCount, Timeline, lay_out_timeline

FIRST_DAY = date(2024, 1, 1)


def make_map(
    *,
    days: int = 3,
    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"),
    venues: Sequence[str] = ("binance_spot",),
    labels: Sequence[str] = ("1m", "4h"),
    planted: Mapping[tuple[str, int, int], Mapping[str, int]] | None = None,
) -> CoverageMap:
    """Return a map of whole days; ``planted`` replaces single days by (label, row, day)."""
    rows = tuple(
        MapRow(instrument_id=place, venue=venues[place % len(venues)], symbol=symbol)
        for place, symbol in enumerate(symbols)
    )
    per_day = {"1m": 1440, "5m": 288, "30m": 48, "4h": 6}
    counts = {}
    for label in labels:
        whole = np.zeros((len(rows), days, len(STATES)), dtype=np.int32)
        whole[..., CODES["present"]] = per_day[label]
        counts[label] = whole
    for (label, row, day), states in (planted or {}).items():
        counts[label][row, day] = 0
        for state, count in states.items():
            counts[label][row, day, CODES[state]] = count
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)
    return CoverageMap(at=at, first_day=FIRST_DAY, days=days, rows=rows, counts=counts)


def make_timeline(days: int = 3, **names: Sequence[int]) -> Timeline:
    """Return a timeline with the counts of each name day by day."""
    return lay_out_timeline(
        [
            DayCount(FIRST_DAY + timedelta(days=day), name, count)
            for name, counts in names.items()
            for day, count in enumerate(counts)
        ],
        first_day=FIRST_DAY,
        days=days,
    )
