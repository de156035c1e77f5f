"""How sure is a quantile plane: standard errors and bands of its coefficients.

====================  ============================================================================
``errors``            what it rests on, and who computes the same
====================  ============================================================================
``kernel``, ``iid``   density of the residuals at the plane by the Epanechnikov kernel; statsmodels'
                      ``QuantReg.fit`` with ``vcov`` robust and iid (Greene 2008, sec. 7.3)
``sparsity``          slope of the residuals over their ranks about the plane; R quantreg's ``iid``
                      (Koenker 2005, sec. 3.4.1)
``nid``               distance of the planes a bandwidth below and above, row by row; R's ``nid``
                      (Hendricks and Koenker, JASA 87, 1992)
``powell``            a normal kernel over the residuals, row by row; R's ``ker`` (Powell 1991)
====================  ============================================================================

``iid`` and ``sparsity`` take the errors for equally spread everywhere; the others do not. All hold
for independent errors; of candles, which are not, they tell the least doubt there is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from include.channels.noise import Array
from include.channels.quantile_planes import fit_planes
from include.market.errors import InvalidInputError

Errors = Literal["kernel", "iid", "sparsity", "nid", "powell"]
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

    The density of the values about the plane is looked at within the bandwidth of Hall and Sheather
    (JRSS B 50, 1988) for the level ``alpha``.

    Raises:
        InvalidInputError: an unknown kind of errors, or no density to be had: residuals are equal,
            or too few about the plane.
    """
    residuals = values - design @ coefficients
    if errors in ("kernel", "iid"):
        return _density_covariance(residuals, values, design, tau, errors == "iid", alpha)
    if errors == "sparsity":
        steepness = _sparsity(residuals, values, design.shape[1], tau, alpha)
        return np.asarray(steepness**2 * tau * (1 - tau) * _invert_gram(design))
    if errors == "nid":
        densities = _densities_between_planes(values, design, tau, alpha)
    elif errors == "powell":
        densities = _densities_by_kernel(residuals, tau, alpha)
    else:
        raise InvalidInputError(
            f"standard errors of the kind {errors!r} are unknown: choose kernel, iid, sparsity, "
            "nid or powell"
        )
    bread = _invert_gram(design * np.sqrt(densities)[:, None])
    return np.asarray(tau * (1 - tau) * bread @ (design.T @ design) @ bread)


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


def _density_covariance(
    residuals: Array, values: Array, design: Array, tau: float, alike: bool, alpha: float
) -> Array:
    density = _density_at_zero(residuals, values, tau, alpha)
    inverse = _invert_gram(design)
    if alike:
        return np.asarray(tau * (1 - tau) / density**2 * inverse)
    # A plane goes through some of the values: rounding must not decide on which side they lie.
    above = residuals > EXACT * np.std(values)
    spread = np.where(above, (tau / density) ** 2, ((1 - tau) / density) ** 2)
    return np.asarray(inverse @ (design.T * spread) @ design @ inverse)


def _invert_gram(design: Array) -> Array:
    """Return the inverse of X'X, by way of X itself, so that badly scaled columns do no harm.

    Raises:
        InvalidInputError: a column that the others explain.
    """
    sizes = np.sqrt(np.sum(design**2, axis=0))
    triangle = np.linalg.qr(design / np.where(sizes > 0, sizes, 1.0), mode="r")
    if np.abs(np.diag(triangle)).min() <= EXACT**1.5:
        raise InvalidInputError(
            "the design has no standard errors: a column, weighed by the density about the plane, "
            "adds nothing to those before it; leave it out or give more values"
        )
    half = np.linalg.inv(triangle) / sizes[:, None]
    return np.asarray(half @ half.T)


def _density_at_zero(residuals: Array, values: Array, tau: float, alpha: float) -> float:
    levels = hall_sheather_bandwidth(len(residuals), tau, alpha)
    # Levels beyond 0 and 1 have no quantile; statsmodels answers NaN there.
    levels = min(levels, 0.999 * tau, 0.999 * (1 - tau))
    low, high = np.percentile(residuals, [25, 75])
    size = min(float(np.std(values)), float(high - low) / 1.34)
    width = size * float(stats.norm.ppf(tau + levels) - stats.norm.ppf(tau - levels))
    near = np.abs(residuals) < width
    if not width > 0 or not near.any():
        raise _no_estimate(residuals, tau)
    kernel = 0.75 * (1 - (residuals[near] / width) ** 2)
    return float(np.sum(kernel) / (len(residuals) * width))


def _halved_bandwidth(count: int, tau: float, alpha: float) -> float:
    """Return the bandwidth, halved until both levels lie between 0 and 1, as R does."""
    levels = hall_sheather_bandwidth(count, tau, alpha)
    while tau - levels < 0 or tau + levels > 1:
        levels /= 2
    return levels


def _densities_between_planes(
    values: Array, design: Array, tau: float, alpha: float
) -> NDArray[np.float64]:
    """Return the density of every row: the levels between two planes over their distance there."""
    reach = _halved_bandwidth(len(values), tau, alpha)
    whole = np.array([0, len(values)])
    planes, _ = fit_planes(values, design, whole, (tau - reach, tau + reach))
    apart = design @ (planes[0, 1] - planes[0, 0])
    # Where the planes cross there is no density to be had; R gives such rows none either.
    known = apart > EXACT * np.std(values)
    return np.where(known, 2 * reach / np.where(known, apart, 1.0), 0.0)


def _densities_by_kernel(residuals: Array, tau: float, alpha: float) -> Array:
    levels = _halved_bandwidth(len(residuals), tau, alpha)
    low, high = np.percentile(residuals, [25, 75])
    size = min(float(np.std(residuals, ddof=1)), float(high - low) / 1.34)
    width = size * float(stats.norm.ppf(tau + levels) - stats.norm.ppf(tau - levels))
    if not width > 0:
        raise _no_estimate(residuals, tau)
    return np.asarray(stats.norm.pdf(residuals / width) / width)


def _sparsity(residuals: Array, values: Array, width: int, tau: float, alpha: float) -> float:
    """Return the slope of the residuals over their share, by the median line through those near 0.

    The residuals of the points that the plane goes through are left out.
    """
    count = len(residuals)
    zeros = int(np.sum(np.abs(residuals) <= EXACT * np.std(values)))
    reach = max(width + 1, int(np.ceil(count * hall_sheather_bandwidth(count, tau, alpha))))
    nearest = np.argsort(np.abs(residuals), kind="stable")[zeros : zeros + reach + 1]
    if len(nearest) < 3:
        raise _no_estimate(residuals, tau)
    shares = np.arange(zeros + 1, zeros + 1 + len(nearest)) / (count - width)
    line = np.column_stack([np.ones(len(nearest)), shares])
    slopes, _ = fit_planes(np.sort(residuals[nearest]), line, np.array([0, len(line)]), (0.5,))
    return float(slopes[0, 0, 1])


def _no_estimate(residuals: Array, tau: float) -> InvalidInputError:
    return InvalidInputError(
        f"the density of {len(residuals)} residuals at level {tau} has no estimate: more than "
        "half of them are equal; give no standard errors"
    )
