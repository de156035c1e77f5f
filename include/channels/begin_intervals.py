"""How sure the beginning of each segment is, among its features.

==================  ==============================================================================
column              meaning
==================  ==============================================================================
begin_first_hours   hours from start_time back to the first place where the break may as well be
begin_last_hours    hours from start_time on to the last such place
==================  ==============================================================================

The oldest segment begins with the candles, not with a break: NaN.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.channels.breakpoint_intervals import locate_breaks
from include.channels.channel import ChannelFit
from include.channels.log_closes import read_closes
from include.channels.noise import Array
from include.channels.segmentation import Segmentation

LEVEL = 0.95


def describe_begins(
    candles: pd.DataFrame, fit: ChannelFit, *, min_candles: int
) -> dict[str, Array]:
    """Return both columns, a number per segment of ``fit``.

    ``candles`` and ``min_candles`` are those that were fitted. What a coarser timeframe made likely
    is left out of account: the candles speak alone.

    Raises:
        ContractError: the frame lacks ``open_time`` or ``close``.
        InvalidInputError: ``candles`` are not those of the fit.
    """
    first, last = (np.full(len(fit.segments), np.nan) for _ in range(2))
    if len(fit.segments) > 1:
        closes = read_closes(candles, fit.timeframe)
        bounds = tuple((one.start_index, one.end_index) for one in fit.segments)
        found = locate_breaks(
            closes.logs,
            Segmentation(bounds, fit.noise_scale, fit.penalty, 0.0),
            min_length=min_candles,
            times=closes.slots,
            level=LEVEL,
        )
        for place, one in enumerate(found, start=1):
            first[place] = closes.hours[one.first] - closes.hours[one.place]
            last[place] = closes.hours[one.last] - closes.hours[one.place]
    return {"begin_first_hours": first, "begin_last_hours": last}
