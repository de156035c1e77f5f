"""Quantile planes: several columns, many segments, many levels, each plane exact and certified.

Segments are fitted on a scale of their own: columns made orthogonal, values as deviations from the
least-squares plane in units of their spread (quantile regression is equivariant to both: Koenker
2005, sec. 2.2.3), ties broken by a dust as for lines. Of a long segment only a sample is searched
first, as for lines, and the answer is checked on all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from include.channels.compiled import compiled
from include.channels.noise import Array
from include.channels.quantile_batch import BAND_SIGMAS, EXACT_FIT, LONG, scatter_dust
from include.channels.quantile_kernel import Floats, Places
from include.channels.quantile_plane_kernel import (
    Cloud,
    Desk,
    Table,
    best_plane,
    certify_plane,
    find_vertex,
    invert_rows,
    plane_through,
    subtract_plane,
)
from include.market.errors import FinalError, InvalidInputError

NEARBY = 3
"""The first plane goes through p of so many times p points, those about its quantile."""
DEPENDENT = 1e-10
"""A column whose part that the others do not explain is smaller than this share adds nothing."""


def fit_planes(
    values: Array,
    design: Array,
    starts: NDArray[np.int64],
    taus: Sequence[float],
    *,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Fit every level on every segment by itself; planes of different levels may cross.

    Args:
        values: of all segments, one after the other.
        design: (values, p), a row per value; a constant column is the caller's to add.
        starts: segment ``s`` is ``[starts[s], starts[s + 1])``, longer than p; the last entry is
            the number of values.
        taus: rising levels, strictly between 0 and 1.
        weights: as many as values, none negative; all equal by default.

    Returns:
        Coefficients, (segments, taus, p). Duality gaps, (segments, taus): how far a plane's loss
        can be above the least one, as a share of it.

    Raises:
        FinalError: even linear programming, the way out where the search gives up, found no plane.
        InvalidInputError: shapes that do not fit, a NaN or infinity, a negative weight, a segment
            of p values or fewer, or a column that the others explain.
    """
    weights = np.ones(len(values)) if weights is None else weights
    _require_cloud(values, design, starts, weights)
    levels = np.array(taus, dtype=np.float64)
    shape = (len(starts) - 1, len(levels))
    coefficients, gaps = np.empty((*shape, design.shape[1])), np.empty(shape)
    dependent = fit_clouds(
        np.ascontiguousarray(design.T, dtype=np.float64),
        np.ascontiguousarray(values, dtype=np.float64),
        np.ascontiguousarray(weights, dtype=np.float64),
        np.ascontiguousarray(starts, dtype=np.int64),
        levels,
        coefficients,
        gaps,
    )
    if dependent[0] >= 0:
        raise InvalidInputError(
            f"column {dependent[1]} of the design adds nothing to those before it in segment "
            f"{dependent[0]}: leave it out, or lengthen the segment"
        )
    for segment, place in np.argwhere(~np.isfinite(gaps)):
        part = slice(starts[segment], starts[segment + 1])
        coefficients[segment, place], gaps[segment, place] = _solve_programme(
            values[part], design[part], levels[place], weights[part]
        )
    return coefficients, gaps


def _solve_programme(
    values: Array, design: Array, tau: float, weights: Array
) -> tuple[Array, float]:
    """Return the best plane and its gap by linear programming, where the search gave up.

    Source: Koenker and Bassett (1978): a residual is split into its positive and negative part.
    """
    count, width = design.shape
    sizes = np.abs(design).max(axis=0)
    parts = sparse.eye_array(count)
    answer = linprog(
        np.concatenate([np.zeros(width), tau * weights, (1 - tau) * weights]),
        A_eq=sparse.hstack([sparse.csr_array(design / sizes), parts, -parts], format="csr"),
        b_eq=values,
        bounds=[(None, None)] * width + [(0, None)] * (2 * count),
        method="highs",
    )
    if answer.x is None:
        raise FinalError(f"a quantile plane of {count} values has no solution: {answer.message}")
    bound = float(values @ answer.eqlin.marginals)
    gap = abs(answer.fun - bound) / max(answer.fun, np.finfo(np.float64).tiny)
    return np.asarray(answer.x[:width]) / sizes, float(gap)


