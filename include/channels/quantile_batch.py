"""Many segments, many levels, one call: every line exact, with its certificate.

Each segment is looked at on a scale of its own, time from -1 to 1 and values as deviations from the
least-squares line in units of their spread; quantile regression is equivariant to both (Koenker
2005, sec. 2.2.3). Ties, as price ticks make them, are broken by a dust of 1e-11 of that spread,
always the same; the line goes through the true values of the two points found, and is certified
on the true values.

Of a long segment only a sample is searched first. Points far from the sample's line cannot change
sides, so they enter as two sums, and the rest is searched; the answer is the exact one because it
is checked that none did change sides (Portnoy and Koenker, Statist. Sci. 12, 1997).
"""

from __future__ import annotations

import math

import numpy as np

from include.channels.compiled import compiled
from include.channels.quantile_kernel import (
    Desk,
    Floats,
    Line,
    Places,
    Points,
    best_line,
    certify,
)

EXACT_FIT = 1e-12
"""Residuals below this share of the size of the values are rounding, not noise."""
DUST = 1e-11
LONG = 6_000
"""From this many points on a sample is searched first."""
BAND_SIGMAS = 4.0


@compiled
def fit_segments(
    times: Floats,
    values: Floats,
    weights: Floats,
    starts: Places,
    taus: Floats,
    lines: Floats,
    gaps: Floats,
) -> int:
    """Fit a line per segment and level; return the first segment that has none, or -1.

    A segment has no lines when fewer than 3 points have weight, times do not rise, a weight is
    negative or a number is not finite; what follows such a segment is not fitted.

    Args:
        times: strictly rising within each segment, any unit.
        values: as many.
        weights: as many, none negative.
        starts: segment ``s`` holds the points ``starts[s]`` to ``starts[s + 1]``.
        taus: rising levels, strictly between 0 and 1.
        lines: filled in, (segments, levels, 2): value at the segment's first time, and slope.
        gaps: filled in, (segments, levels): how far the loss can be above the least one, as a
            share of it; infinite where the search gave up.
    """
    longest = 0
    for segment in range(len(starts) - 1):
        longest = max(longest, starts[segment + 1] - starts[segment])
    scaled, true, dusty = np.empty(longest), np.empty(longest), np.empty(longest)
    desk = (
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest, dtype=np.int64),
    )
    for segment in range(len(starts) - 1):
        begin, end = starts[segment], starts[segment + 1]
        count = end - begin
        weight = weights[begin:end]
        if not _can_be_fitted(times[begin:end], weight):
            return segment
        half = (times[end - 1] - times[begin]) / 2.0
        for place in range(count):
            scaled[place] = (times[begin + place] - times[begin]) / half - 1.0
        level, slope, scale = _flatten(scaled[:count], values[begin:end], weight, true[:count])
        if not scale < np.inf:
            return segment
        points = (scaled[:count], dusty[:count], weight)
        if scale > 0.0:
            scatter_dust(true[:count], dusty[:count])
        start = (0.0, 0.0)
        for place in range(len(taus)):
            line = (0.0, 0.0, 0, 1)
            gaps[segment, place] = 0.0
            if scale > 0.0:
                found = _search_line(points, taus[place], start, desk)
                start = (found[0], found[1])
                line = _through_true_values(scaled, true, found)
                gaps[segment, place] = np.inf
                if line[2] >= 0:
                    gaps[segment, place] = certify(points, true[:count], taus[place], line, found)
            height = level + scale * line[0]
            steepness = slope + scale * line[1]
            lines[segment, place, 0] = height - steepness
            lines[segment, place, 1] = steepness / half
    return -1


@compiled
def _can_be_fitted(times: Floats, weights: Floats) -> bool:
    """Tell whether times are finite and rise, and three or more points have weight."""
    weighty = 0
    for place in range(len(times)):
        # Comparisons with NaN are false.
        if not 0.0 <= weights[place] < np.inf:
            return False
        weighty += 1 if weights[place] > 0.0 else 0
        if place > 0 and not times[place - 1] < times[place]:
            return False
    return weighty >= 3 and abs(times[0]) < np.inf and abs(times[-1]) < np.inf


