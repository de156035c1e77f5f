"""Totals over the river, for summaries."""

from __future__ import annotations

from include.market.timeframe import TIMEFRAMES
from include.report.messages import RiverCounts
from include.warehouse.candles import count_candles
from include.warehouse.engine import Connection
from include.warehouse.merge import dataset_of
from include.warehouse.statements import statement


def read_counts(connection: Connection) -> RiverCounts | None:
    """Return the totals of this moment, or None while nothing is covered.

    Gaps are the open ones of 1m candles; segments and channels those of current fits.
    """
    row = connection.execute(statement("report/river_counts")).fetchone()
    if row is None or row[0] is None:
        return None
    start, end, quarantined, segments, published, declined = row
    gaps = connection.execute(
        "SELECT reason, count(*) FROM ledger.gap "
        "WHERE dataset = 'candle_1m' AND closed_at IS NULL GROUP BY reason ORDER BY reason"
    )
    stored = count_candles(connection)
    return RiverCounts(
        span_start=start,
        span_end=end,
        candles={label: stored[dataset_of(known)] for label, known in TIMEFRAMES.items()},
        gaps=dict(gaps.fetchall()),
        quarantined=quarantined,
        segments=segments,
        channels_published=published,
        channels_declined=declined,
    )