def _require_cloud(values: Array, design: Array, starts: NDArray[np.int64], weights: Array) -> None:
    if design.ndim != 2 or len(design) != len(values) or len(weights) != len(values):
        raise InvalidInputError(
            f"quantile planes need a row and a weight per value, had {len(values)} values, a "
            f"design of {design.shape} and {len(weights)} weights"
        )
    for name, numbers in (("values", values), ("design", design), ("weights", weights)):
        if not np.isfinite(numbers).all():
            raise InvalidInputError(f"quantile planes need finite {name}: drop those rows first")
    if (weights < 0).any():
        raise InvalidInputError("quantile planes need weights that are not negative")
    lengths = np.diff(starts)
    if starts[0] != 0 or starts[-1] != len(values) or (lengths <= design.shape[1]).any():
        raise InvalidInputError(
            f"a quantile plane of {design.shape[1]} columns needs more values than columns in "
            f"every segment; the shortest has {lengths.min() if len(lengths) else 0}"
        )


@compiled
def fit_clouds(
    design: Table,
    values: Floats,
    weights: Floats,
    starts: Places,
    taus: Floats,
    coefficients: Table,
    gaps: Table,
) -> tuple[int, int]:
    """Fill in coefficients and gaps; return (segment, column) of a dependent column, or (-1, -1).

    Arguments are those of ``fit_planes``, checked.
    """
    for segment in range(len(starts) - 1):
        begin, end = starts[segment], starts[segment + 1]
        columns, own = design[:, begin:end].copy(), weights[begin:end]
        width = len(columns)
        triangle = np.zeros((width, width))
        column = _orthogonalise(columns, triangle)
        if column >= 0:
            return segment, column
        true = values[begin:end].copy()
        centre, scale = _flatten(columns, true)
        dusty = np.empty(len(true))
        scatter_dust(true, dusty)
        cloud = (columns, dusty, own)
        vertex = np.zeros(width, dtype=np.int64)
        for place in range(len(taus)):
            plane = np.zeros(width)
            gaps[segment, place] = 0.0 if scale == 0.0 else np.inf
            if scale > 0.0 and _search_plane(cloud, taus[place], vertex):
                gaps[segment, place] = certify_plane(cloud, true, taus[place], vertex, plane)
            coefficients[segment, place] = _solve(triangle, centre + scale * plane)
    return -1, -1


@compiled
def _orthogonalise(columns: Table, triangle: Table) -> int:
    """Make the columns orthogonal with unit mean square; return a dependent one, or -1.

    Modified Gram-Schmidt, twice over; the columns before are those after times ``triangle``.
    """
    width, count = columns.shape
    for column in range(width):
        before = math.sqrt(np.sum(columns[column] ** 2) / count)
        for _ in range(2):
            for other in range(column):
                share = np.sum(columns[other] * columns[column]) / count
                triangle[other, column] += share
                columns[column] -= share * columns[other]
        size = math.sqrt(np.sum(columns[column] ** 2) / count)
        if not size > DEPENDENT * before:
            return column
        triangle[column, column] = size
        columns[column] /= size
    return -1


@compiled
def _flatten(columns: Table, values: Floats) -> tuple[Floats, float]:
    """Turn values into scaled residuals of the least-squares plane; return it and the scale.

    The scale is 0 where all values lie on the plane.
    """
    width, count = columns.shape
    largest = np.max(np.abs(values))
    plane = np.zeros(width)
    for column in range(width):
        plane[column] = np.sum(columns[column] * values) / count
    for column in range(width):
        values -= plane[column] * columns[column]
    scale = math.sqrt(np.sum(values**2) / count)
    if scale <= EXACT_FIT * largest:
        return plane, 0.0
    values /= scale
    return plane, scale


