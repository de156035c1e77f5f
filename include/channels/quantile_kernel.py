"""The exact quantile line, found from vertex to vertex, in machine code.

The pinball loss of a line is convex and piecewise linear, so a line through two of the points is
among the best. From any line we move straight up or down to the best height, turn around the point
met there to the best slope, and then swap one of the two points for another while that lowers the
loss. Every move goes as far as the loss falls, over many points at once (Barrodale and Roberts,
SIAM J. Numer. Anal. 10, 1973; Koenker and d'Orey, Appl. Statist. 36, 1987).

``Points`` are (times, values, weights): times rising in [-1, 1], values of unit size. ``Rest``
stands for points left out because they surely lie above or below: the sums over them of
psi * weight and psi * weight * time, where psi is tau above the line and tau - 1 below it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.channels.compiled import compiled

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]
Points: TypeAlias = tuple[Floats, Floats, Floats]
Rest: TypeAlias = tuple[float, float]
Desk: TypeAlias = tuple[Floats, Floats, Floats, Places]
"""Room to work in, as long as the points: residuals, step lengths, gains, places."""
Line: TypeAlias = tuple[float, float, int, int]
"""Height at time 0, slope, and the two points it goes through; -1 where it could not be found."""

MOST_MOVES = 100
NARROWINGS = 6
FEW = 12
CERTAIN = 1e-10
"""Slopes of the loss smaller than this share of all weights are rounding."""


@compiled
def best_line(
    points: Points, tau: float, start: tuple[float, float], rest: Rest, desk: Desk
) -> Line:
    """Return the best line for ``tau``, searched from the line ``start`` on.

    Where several lines are equally good, one of them. Ties among values must have been broken.
    """
    times, values, weights = points
    height, slope = start
    sums = _moments(times, weights)
    tolerance = CERTAIN * sums[0]
    density = 0.0
    pull, tilt = _gradient(points, tau, height, slope, -1, -1, rest, desk[0])
    up = 1.0 if pull > 0.0 else -1.0
    first, density = _search(points, up, 0.0, -abs(pull), sums, density, desk)
    if first < 0:
        return height, slope, -1, -1
    height += desk[0][first]
    pull, tilt = _gradient(points, tau, height, slope, first, -1, rest, desk[0])
    turn = tilt - times[first] * pull
    way = 1.0 if turn > 0.0 else -1.0
    second, density = _search(points, -way * times[first], way, -abs(turn), sums, density, desk)
    if second < 0:
        # Nothing is gained by turning, so any second point will do to begin with.
        second = 0 if first > 0 else len(times) - 1
    for _ in range(MOST_MOVES):
        slope = (values[second] - values[first]) / (times[second] - times[first])
        height = values[first] - slope * times[first]
        pull, tilt = _gradient(points, tau, height, slope, first, second, rest, desk[0])
        reach = times[second] - times[first]
        levers = (times[second] * pull - tilt) / reach, (tilt - times[first] * pull) / reach
        falls_by, choice = _steepest(levers, (weights[first], weights[second]), tau, tolerance)
        if choice == 0:
            return height, slope, first, second
        way = 1.0 if choice % 2 == 1 else -1.0
        pivot = times[second] if choice <= 2 else times[first]
        side = way / reach if choice <= 2 else -way / reach
        other, density = _search(points, side * pivot, -side, falls_by, sums, density, desk)
        if other < 0:
            break
        if choice <= 2:
            first = other
        else:
            second = other
    return height, slope, -1, -1


@compiled
def _steepest(
    levers: tuple[float, float], weights: tuple[float, float], tau: float, tolerance: float
) -> tuple[float, int]:
    """Return the fastest fall of the loss and how to get it.

    0 there is none, 1 or 2 let go of the first point, downwards or upwards, 3 or 4 of the second.
    """
    falls_by, choice = -tolerance, 0
    for end in range(2):
        for up in range(2):
            side = levers[end] if up else -levers[end]
            rate = weights[end] * (tau if up else 1.0 - tau) + side
            if rate < falls_by:
                falls_by, choice = rate, 1 + 2 * end + up
    return falls_by, choice


@compiled
def certify(points: Points, true: Floats, tau: float, line: Line, found: Line) -> float:
    """Return how far the loss of ``line`` on ``true`` can be above the least one, as a share of it.

    ``found`` is the line through the same two points of ``points``, whose ties are broken. The
    signs of its residuals give a feasible point of the dual programme, whose value no line can
    undercut (Koenker 2005, sec. 6.2). Infinity where they give none.
    """
    times, values, weights = points
    _, _, first, second = found
    loss = bound = pull = tilt = total = 0.0
    for place in range(len(times)):
        total += weights[place]
        residual = true[place] - line[0] - line[1] * times[place]
        loss += (tau if residual > 0.0 else tau - 1.0) * residual * weights[place]
        above = values[place] - found[0] - found[1] * times[place] > 0.0
        dual = (tau if above else tau - 1.0) * weights[place]
        if place in (first, second):
            dual = 0.0
        bound += dual * true[place]
        pull += dual
        tilt += dual * times[place]
    reach = times[second] - times[first]
    dual_first = -(times[second] * pull - tilt) / reach
    dual_second = -(tilt - times[first] * pull) / reach
    slack = 2.0 * CERTAIN * total
    for dual, weight in ((dual_first, weights[first]), (dual_second, weights[second])):
        if dual > tau * weight + slack or dual < (tau - 1.0) * weight - slack:
            return np.inf
    bound += dual_first * true[first] + dual_second * true[second]
    return float(abs(loss - bound) / loss if loss > 0.0 else abs(bound))


@compiled
def _moments(times: Floats, weights: Floats) -> tuple[float, float, float]:
    total = moment = square = 0.0
    for place in range(len(times)):
        total += weights[place]
        moment += weights[place] * times[place]
        square += weights[place] * times[place] * times[place]
    return total, moment, square


@compiled
def _gradient(
    points: Points,
    tau: float,
    height: float,
    slope: float,
    first: int,
    second: int,
    rest: Rest,
    residuals: Floats,
) -> tuple[float, float]:
    """Fill in the residuals; return the sums of psi * weight (* time) over all but two points."""
    times, values, weights = points
    pull = tilt = 0.0
    for place in range(len(times)):
        residual = values[place] - height - slope * times[place]
        residuals[place] = residual
        psi = (tau if residual > 0.0 else tau - 1.0) * weights[place]
        pull += psi
        tilt += psi * times[place]
    for place in (first, second):
        if place >= 0:
            psi = (tau if residuals[place] > 0.0 else tau - 1.0) * weights[place]
            pull -= psi
            tilt -= psi * times[place]
            residuals[place] = 0.0
    return pull + rest[0], tilt + rest[1]


@compiled
def _search(
    points: Points,
    constant: float,
    factor: float,
    rate: float,
    sums: tuple[float, float, float],
    density: float,
    desk: Desk,
) -> tuple[int, float]:
    """Return the point at which the loss stops falling, or -1 where it falls for ever.

    The line moves by step * (constant + factor * time); the loss first changes by ``rate`` (below
    zero) per step, and by more at every point passed. ``density`` guesses how many points lie
    near the line (0 for no idea); the guess is returned, improved.
    """
    times, _, weights = points
    residuals, steps, gains, places = desk
    spread = (
        constant * constant * sums[0]
        + 2.0 * constant * factor * sums[1]
        + factor * factor * sums[2]
    )
    mass = 0.0
    for place in range(len(times)):
        move = constant + factor * times[place]
        step = residuals[place] / move
        steps[place] = step if step > 0.0 else np.inf
        gain = abs(move) * weights[place]
        gains[place] = gain
        mass += gain
    count = len(times)
    low, low_rate = 0.0, rate
    high = -rate / ((density if density > 0.0 else 0.3) * spread)
    high_rate = rate + _gain_upto(steps, gains, count, high)
    while high_rate < 0.0:
        if not high < 1e300:
            return -1, density
        low, low_rate = high, high_rate
        high *= 4.0
        high_rate = rate + _gain_upto(steps, gains, count, high)
    for _ in range(NARROWINGS):
        if high_rate - low_rate <= FEW * mass / count:
            break
        share = min(max(-low_rate / (high_rate - low_rate), 0.1), 0.9)
        middle = low + (high - low) * share
        middle_rate = rate + _gain_upto(steps, gains, count, middle)
        if middle_rate >= 0.0:
            high, high_rate = middle, middle_rate
        else:
            low, low_rate = middle, middle_rate
    kept = 0
    for place in range(count):
        places[kept] = place
        kept += 1 if low < steps[place] <= high else 0
    for rank in range(kept):
        place = places[rank]
        steps[rank], gains[rank] = steps[place], gains[place]
    found = select_step(steps, gains, places, kept, low_rate)
    if found >= 0:
        step = residuals[found] / (constant + factor * times[found])
        density = -rate / (step * spread)
    return found, density


@compiled
def _gain_upto(steps: Floats, gains: Floats, count: int, limit: float) -> float:
    total = 0.0
    for place in range(count):
        total += gains[place] if steps[place] <= limit else 0.0
    return total


@compiled
def select_step(steps: Floats, gains: Floats, places: Places, count: int, rate: float) -> int:
    """Return the place of the step, in rising order, at which ``rate`` plus the gains reaches 0.

    Hoare's selection with weights: the arrays are reordered, in expected linear time.
    """
    low, high = 0, count
    while high - low > 1:
        one, other, third = steps[low], steps[(low + high) // 2], steps[high - 1]
        pivot = max(min(one, other), min(max(one, other), third))
        below, here, above = low, low, high
        gain_below = gain_here = 0.0
        while here < above:
            step = steps[here]
            if step < pivot:
                gain_below += gains[here]
                _swap(steps, gains, places, here, below)
                below += 1
                here += 1
            elif step > pivot:
                above -= 1
                _swap(steps, gains, places, here, above)
            else:
                gain_here += gains[here]
                here += 1
        if rate + gain_below >= 0.0:
            high = below
        elif rate + gain_below + gain_here >= 0.0:
            return int(places[below])
        elif above == high:
            # Only rounding lets the gains of all steps fall short.
            return int(places[below])
        else:
            rate += gain_below + gain_here
            low = above
    return int(places[low]) if high - low == 1 else -1


@compiled
def _swap(steps: Floats, gains: Floats, places: Places, one: int, other: int) -> None:
    steps[one], steps[other] = steps[other], steps[one]
    gains[one], gains[other] = gains[other], gains[one]
    places[one], places[other] = places[other], places[one]
