"""Quantile lines: where 5 %, 25 %, ... of the values of a segment lie below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from include.channels.noise import Array
from include.channels.quantile_batch import fit_segments
from include.market.errors import FinalError, InvalidInputError

CROSSING = 1e-9
"""Order violations below this many residual deviations are rounding."""
CERTIFIED = 1e-8
"""Largest duality gap of a line that counts as the best one; HiGHS works to about this."""


@dataclass(frozen=True, slots=True)
class LineFit:
    """One quantile line: ``intercept + slope * (time - first time)``, in units of the values.

    ``duality_gap`` is how far its loss can be above the least one, as a share of it (for lines
    fitted together, of the total loss of the ordered ones).
    """

    tau: float
    intercept: float
    slope: float
    duality_gap: float

    @property
    def converged(self) -> bool:
        """Whether the certificate shows the line to be the best one."""
        return self.duality_gap <= CERTIFIED


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


def fit_lines(
    values: Array, times: Array, taus: Sequence[float], weights: Array | None = None
) -> tuple[LineFit, ...]:
    """Fit one line per tau to ``values`` at strictly increasing ``times``, lowest tau first.

    Each line is the exact optimum, with the duality gap as its certificate. Values on one exact
    line give that line for every tau. Lines never cross between the first and the last time: if
    the separate fits do, all are fitted again together under that constraint.

    Raises:
        InvalidInputError: fewer than 3 values of positive weight, a NaN or infinity, times that
            do not rise, or bad taus.
    """
    levels = checked_taus(taus)
    weights = np.ones(len(values)) if weights is None else weights
    _require_points(values, times, weights)
    starts = np.array([0, len(values)])
    lines, gaps = fit_many(values, times, starts, levels, weights=weights)
    reach = float(times[-1] - times[0])
    ends = np.column_stack([lines[0, :, 0], lines[0, :, 0] + lines[0, :, 1] * reach])
    middle = lines[0, len(levels) // 2]
    spread = float(np.std(values - middle[0] - middle[1] * (times - times[0])))
    crossing = (np.diff(ends, axis=0) < -CROSSING * spread).any()
    if crossing or not np.isfinite(gaps).all():
        ends, gap = _fit_jointly(values, times, levels, weights)
        gaps = np.full((1, len(levels)), gap)
    # Sorting removes crossings of the size of rounding, which is all that is left here.
    ends = np.sort(ends, axis=0)
    return tuple(
        LineFit(tau, float(first), float((last - first) / reach), float(gap))
        for tau, (first, last), gap in zip(levels, ends, gaps[0], strict=True)
    )


def fit_many(
    values: Array,
    times: Array,
    starts: NDArray[np.int64],
    taus: Sequence[float],
    *,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Fit every level on every segment by itself; lines of different levels may cross.

    Args:
        values: of all segments, one after the other.
        times: as many, strictly rising within each segment.
        starts: segment ``s`` is ``[starts[s], starts[s + 1])``, at least 3 long; the first entry
            is 0, the last the number of values.
        taus: rising levels, strictly between 0 and 1.
        weights: as many, none negative; all equal by default.

    Returns:
        Lines, (segments, taus, 2): value at the segment's first time, slope. Duality gaps,
        (segments, taus): how far a line's loss can be above the least one, as a share of it;
        infinite where the search gave up.

    Raises:
        InvalidInputError: bad taus, lengths that do not fit, or a segment with fewer than 3 values
            of positive weight, a NaN or infinity, times that do not rise, or a negative weight.
    """
    levels = np.array(checked_taus(taus))
    weights = np.ones(len(values)) if weights is None else weights
    _require_segments(values, times, starts, weights)
    shape = (len(starts) - 1, len(levels))
    lines, gaps = np.empty((*shape, 2)), np.empty(shape)
    unfit = fit_segments(
        np.ascontiguousarray(times, dtype=np.float64),
        np.ascontiguousarray(values, dtype=np.float64),
        np.ascontiguousarray(weights, dtype=np.float64),
        np.ascontiguousarray(starts, dtype=np.int64),
        levels,
        lines,
        gaps,
    )
    if unfit >= 0:
        part = slice(starts[unfit], starts[unfit + 1])
        _require_points(values[part], times[part], weights[part])
        raise InvalidInputError(f"values of segment {unfit} are too large: scale them down")
    return lines, gaps


def _require_segments(
    values: Array, times: Array, starts: NDArray[np.int64], weights: Array
) -> None:
    if not len(values) == len(times) == len(weights):
        raise InvalidInputError(
            f"quantile lines need a time and a weight per value, had {len(values)} values, "
            f"{len(times)} times and {len(weights)} weights"
        )
    rising = len(starts) > 0 and (np.diff(starts) >= 0).all()
    if not rising or starts[0] != 0 or starts[-1] != len(values):
        raise InvalidInputError(
            f"starts of segments must rise from 0 to the number of values, {len(values)}: "
            f"were {starts[:3]} to {starts[-1:]}"
        )


def _require_points(values: Array, times: Array, weights: Array) -> None:
    finite = bool(np.isfinite(values).all())
    if np.count_nonzero(weights > 0) < 3 or len(values) != len(times) or not finite:
        raise InvalidInputError(
            f"quantile lines need at least 3 finite values, had {len(values)}: "
            "drop NaN and lengthen the segment"
        )
    if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise InvalidInputError("quantile lines need times that rise strictly: sort, drop repeats")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise InvalidInputError("quantile lines need finite weights, none of them negative")


def _fit_jointly(
    values: Array, times: Array, taus: tuple[float, ...], weights: Array
) -> tuple[Array, float]:
    """Return the best ordered lines, (taus, 2) at the first and last time, and their gap."""
    half = (times[-1] - times[0]) / 2
    design = np.column_stack([np.ones(len(times)), (times - times[0]) / half - 1])
    trend, *_ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ trend
    scale = float(np.std(residuals))
    solved, gap = _solve_jointly(residuals / scale, design, taus, weights)
    return (trend + scale * solved) @ np.array([[1.0, 1.0], [-1.0, 1.0]]), gap


def _solve_jointly(
    values: Array, design: Array, taus: tuple[float, ...], weights: Array
) -> tuple[Array, float]:
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
    level, weight = np.repeat(taus, count), np.tile(weights, levels)
    answer = linprog(
        np.concatenate([np.zeros(2 * levels), weight * level, weight * (1 - level)]),
        A_ub=sparse.hstack([order, no_parts], format="csr"),
        b_ub=np.zeros(order.shape[0]),
        A_eq=sparse.hstack([lines, parts, -parts], format="csr"),
        b_eq=np.tile(values, levels),
        bounds=[(None, None)] * (2 * levels) + [(0, None)] * (2 * levels * count),
        method="highs",
    )
    if answer.x is None:
        raise FinalError(f"quantile lines of {count} values have no solution: {answer.message}")
    solved = np.asarray(answer.x[: 2 * levels], dtype=np.float64).reshape(levels, 2)
    bound = float(np.tile(values, levels) @ answer.eqlin.marginals)
    return solved, abs(answer.fun - bound) / max(answer.fun, np.finfo(np.float64).tiny)
