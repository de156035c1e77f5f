"""Totals over the river, for summaries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.market.timeframe import TIMEFRAMES
from include.warehouse.candles import count_candles
from include.warehouse.engine import Connection
from include.warehouse.merge import dataset_of
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """What the warehouse holds; the span (half-open) is None while nothing is covered.

    ``candles`` by timeframe label, ``gaps`` open ones of 1m candles by reason; segments and
    channels of current fits.
    """

    span_start: datetime | None
    span_end: datetime | None
    candles: dict[str, int]
    gaps: dict[str, int]
    quarantined: int
    segments: int
    channels_published: int
    channels_declined: int


def read_counts(connection: Connection) -> StoredCounts:
    """Return the totals of this moment."""
    row = connection.execute(statement("report/river_counts")).fetchone()
    start, end, quarantined, segments, published, declined = row or (None, None, 0, 0, 0, 0)
    gaps = connection.execute(
        "SELECT reason, count(*) FROM ledger.gap "
        "WHERE dataset = 'candle_1m' AND closed_at IS NULL GROUP BY reason ORDER BY reason"
    )
    stored = count_candles(connection)
    return StoredCounts(
        span_start=start,
        span_end=end,
        candles={label: stored[dataset_of(known)] for label, known in TIMEFRAMES.items()},
        gaps=dict(gaps.fetchall()),
        quarantined=quarantined,
        segments=segments,
        channels_published=published,
        channels_declined=declined,
    )