@compiled
def _solve(triangle: Table, plane: Floats) -> Floats:
    """Return the coefficients of the columns before they were made orthogonal."""
    width = len(plane)
    solved = plane.copy()
    for column in range(width - 1, -1, -1):
        for other in range(column + 1, width):
            solved[column] -= triangle[column, other] * solved[other]
        solved[column] /= triangle[column, column]
    return solved


@compiled
def _make_desk(count: int) -> Desk:
    return np.empty(count), np.empty(count), np.empty(count), np.empty(count, dtype=np.int64)


@compiled
def _search_plane(cloud: Cloud, tau: float, vertex: Places) -> bool:
    """Move ``vertex`` to the best plane, of a long cloud by way of a sample of it."""
    columns, values, weights = cloud
    width, count = columns.shape
    if count >= LONG:
        size = int(2.0 * count ** (2.0 / 3.0))
        chosen = np.arange(size) * count // size
        sample = (columns[:, chosen], values[chosen], weights[chosen])
        if _search_whole(sample, tau, vertex):
            guess = _plane_of(sample, vertex)
            residuals = np.empty(count)
            subtract_plane(columns, values, guess, residuals)
            ordered = np.sort(residuals[chosen])
            share = BAND_SIGMAS * math.sqrt(width * tau * (1.0 - tau) / size)
            while share < 1.0:
                low = ordered[int((tau - share) * size)] if tau > share else -np.inf
                high = ordered[int((tau + share) * size)] if tau + share < 1.0 else np.inf
                if _search_band(cloud, tau, residuals, low, high, vertex):
                    return True
                share *= 2.0
    return _search_whole(cloud, tau, vertex)


@compiled
def _search_whole(cloud: Cloud, tau: float, vertex: Places) -> bool:
    rest, desk = np.zeros(len(vertex)), _make_desk(len(cloud[1]))
    return _begin_near(cloud, tau, vertex) and best_plane(cloud, tau, vertex, rest, desk)


@compiled
def _begin_near(cloud: Cloud, tau: float, vertex: Places) -> bool:
    """Fill ``vertex`` with independent points that lie about the ``tau`` quantile of values."""
    columns, values, weights = cloud
    width, count = columns.shape
    order = np.argsort(values)
    first = min(max(int(tau * count) - NEARBY * width // 2, 0), count - min(NEARBY * width, count))
    nearest = order[first : first + NEARBY * width]
    if find_vertex((columns[:, nearest], values[nearest], weights[nearest]), vertex):
        vertex[:] = nearest[vertex]
        return True
    return find_vertex(cloud, vertex)


@compiled
def _plane_of(cloud: Cloud, vertex: Places) -> Floats:
    return plane_through(cloud, vertex, invert_rows(cloud[0], vertex))


@compiled
def _search_band(
    cloud: Cloud, tau: float, residuals: Floats, low: float, high: float, vertex: Places
) -> bool:
    """Search among points with ``residuals`` in [low, high]; False if another changed sides."""
    columns, values, weights = cloud
    width, count = columns.shape
    far = np.zeros(count)
    for point in range(count):
        if residuals[point] > high:
            far[point] = tau * weights[point]
        elif residuals[point] < low:
            far[point] = (tau - 1.0) * weights[point]
    rest = np.empty(width)
    for column in range(width):
        rest[column] = np.sum(columns[column] * far)
    chosen = np.flatnonzero((residuals >= low) & (residuals <= high))
    if len(chosen) <= width:
        return False
    inside = (columns[:, chosen], values[chosen], weights[chosen])
    if not _begin_near(inside, 0.5, vertex) or not best_plane(
        inside, tau, vertex, rest, _make_desk(len(chosen))
    ):
        return False
    sides = np.empty(count)
    subtract_plane(columns, values, _plane_of(inside, vertex), sides)
    for point in range(count):
        if (residuals[point] > high and sides[point] <= 0.0) or (
            residuals[point] < low and sides[point] > 0.0
        ):
            return False
    vertex[:] = chosen[vertex]
    return True
