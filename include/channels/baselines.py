"""What a channel must beat: forecasts that know no trend.

Values are log closes at ``slots``, whole candle lengths since any start, rising. A forecast has a
row per step ahead (row h - 1 is h slots after the last slot known) and a column per tau. At an
*origin* ``k`` the values before place ``k`` are known, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from include.channels.noise import Array
from include.channels.walk_kernel import expanding_quantiles

DECAY = 0.94
"""Memory of the volatility: RiskMetrics (1996), the share that the variance before keeps."""
WARM_UP = 20
"""Changes before which the volatility knows too little to divide by."""
MIN_CHANGES = 20
"""Fewer standardised changes than this say nothing of a tail: the plain ones are used."""


def forecast_random_walk(
    values: Array, slots: Array, origins: NDArray[np.int64], *, taus: Sequence[float], horizon: int
) -> Array:
    """Return the last value plus the empirical quantiles of past h-slot changes.

    (origins, horizon, taus); ``origins`` rise, each at least 1. Only pairs of candles exactly h
    slots apart count, so a gap lends nothing; without any such pair the forecast is the last value
    itself.
    """
    rows = np.empty((len(origins), horizon, len(taus)))
    for steps in range(1, horizon + 1):
        earlier, later = pair_places(slots, steps)
        rows[:, steps - 1] = _expand(values[later] - values[earlier], later, origins, taus)
    return np.asarray(rows + values[origins - 1][:, None, None])


def forecast_volatility(
    values: Array, slots: Array, origins: NDArray[np.int64], *, taus: Sequence[float], horizon: int
) -> Array:
    """Return the last value plus today's volatility times the quantiles of past changes in it.

    Volatility is that of ``moving_volatility``; a change over h slots is divided by the one known
    when it began. So the forecast widens after turbulent candles and narrows after calm ones. With
    fewer than 20 such changes it is the random walk. Shapes as ``forecast_random_walk``.
    """
    volatility = moving_volatility(values, slots)
    rows = forecast_random_walk(values, slots, origins, taus=taus, horizon=horizon)
    now, last = volatility[origins - 1][:, None], values[origins - 1][:, None]
    for steps in range(1, horizon + 1):
        earlier, later = pair_places(slots, steps)
        known = (earlier >= WARM_UP) & (volatility[earlier] > 0)
        earlier, later = earlier[known], later[known]
        standard = (values[later] - values[earlier]) / volatility[earlier]
        scaled = last + now * _expand(standard, later, origins, taus)
        enough = (np.searchsorted(later, origins)[:, None] >= MIN_CHANGES) & (now > 0)
        rows[:, steps - 1] = np.where(enough, scaled, rows[:, steps - 1])
    return rows


def moving_volatility(values: Array, slots: Array) -> Array:
    """Return at every value the root mean square of one-slot changes up to it, recent ones most.

    Weights fall by ``DECAY`` a candle; a change over a gap is spread evenly over its slots. Zero
    at the first value.
    """
    volatility = np.zeros(len(values))
    if len(values) > 1:
        squares = np.diff(values) ** 2 / np.diff(slots)
        fading = ([1 - DECAY], [1, -DECAY])
        weights = lfilter(*fading, np.ones(len(squares)))
        volatility[1:] = np.sqrt(lfilter(*fading, squares) / weights)
    return volatility


def pair_places(slots: Array, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of all pairs of candles exactly ``steps`` slots apart, in time order."""
    later = np.searchsorted(slots, slots + steps)
    paired = later < len(slots)
    paired[paired] = slots[later[paired]] == slots[paired] + steps
    return np.flatnonzero(paired).astype(np.int64), later[paired].astype(np.int64)


def _expand(
    changes: Array, known_at: NDArray[np.int64], origins: NDArray[np.int64], taus: Sequence[float]
) -> Array:
    """Return the quantiles, (origins, taus), of the changes that ended before each origin."""
    quantiles = np.empty((len(origins), len(taus)))
    counts = np.searchsorted(known_at, origins).astype(np.int64)
    ordered = changes.copy()
    ordered[: counts[0]].sort()
    expanding_quantiles(np.ascontiguousarray(changes), ordered, counts, np.array(taus), quantiles)
    return quantiles
