"""What would have been forecast at past instants, each time from the past alone.

At an *origin* ``k`` the closes before place ``k`` are known. Origins are one horizon apart, so no
outcome is forecast twice. Breaks and lines are found anew at each; the noise scale, the spike limit
and the parent's breaks are those of the past too, renewed every ``REFRESH`` origins, which lets one
search serve all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.baselines import forecast_random_walk, forecast_volatility
from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import LogCloses
from include.channels.newest_trend import find_newest_starts
from include.channels.noise import Array
from include.channels.origin_lines import OriginLines
from include.channels.parent_pull import NO_PULL, ParentPull, pull_lines
from include.channels.quantile import fit_lines, fit_many

ORIGINS = 60
MIN_ORIGINS = 8
"""Fewer origins than this are an anecdote: no judgement is given."""
HISTORY_SEGMENTS = 4
"""An origin needs this many shortest segments of past."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Outcomes, (origins, horizon), NaN where no candle came, and what was forecast of them.

    Forecasts, (origins, horizon, taus), rise with tau: ``channel`` extends the lines fitted at the
    origin, moved by the parent as far as was chosen before it; ``previous`` those of the origin
    before (NaN at the first). ``scatter``, (origins,), is the mean distance of the newest
    segment's values from its middle line. ``pull`` is what is chosen for a forecast made now.
    """

    origins: NDArray[np.int64]
    outcomes: Array
    channel: Array
    previous: Array
    random_walk: Array
    volatility: Array
    scatter: Array
    pull: ParentPull


def choose_horizon(min_length: int) -> int:
    """Return how many candles ahead channels are judged: half the shortest segment."""
    return max(1, min_length // 2)


def candles_to_judge(min_length: int) -> int:
    """Return the fewest gapless candles for which there is a judgement."""
    return HISTORY_SEGMENTS * min_length + MIN_ORIGINS * choose_horizon(min_length)


def choose_origins(count: int, min_length: int) -> NDArray[np.int64]:
    """Return the places of up to 60 origins, one horizon apart, the newest a horizon from the end.

    Each has at least 4 shortest segments of past.
    """
    horizon = choose_horizon(min_length)
    places = np.arange(count - ORIGINS * horizon, count, horizon, dtype=np.int64)
    return np.asarray(places[places >= HISTORY_SEGMENTS * min_length])


def walk_forward(
    closes: LogCloses,
    *,
    min_length: int,
    taus: tuple[float, ...],
    parents: Sequence[ParentChannel] = (),
) -> Walk | None:
    """Return the forecasts of all origins, None when there are fewer than 8 of them.

    What is forecast at an origin depends on the closes before it alone, and on what was known of
    the parent by then.
    """
    origins = choose_origins(len(closes), min_length)
    if len(origins) < MIN_ORIGINS:
        return None
    horizon, slots = choose_horizon(min_length), closes.slots
    starts = find_newest_starts(closes, origins, min_length=min_length, parents=parents)
    lines = OriginLines(origins, starts, _fit_newest(closes, origins, starts, taus))
    outcomes = _outcomes(closes.logs, slots, origins, horizon)
    pull = NO_PULL
    if parents:
        lines, pull = pull_lines(closes, lines, outcomes, taus=taus, parents=parents)
    previous = np.full((len(origins), horizon, len(taus)), np.nan)
    previous[1:] = lines.take(slice(0, -1)).extend(closes, origins[1:], horizon)
    return Walk(
        origins=origins,
        outcomes=outcomes,
        channel=lines.extend(closes, origins, horizon),
        previous=previous,
        random_walk=forecast_random_walk(closes.logs, slots, origins, taus=taus, horizon=horizon),
        volatility=forecast_volatility(closes.logs, slots, origins, taus=taus, horizon=horizon),
        scatter=lines.scatter(closes),
        pull=pull,
    )


def _outcomes(values: Array, slots: Array, origins: NDArray[np.int64], horizon: int) -> Array:
    """Return what came, (origins, horizon) by slots ahead, NaN where no candle did."""
    outcomes = np.full((len(origins), horizon), np.nan)
    for row, origin in enumerate(origins):
        ahead = (slots[origin : origin + horizon] - slots[origin - 1]).astype(np.int64)
        reached = ahead <= horizon
        outcomes[row, ahead[reached] - 1] = values[origin : origin + horizon][reached]
    return outcomes


def _fit_newest(
    closes: LogCloses,
    origins: NDArray[np.int64],
    starts: NDArray[np.int64],
    taus: tuple[float, ...],
) -> Array:
    """Return the lines, (origins, taus, 2), of the newest segment known at each origin."""
    hours = closes.hours
    spans = [slice(start, origin) for start, origin in zip(starts, origins, strict=True)]
    edges = np.concatenate([[0], np.cumsum(origins - starts)])
    values = np.concatenate([closes.logs[span] for span in spans])
    lines, gaps = fit_many(values, np.concatenate([hours[span] for span in spans]), edges, taus)
    for row in np.flatnonzero(~np.isfinite(gaps).all(axis=1)):
        again = fit_lines(closes.logs[spans[row]], hours[spans[row]], taus)
        lines[row] = [(line.intercept, line.slope) for line in again]
    return lines
