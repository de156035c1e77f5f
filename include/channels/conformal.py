"""Move quantile forecasts so that they cover what they say, by what came after earlier ones.

A *score* is how far an outcome lay above its forecast quantile, in units of the scatter at that
origin. Before a forecast is made, the quantile is moved by the same quantile of the scores already
known: conformalised quantile regression with a margin per side (Romano, Patterson and Candes
2019), over a rolling window, its level corrected by how often the moved quantile was missed
(adaptive conformal inference, Gibbs and Candes 2021). Nothing at or after an origin moves its
forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.channels.noise import Array

WINDOW = 60
"""Origins whose scores count."""
GAIN = 0.1
"""How much of a miss of coverage is corrected at the next origin."""
MIN_SCORES = 6
"""Fewer scores than this move nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """``margins[k]``, (origins, taus): what was added at origin k, in units of its scatter.

    ``next_margins``, (taus,): what is to be added to a forecast made now.
    """

    margins: Array
    next_margins: Array


def calibrate_origins(
    outcomes: Array, forecasts: Array, units: Array, taus: tuple[float, ...]
) -> Calibration:
    """Return the margins of every origin, each from the origins before it alone.

    Args:
        outcomes: (origins, horizon) in order of time, NaN where none came; those of an origin
            must all be known before the next.
        forecasts: (origins, horizon, taus).
        units: (origins,): scatter of the values at that origin, above zero.
        taus: rising levels.
    """
    levels = np.array(taus)
    scores = (outcomes[:, :, None] - forecasts) / units[:, None, None]
    margins = np.zeros((len(outcomes) + 1, len(taus)))
    aimed = levels.copy()
    for origin in range(len(outcomes)):
        margins[origin] = _margins(scores[max(0, origin - WINDOW) : origin], aimed, levels)
        came = np.isfinite(scores[origin]).all(axis=1)
        if came.any():
            below = (scores[origin][came] <= margins[origin]).mean(axis=0)
            aimed = np.clip(aimed + GAIN * (levels - below), 0.0, 1.0)
    margins[-1] = _margins(scores[-WINDOW:], aimed, levels)
    return Calibration(margins[:-1], margins[-1])


def _margins(scores: Array, aimed: Array, levels: Array) -> Array:
    """Return the quantiles of the scores at the levels aimed at, the tails a rank further out."""
    known = np.sort(scores.reshape(-1, len(levels)), axis=0)
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < MIN_SCORES:
        return np.zeros(len(levels))
    ranks = aimed * (len(known) + 1)
    ranks = np.where(levels < 0.5, np.floor(ranks), ranks)
    ranks = np.where(levels > 0.5, np.ceil(ranks), ranks)
    places = np.clip(ranks, 1, len(known)) - 1
    low, high = np.floor(places).astype(np.intp), np.ceil(places).astype(np.intp)
    columns = np.arange(len(levels))
    share = places - low
    return np.asarray((1 - share) * known[low, columns] + share * known[high, columns])
