"""The exact quantile plane of several columns, found from vertex to vertex, in machine code.

As for lines (``quantile_kernel``), the pinball loss of a plane with p coefficients is convex and
piecewise linear, so a plane through p of the points is among the best. Letting go of one of them
and moving along the edge to where the loss stops falling swaps that point for another; a plane
none of whose edges falls is the best one (Barrodale and Roberts, SIAM J. Numer. Anal. 10, 1973;
Koenker and d'Orey, Appl. Statist. 36, 1987).

The columns are expected to be orthogonal and of unit mean square, values of unit size without ties;
``quantile_planes`` sees to both.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.channels.compiled import compiled
from include.channels.quantile_kernel import CERTAIN, Floats, Places, select_step

Table: TypeAlias = NDArray[np.float64]
"""Numbers in two dimensions."""
Cloud: TypeAlias = tuple[Table, Floats, Floats]
"""Columns (p, points), values, weights. Columns come first because loops run over points."""
Desk: TypeAlias = tuple[Floats, Floats, Floats, Places]
"""Room to work in, as long as the points: residuals, step lengths, gains, places."""

MOVES_PER_COLUMN = 100
SMALL_PIVOT = 1e-12


@compiled
def best_plane(cloud: Cloud, tau: float, vertex: Places, rest: Floats, desk: Desk) -> bool:
    """Move ``vertex``, p points with independent rows, to the best plane; False where it fails.

    ``rest`` stands for points left out because they surely lie above or below: the sums over them
    of psi * weight * row, where psi is tau above the plane and tau - 1 below it.
    """
    columns, _, weights = cloud
    tolerance = CERTAIN * np.sum(weights)
    for _ in range(MOVES_PER_COLUMN * len(vertex)):
        inverse = invert_rows(columns, vertex)
        if inverse.shape[0] == 0:
            return False
        plane = plane_through(cloud, vertex, inverse)
        pull = _pull(cloud, tau, plane, vertex, rest, desk[0])
        leaving, rate, side = _steepest_edge(weights, tau, vertex, inverse, pull)
        if not rate < -tolerance:
            return True
        entering = _search_edge(cloud, side * inverse[:, leaving], rate, desk)
        if entering < 0:
            return False
        vertex[leaving] = entering
    return False


@compiled
def find_vertex(cloud: Cloud, vertex: Places) -> bool:
    """Fill ``vertex`` with points whose rows are as independent as can be; False if none are.

    Gaussian elimination with full pivoting.
    """
    columns = cloud[0].copy()
    width, count = columns.shape
    for rank in range(width):
        best, pivot, place = 0.0, -1, -1
        for column in range(rank, width):
            for point in range(count):
                if abs(columns[column, point]) > best:
                    best, pivot, place = abs(columns[column, point]), point, column
        if best < SMALL_PIVOT:
            return False
        vertex[rank] = pivot
        for point in range(count):
            columns[rank, point], columns[place, point] = (
                columns[place, point],
                columns[rank, point],
            )
        for column in range(rank + 1, width):
            columns[column] -= columns[column, pivot] / columns[rank, pivot] * columns[rank]
        columns[:, pivot] = 0.0
    return True


@compiled
def plane_through(cloud: Cloud, vertex: Places, inverse: Table) -> Floats:
    """Return the coefficients of the plane through the points of ``vertex``."""
    width = len(vertex)
    plane = np.zeros(width)
    for row in range(width):
        for column in range(width):
            plane[row] += inverse[row, column] * cloud[1][vertex[column]]
    return plane


@compiled
def certify_plane(
    cloud: Cloud, true: Floats, tau: float, vertex: Places, coefficients: Floats
) -> float:
    """Fill in the plane through the ``true`` values of ``vertex``; return its duality gap.

    The gap is how far its loss can be above the least one, as a share of it. The signs of the
    residuals of ``cloud``, whose ties are broken, give a feasible point of the dual programme,
    whose value no plane can undercut (Koenker 2005, sec. 6.2). Infinity where they give none.
    """
    columns, values, weights = cloud
    inverse = invert_rows(columns, vertex)
    if inverse.shape[0] == 0:
        return np.inf
    found = plane_through(cloud, vertex, inverse)
    coefficients[:] = plane_through((columns, true, weights), vertex, inverse)
    above, residuals = np.empty(len(values)), np.empty(len(values))
    pull = _pull(cloud, tau, found, vertex, np.zeros(len(vertex)), above)
    subtract_plane(columns, true, coefficients, residuals)
    loss = bound = 0.0
    for point in range(len(values)):
        psi = (tau if residuals[point] > 0.0 else tau - 1.0) * weights[point]
        loss += psi * residuals[point]
        # The residuals of the vertex are zero here, and its part is put right below.
        bound += (tau if above[point] > 0.0 else tau - 1.0) * weights[point] * true[point]
    slack = 2.0 * CERTAIN * np.sum(weights)
    for place in range(len(vertex)):
        point = vertex[place]
        dual = -np.sum(inverse[:, place] * pull)
        weight = weights[point]
        if dual > tau * weight + slack or dual < (tau - 1.0) * weight - slack:
            return np.inf
        bound += (dual - (tau - 1.0) * weight) * true[point]
    return float(abs(loss - bound) / loss if loss > 0.0 else abs(bound))


@compiled
def subtract_plane(columns: Table, values: Floats, plane: Floats, residuals: Floats) -> None:
    """Fill in ``values`` less the plane."""
    residuals[:] = values
    for column in range(len(plane)):
        share, numbers = plane[column], columns[column]
        for point in range(len(values)):
            residuals[point] -= share * numbers[point]


@compiled
def invert_rows(columns: Table, vertex: Places) -> Table:
    """Return the inverse of the rows of ``vertex``; empty where they are not independent."""
    width = len(vertex)
    matrix, inverse = np.empty((width, width)), np.eye(width)
    for row in range(width):
        for column in range(width):
            matrix[row, column] = columns[column, vertex[row]]
    for column in range(width):
        pivot = column + np.argmax(np.abs(matrix[column:, column]))
        if abs(matrix[pivot, column]) < SMALL_PIVOT:
            return np.empty((0, 0))
        for other in range(width):
            matrix[column, other], matrix[pivot, other] = (
                matrix[pivot, other],
                matrix[column, other],
            )
            inverse[column, other], inverse[pivot, other] = (
                inverse[pivot, other],
                inverse[column, other],
            )
        scale = 1.0 / matrix[column, column]
        matrix[column] *= scale
        inverse[column] *= scale
        for row in range(width):
            if row != column and matrix[row, column] != 0.0:
                factor = matrix[row, column]
                for other in range(width):
                    matrix[row, other] -= factor * matrix[column, other]
                    inverse[row, other] -= factor * inverse[column, other]
    return inverse


@compiled
def _pull(
    cloud: Cloud, tau: float, plane: Floats, vertex: Places, rest: Floats, residuals: Floats
) -> Floats:
    """Fill in the residuals; return the sums of psi * weight * row over all but the vertex."""
    columns, values, weights = cloud
    subtract_plane(columns, values, plane, residuals)
    for point in vertex:
        residuals[point] = 0.0
    pull = rest.copy()
    for column in range(len(plane)):
        numbers, total = columns[column], 0.0
        for point in range(len(values)):
            psi = tau if residuals[point] > 0.0 else tau - 1.0
            total += psi * weights[point] * numbers[point]
        for point in vertex:
            total -= (tau - 1.0) * weights[point] * numbers[point]
        pull[column] += total
    return pull


@compiled
def _steepest_edge(
    weights: Floats, tau: float, vertex: Places, inverse: Table, pull: Floats
) -> tuple[int, float, float]:
    """Return the point to let go of, how fast the loss then changes, and the side it falls to.

    Of all edges that fall the one that falls fastest per length. The side is 1 where the point
    let go of ends up below the plane, else -1.
    """
    width = len(vertex)
    leaving, chosen_rate, chosen_side, fastest = 0, 0.0, 1.0, 0.0
    for column in range(width):
        lever, square = 0.0, 0.0
        for row in range(width):
            lever -= inverse[row, column] * pull[row]
            square += inverse[row, column] * inverse[row, column]
        weight = weights[vertex[column]]
        down, up = lever + (1.0 - tau) * weight, tau * weight - lever
        rate, side = (down, 1.0) if down < up else (up, -1.0)
        if rate < 0.0 and rate / np.sqrt(square) < fastest:
            fastest = rate / np.sqrt(square)
            leaving, chosen_rate, chosen_side = column, rate, side
    return leaving, chosen_rate, chosen_side


@compiled
def _search_edge(cloud: Cloud, direction: Floats, rate: float, desk: Desk) -> int:
    """Return the point at which the loss stops falling along ``direction``; -1 if it never does."""
    columns, _, weights = cloud
    residuals, steps, gains, places = desk
    count = len(residuals)
    gains[:] = 0.0
    for column in range(len(direction)):
        share, numbers = direction[column], columns[column]
        for point in range(count):
            gains[point] += share * numbers[point]
    kept, total = 0, rate
    for point in range(count):
        move = gains[point]
        # Reads stay ahead of writes, so steps and gains may be packed where they lie.
        steps[kept] = residuals[point] / move
        gains[kept] = abs(move) * weights[point]
        places[kept] = point
        crosses = residuals[point] * move > 0.0
        total += gains[kept] if crosses else 0.0
        kept += 1 if crosses else 0
    return select_step(steps, gains, places, kept, rate) if total >= 0.0 else -1
