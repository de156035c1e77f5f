"""Estimators of the variance of a log price within a bar; roots of them are volatilities.

None is scaled to a year or a day: multiply a variance by the number of bars in the period.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from include.cascade.exact_sum import FloatArray, FloatRows, sum_columns
from include.cascade.returns import log_ratio

_FOUR_LN_2: Final = 4 * math.log(2)
_GARMAN_KLASS: Final = 2 * math.log(2) - 1


def parkinson_variance(high: FloatArray, low: FloatArray) -> FloatArray:
    """Return ``ln(high / low)² / (4 ln 2)``.

    M. Parkinson, "The extreme value method for estimating the variance of the rate of return",
    Journal of Business 53 (1980): some five times as efficient as the squared return, for a price
    without drift or jumps.
    """
    variance: FloatArray = log_ratio(high, low) ** 2 / _FOUR_LN_2
    return variance


def garman_klass_variance(
    opened: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> FloatArray:
    """Return ``ln(high / low)² / 2 - (2 ln 2 - 1) ln(close / open)²``, which is never negative.

    M. B. Garman and M. J. Klass, "On the estimation of security price volatilities from historical
    data", Journal of Business 53 (1980), the practical estimator of their section IV.
    """
    body = log_ratio(close, opened) ** 2
    # The body lies within the range, so only a last bit could be below zero.
    return np.maximum(0.5 * log_ratio(high, low) ** 2 - _GARMAN_KLASS * body, 0.0)


def rogers_satchell_variance(
    opened: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> FloatArray:
    """Return ``ln(high / close) ln(high / open) + ln(low / close) ln(low / open)``.

    L. C. G. Rogers and S. E. Satchell, "Estimating variance from high, low and closing prices",
    Annals of Applied Probability 1 (1991): unbiased also for a price with a drift.
    """
    upper = log_ratio(high, close) * log_ratio(high, opened)
    lower = log_ratio(low, close) * log_ratio(low, opened)
    return np.maximum(upper + lower, 0.0)


def realised_variance(returns: FloatRows) -> FloatArray:
    """Return the sum of the squared returns of each column; NaN counts for nothing.

    T. G. Andersen, T. Bollerslev, F. X. Diebold, P. Labys, "Modeling and forecasting realized
    volatility", Econometrica 71 (2003). A column without any return has the sum 0.0.
    """
    return sum_columns(np.nan_to_num(returns) ** 2)


def bipower_variation(returns: FloatRows) -> FloatArray:
    """Return ``π/2`` times the sum of the products of neighbouring absolute returns of each column.

    O. E. Barndorff-Nielsen and N. Shephard, "Power and bipower variation with stochastic
    volatility and jumps", Journal of Financial Econometrics 2 (2004): what it falls short of the
    realised variance is due to jumps. A pair with a NaN counts for nothing.
    """
    size = np.abs(np.nan_to_num(returns))
    variation: FloatArray = math.pi / 2 * sum_columns(size[1:] * size[:-1])
    return variation
