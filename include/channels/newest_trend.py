"""Where the newest trend began, as it was seen at past instants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.channels.hierarchy import (
    ParentChannel,
    likely_breaks,
    likely_price,
    newest_known,
)
from include.channels.log_closes import LogCloses
from include.channels.noise import SPIKE_WINDOW, Array, clip_spikes, spike_noise
from include.channels.segmentation import bic_penalty, measure_noise, price_starts, search_cuts
from include.channels.walk_kernel import newest_start
from include.market.span import from_ms

REFRESH = 10
"""Origins served by one search: its noise scale, spike limit and prices are those of the first."""
TAIL = 4 * SPIKE_WINDOW
"""Values enough to clip the last ``SPIKE_WINDOW`` of them as they are clipped in the whole."""


def find_newest_starts(
    closes: LogCloses,
    origins: NDArray[np.int64],
    *,
    min_length: int,
    parents: Sequence[ParentChannel] = (),
) -> NDArray[np.int64]:
    """Return at which place the newest segment known at each origin starts.

    At the first of every ``REFRESH`` origins that is the newest start of ``segment_lines`` on the
    values before it; at the others too, but for a noise scale, penalty and parent up to 9 origins
    older.
    """
    parts = [
        _starts_of_block(closes, origins[first : first + REFRESH], min_length, parents)
        for first in range(0, len(origins), REFRESH)
    ]
    return np.concatenate(parts)


def _starts_of_block(
    closes: LogCloses,
    origins: NDArray[np.int64],
    min_length: int,
    parents: Sequence[ParentChannel],
) -> NDArray[np.int64]:
    first, last = int(origins[0]), int(origins[-1])
    noise = spike_noise(closes.logs[:first])
    whole = clip_spikes(closes.logs[:last], noise)
    scale = measure_noise(_clip_before(closes.logs, whole, first, noise))
    if scale == 0.0:
        return np.zeros(len(origins), dtype=np.int64)
    times, prices = closes.slots, price_past_starts(closes, first, parents)
    settled, level = last - SPIKE_WINDOW, closes.logs[0]
    costs, _ = search_cuts(
        (whole[:settled] - level) / scale, times[:settled], min_length, prices[: settled + 1]
    )
    starts = np.empty(len(origins), dtype=np.int64)
    for row, origin in enumerate(origins):
        clean = _clip_before(closes.logs, whole, int(origin), noise)
        until = int(origin) - SPIKE_WINDOW
        own = np.full(int(origin) + 1, np.inf)
        own[: until + 1] = costs[: until + 1]
        starts[row] = newest_start(
            times[:origin], (clean - level) / scale, prices[:origin], own, until, min_length
        )
    return starts


def _clip_before(values: Array, whole: Array, origin: int, noise: float) -> Array:
    """Return the values before ``origin``, clipped as they are by those before it alone.

    ``whole`` are more of them, clipped: a full window before an origin it is the same.
    """
    tail = clip_spikes(values[max(0, origin - TAIL) : origin], noise)
    return np.concatenate([whole[: origin - SPIKE_WINDOW], tail[-SPIKE_WINDOW:]])


def price_past_starts(
    closes: LogCloses, known: int, parents: Sequence[ParentChannel] = ()
) -> Array:
    """Return the price of a segment from every place, as told when ``known`` values were there.

    In units of noise variance: Schwarz's, and less at the breaks the parent had by then.
    """
    penalty = bic_penalty(known)
    parent = known_parent(parents, closes, known)
    if parent is None:
        return price_starts(len(closes), penalty)
    likely = likely_breaks(parent, closes.open_ms[:known], closes.timeframe)
    lower = likely_price(penalty, known, parent, closes.timeframe)
    return price_starts(len(closes), penalty, likely, lower)


def known_parent(
    parents: Sequence[ParentChannel], closes: LogCloses, known: int
) -> ParentChannel | None:
    """Return the parent as it was known when the first ``known`` candles had closed."""
    return newest_known(parents, from_ms(closes.close_ms(known - 1)))
