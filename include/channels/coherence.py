"""Do the channels of two timeframes tell the same: slopes, medians, closes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.channels.channel import ChannelFit
from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import read_closes
from include.market.span import to_ms

HOUR_MS = 3_600_000


def measure_coherence(
    candles: pd.DataFrame, fit: ChannelFit, parent: ParentChannel
) -> dict[str, float]:
    """Return how far the newest segment of ``fit`` agrees with its parent's channel.

    ``parent_slope_agrees`` and ``parent_median_inside`` are 0 or 1: whether both newest slopes have
    one sign, and whether the child's middle line lies within the parent's band at the last close.
    ``parent_closes_inside`` is the share of the segment's closes within that band, each at its own
    time. ``candles`` is the frame that was fitted. Empty without a segment.
    """
    newest = fit.newest
    if newest is None:
        return {}
    closes = read_closes(candles, fit.timeframe)
    part = slice(newest.start_index, newest.end_index)
    values = closes.logs[part]
    close_ms = closes.open_ms[part] + fit.timeframe.length_ms
    bands = parent.bands_at(close_ms)
    inside = (bands[:, 0] <= values) & (values <= bands[:, -1])
    line = newest.lines[len(newest.lines) // 2]
    hours = (int(closes.open_ms[part][-1]) - to_ms(newest.start_time)) / HOUR_MS
    median = line.intercept + line.slope_per_hour * hours
    return {
        "parent_slope_agrees": float(
            np.sign(newest.slope_per_hour) == np.sign(parent.slope_per_hour)
        ),
        "parent_median_inside": float(bands[-1, 0] <= median <= bands[-1, -1]),
        "parent_closes_inside": float(inside.mean()),
    }
