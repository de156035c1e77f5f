"""Does one forecaster lose less than another, or was it luck: the Diebold-Mariano test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from include.channels.noise import Array
from include.market.errors import InvalidInputError

MIN_DIFFERENCES = 4
SAME_LOSS = 1e-12
"""Losses in log price that differ by less are the same: no price has so many digits."""


@dataclass(frozen=True, slots=True)
class LossComparison:
    """What ``compare_losses`` found.

    ``mean`` is the average difference (model minus rival, units of the losses), ``statistic`` it
    in standard errors, ``p_value`` the chance of so low a mean or a lower one if the model were
    only as good as its rival. ``lag`` is how many neighbours were taken to be correlated.
    """

    mean: float
    statistic: float
    p_value: float
    lag: int


def newey_west_lag(count: int) -> int:
    """Return how many lags count: ``4 (count / 100)^(2/9)``, the rule of Newey and West (1994)."""
    return min(int(4 * (count / 100) ** (2 / 9)), count - 1)


def compare_losses(differences: Array, lag: int | None = None) -> LossComparison:
    """Test whether losses ``differences`` (model minus rival, in order of time) are below zero.

    Diebold and Mariano (1995): mean over its standard error, the latter from Bartlett-weighted
    autocovariances (Newey and West 1987) up to ``lag`` (default ``newey_west_lag``), so that
    differences that follow each other may be correlated. Harvey, Leybourne and Newbold (1997):
    the statistic is shrunk and held against Student's t with count - 1 degrees of freedom.
    Differences that are all the same are no luck: the p-value is 0 or, from zero on, 1.

    Raises:
        InvalidInputError: fewer than 4 differences, or one that is not finite.
    """
    count = len(differences)
    if count < MIN_DIFFERENCES or not np.isfinite(differences).all():
        raise InvalidInputError(
            f"comparing losses needs {MIN_DIFFERENCES} finite differences or more, had {count}: "
            "judge at more origins"
        )
    lags = newey_west_lag(count) if lag is None else lag
    mean = float(differences.mean())
    if abs(mean) <= SAME_LOSS:
        return LossComparison(mean, 0.0, 1.0, lags)
    error = np.sqrt(long_run_variance(differences, lags) / count)
    if error <= SAME_LOSS:
        return LossComparison(mean, float(np.copysign(np.inf, mean)), float(mean > 0), lags)
    steps = lags + 1
    shrink = np.sqrt((count + 1 - 2 * steps + steps * (steps - 1) / count) / count)
    statistic = float(shrink * mean / error)
    return LossComparison(mean, statistic, float(stdtr(count - 1, statistic)), lags)


def long_run_variance(values: Array, lag: int) -> float:
    """Return the variance of the mean of ``values`` times their count, never negative.

    Source: Newey and West (Econometrica 55, 1987).
    """
    away = values - values.mean()
    count = len(values)
    variance = float(away @ away) / count
    for step in range(1, lag + 1):
        weight = 1 - step / (lag + 1)
        variance += 2 * weight * float(away[step:] @ away[:-step]) / count
    return max(variance, 0.0)
