"""Quantile lines: where 5 %, 25 %, ... of the values of a segment lie below."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.optimize import linprog
from statsmodels.regression.quantile_regression import QuantReg
from statsmodels.tools.sm_exceptions import ConvergenceWarning, IterationLimitWarning

from include.channels.noise import Array
from include.market.errors import FinalError, InvalidInputError

EXACT_FIT = 1e-12
"""Residuals below this share of the size of the values are rounding, not noise."""
CROSSING = 1e-6
"""Order violations below this many residual deviations are the solver's own tolerance."""


@dataclass(frozen=True, slots=True)
class LineFit:
    """One quantile line: ``intercept + slope * (time - first time)``, in units of the values.

    ``converged`` is False when the solver stopped at its iteration limit or in a cycle; the line
    is then its last iterate (within 5e-5 of the least loss in our measurements).
    """

    tau: float
    intercept: float
    slope: float
    converged: bool


def pinball_loss(values: Array, quantiles: Array, tau: float) -> float:
    """Return the mean pinball loss of ``quantiles`` as tau-quantile of ``values``.

    Source: Koenker and Bassett (1978): ``max(tau * e, (tau - 1) * e)``, ``e = value - quantile``.
    """
    error = values - quantiles
    return float(np.mean(np.maximum(tau * error, (tau - 1) * error)))


def checked_taus(taus: Sequence[float]) -> tuple[float, ...]:
    """Return ``taus`` as a tuple.

    Raises:
        InvalidInputError: none given, not strictly rising, or not strictly between 0 and 1.
    """
    levels = tuple(float(tau) for tau in taus)
    rising = all(low < high for low, high in pairwise(levels))
    if not levels or not rising or not all(0 < tau < 1 for tau in levels):
        raise InvalidInputError(
            f"quantile levels {levels} must rise strictly and lie between 0 and 1"
        )
    return levels


def fit_lines(values: Array, times: Array, taus: Sequence[float]) -> tuple[LineFit, ...]:
    """Fit one line per tau to ``values`` at strictly increasing ``times``, lowest tau first.

    The solver sees time centred and scaled to [-1, 1] and the residuals of the least-squares line
    in units of their standard deviation; quantile regression is equivariant to both (Koenker
    2005, sec. 2.2.3), so epoch-sized times and tiny log prices lose nothing. Values on one exact
    line give that line for every tau. Lines never cross between the first and the last time: if
    the separate fits do, all are fitted again together under that constraint.

    Raises:
        InvalidInputError: fewer than 3 values, a NaN or infinity, or bad taus.
    """
    levels = checked_taus(taus)
    if len(values) < 3 or not np.isfinite(values).all():
        raise InvalidInputError(
            f"quantile lines need at least 3 finite values, had {len(values)}: "
            "drop NaN and lengthen the segment"
        )
    half = (times[-1] - times[0]) / 2
    design = np.column_stack([np.ones(len(times)), (times - times[0]) / half - 1])
    trend, *_ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ trend
    scale = float(np.std(residuals))
    if scale <= EXACT_FIT * float(np.abs(values).max()):
        weights, converged = np.zeros((len(levels), 2)), [True] * len(levels)
    else:
        weights, converged = _solve_all(residuals / scale, design, levels)
    # Sorting removes crossings of the size of rounding, which is all that is left here.
    ends = np.sort((trend + scale * weights) @ np.array([[1.0, 1.0], [-1.0, 1.0]]), axis=0)
    return tuple(
        LineFit(tau, float(first), float((last - first) / (2 * half)), exact)
        for tau, (first, last), exact in zip(levels, ends, converged, strict=True)
    )


def _solve_all(values: Array, design: Array, taus: tuple[float, ...]) -> tuple[Array, list[bool]]:
    solved = [_solve(values, design, tau) for tau in taus]
    weights = np.array([line for line, _ in solved])
    converged = [exact for _, exact in solved]
    ends = np.column_stack([weights[:, 0] - weights[:, 1], weights[:, 0] + weights[:, 1]])
    if (np.diff(ends, axis=0) < -CROSSING).any() or not np.isfinite(ends).all():
        return _solve_jointly(values, design, taus), [True] * len(taus)
    return weights, converged


def _solve(values: Array, design: Array, tau: float) -> tuple[Array, bool]:
    # Divisions by zero come from standard errors we do not use: few values, or many ties.
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        weights = np.asarray(QuantReg(values, design).fit(q=tau).params, dtype=np.float64)
    stuck = (IterationLimitWarning, ConvergenceWarning)
    for warning in caught:
        if not issubclass(warning.category, (*stuck, RuntimeWarning)):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    converged = not any(issubclass(warning.category, stuck) for warning in caught)
    return weights, converged and bool(np.isfinite(weights).all())


def _solve_jointly(values: Array, design: Array, taus: tuple[float, ...]) -> Array:
    """Return the lines of least total pinball loss among those ordered at times -1 and 1.

    Source: Bondell, Reich and Wang (2010): one linear programme for all levels, a residual split
    into its positive and negative part, and order at the ends, which for lines is order between.
    """
    levels, count = len(taus), len(values)
    lines = sparse.kron(sparse.eye_array(levels), design)
    parts = sparse.eye_array(levels * count)
    steps = np.eye(levels)[:-1] - np.eye(levels)[1:]
    order = sparse.kron(steps, np.array([[1.0, -1.0], [1.0, 1.0]]))
    no_parts = sparse.coo_array((order.shape[0], 2 * levels * count))
    level = np.repeat(taus, count)
    answer = linprog(
        np.concatenate([np.zeros(2 * levels), level, 1 - level]),
        A_ub=sparse.hstack([order, no_parts], format="csr"),
        b_ub=np.zeros(order.shape[0]),
        A_eq=sparse.hstack([lines, parts, -parts], format="csr"),
        b_eq=np.tile(values, levels),
        bounds=[(None, None)] * (2 * levels) + [(0, None)] * (2 * levels * count),
        method="highs",
    )
    if answer.x is None:
        raise FinalError(f"quantile lines of {count} values have no solution: {answer.message}")
    return np.asarray(answer.x[: 2 * levels], dtype=np.float64).reshape(levels, 2)
