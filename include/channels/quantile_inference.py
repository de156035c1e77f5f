"""How sure is a quantile plane: standard errors and bands of its coefficients.

Formulas as statsmodels' ``QuantReg.fit`` has them (its reference for both: Greene 2008, sec. 7.3;
Koenker 2005, sec. 3.4). They hold for independent errors; of candles, which are not, they tell the
least doubt there is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import stats

from include.channels.noise import Array
from include.market.errors import InvalidInputError

Errors = Literal["kernel", "iid"]
EXACT = 1e-9
"""A residual below this share of the spread of the values is none."""


def coefficient_covariance(
    values: Array,
    design: Array,
    coefficients: Array,
    tau: float,
    *,
    errors: Errors = "kernel",
    alpha: float = 0.05,
) -> Array:
    """Return the covariance matrix, (p, p), of the coefficients of a quantile plane.

    ``iid`` takes the errors for equally spread everywhere: tau (1 - tau) / f(0)^2 times the
    inverse of X'X. ``kernel`` lets the two sides of the plane differ (Powell's sandwich as Greene
    gives it). f(0), the density of the residuals at the plane, is estimated with the Epanechnikov
    kernel and the bandwidth of Hall and Sheather (JRSS B 50, 1988) for the level ``alpha``.

    Raises:
        InvalidInputError: all residuals are equal, so that their density has no estimate.
    """
    residuals = values - design @ coefficients
    density = _density_at_zero(residuals, values, tau, alpha)
    inverse = np.linalg.pinv(design.T @ design)
    if errors == "iid":
        return np.asarray(tau * (1 - tau) / density**2 * inverse)
    # A plane goes through some of the values: rounding must not decide on which side they lie.
    above = residuals > EXACT * np.std(values)
    spread = np.where(above, (tau / density) ** 2, ((1 - tau) / density) ** 2)
    return np.asarray(inverse @ (design.T * spread) @ design @ inverse)


def coefficient_bands(coefficients: Array, covariance: Array, *, alpha: float = 0.05) -> Array:
    """Return the bands, (p, 2), that hold each coefficient with probability 1 - ``alpha``.

    Normal bands, as in large samples: coefficient -+ z * standard error.
    """
    reach = stats.norm.ppf(1 - alpha / 2) * np.sqrt(np.diag(covariance))
    return np.column_stack([coefficients - reach, coefficients + reach])


def hall_sheather_bandwidth(count: int, tau: float, alpha: float = 0.05) -> float:
    """Return the bandwidth in levels: how far about ``tau`` the density is looked at."""
    at = stats.norm.ppf(tau)
    shape = 1.5 * stats.norm.pdf(at) ** 2 / (2 * at**2 + 1)
    narrow: float = count ** (-1 / 3) * stats.norm.ppf(1 - alpha / 2) ** (2 / 3) * shape ** (1 / 3)
    return narrow


def _density_at_zero(residuals: Array, values: Array, tau: float, alpha: float) -> float:
    levels = hall_sheather_bandwidth(len(residuals), tau, alpha)
    # Levels beyond 0 and 1 have no quantile; statsmodels answers NaN there.
    levels = min(levels, 0.999 * tau, 0.999 * (1 - tau))
    low, high = np.percentile(residuals, [25, 75])
    size = min(float(np.std(values)), float(high - low) / 1.34)
    width = size * float(stats.norm.ppf(tau + levels) - stats.norm.ppf(tau - levels))
    near = np.abs(residuals) < width
    if not width > 0 or not near.any():
        raise InvalidInputError(
            f"the density of {len(residuals)} residuals at level {tau} has no estimate: more than "
            "half of them are equal; give no standard errors"
        )
    kernel = 0.75 * (1 - (residuals[near] / width) ** 2)
    return float(np.sum(kernel) / (len(residuals) * width))