@compiled
def _flatten(
    times: Floats, values: Floats, weights: Floats, residuals: Floats
) -> tuple[float, float, float]:
    """Fill in the scaled residuals of the least-squares line; return height, slope and scale.

    The scale is 0 where all values lie on the line.
    """
    total = time_mean = value_mean = spread = product = 0.0
    for place in range(len(times)):
        total += weights[place]
        time_mean += times[place] * weights[place]
        value_mean += values[place] * weights[place]
    time_mean /= total
    value_mean /= total
    for place in range(len(times)):
        away = (times[place] - time_mean) * weights[place]
        spread += away * (times[place] - time_mean)
        product += away * (values[place] - value_mean)
    slope = product / spread if spread > 0.0 else 0.0
    height = value_mean - slope * time_mean
    square = largest = 0.0
    for place in range(len(times)):
        residual = values[place] - height - slope * times[place]
        residuals[place] = residual
        square += residual * residual
        largest = max(largest, abs(values[place]))
    scale = math.sqrt(square / len(times))
    if scale <= EXACT_FIT * largest:
        return height, slope, 0.0
    for place in range(len(times)):
        residuals[place] /= scale
    return height, slope, scale


@compiled
def scatter_dust(values: Floats, dusty: Floats) -> None:
    """Fill in ``values``, of unit size, each moved by a little that breaks ties."""
    size = DUST * (1.0 + len(values) / 20_000)
    state = np.uint64(88172645463325252)  # Marsaglia's xorshift, from his own start.
    for place in range(len(values)):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        dusty[place] = values[place] + size * (np.float64(state >> np.uint64(11)) / 2.0**53 - 0.5)


@compiled
def _through_true_values(times: Floats, values: Floats, line: Line) -> Line:
    height, slope, first, second = line
    if second >= 0:
        slope = (values[second] - values[first]) / (times[second] - times[first])
        height = values[first] - slope * times[first]
    return height, slope, first, second


@compiled
def _search_line(points: Points, tau: float, start: tuple[float, float], desk: Desk) -> Line:
    count = len(points[0])
    if count < LONG:
        return best_line(points, tau, start, (0.0, 0.0), desk)
    size = int(2.0 * count ** (2.0 / 3.0))
    chosen = np.arange(size) * count // size
    sample = (points[0][chosen], points[1][chosen], points[2][chosen])
    guess = best_line(sample, tau, start, (0.0, 0.0), desk)
    if guess[2] < 0:
        return best_line(points, tau, start, (0.0, 0.0), desk)
    residuals = np.sort(sample[1] - guess[0] - guess[1] * sample[0])
    share = BAND_SIGMAS * math.sqrt(tau * (1.0 - tau) / size)
    while share < 1.0:
        low = residuals[int((tau - share) * size)] if tau > share else -np.inf
        high = residuals[int((tau + share) * size)] if tau + share < 1.0 else np.inf
        line = _search_band(points, tau, guess, low, high, desk)
        if line[2] >= 0:
            return line
        share *= 2.0
    return best_line(points, tau, (guess[0], guess[1]), (0.0, 0.0), desk)


@compiled
def _search_band(
    points: Points, tau: float, guess: Line, low: float, high: float, desk: Desk
) -> Line:
    """Return the best line, provided no point with a residual outside [low, high] changes sides."""
    times, values, weights = points
    pull = tilt = 0.0
    kept = 0
    places = np.empty(len(times), dtype=np.int64)
    for place in range(len(times)):
        residual = values[place] - guess[0] - guess[1] * times[place]
        outside = residual < low or residual > high
        psi = (tau if residual > high else tau - 1.0) * weights[place] if outside else 0.0
        pull += psi
        tilt += psi * times[place]
        places[kept] = place
        kept += 0 if outside else 1
    if kept < 3:
        return guess[0], guess[1], -1, -1
    chosen = places[:kept]
    near = (times[chosen], values[chosen], weights[chosen])
    line = best_line(near, tau, (guess[0], guess[1]), (pull, tilt), desk)
    if line[2] < 0:
        return line
    # The two lines differ most at one of the ends.
    at_left = (line[0] - line[1]) - (guess[0] - guess[1])
    at_right = (line[0] + line[1]) - (guess[0] + guess[1])
    if min(at_left, at_right) <= low or max(at_left, at_right) >= high:
        return guess[0], guess[1], -1, -1
    return line[0], line[1], chosen[line[2]], chosen[line[3]]
