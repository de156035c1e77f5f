"""The exact cut of a series into straight lines, in machine code.

Optimal partitioning (Jackson et al. 2005): the best cut of the first ``end`` values ends with one
line that starts at some ``start``, after the best cut of the first ``start`` values. A start is a
*candidate* until it is proven never to win again. Of each candidate the least-squares line from its
start to now is carried along, one value at a time, with its residual sum of squares, which so is a
sum of squares and loses no digits however long the series is.

Two proofs retire a candidate. Already a cut at ``end`` costs less than the candidate does
(PELT: Killick, Fearnhead and Eckley, JASA 107, 2012). Or wherever the candidate's lines cost less
than those of one older candidate they cost more than a cut at ``end`` (duality pruning: Truong and
Runge 2024, "DUST"), which is tried only while candidates are many, as on a series without breaks.
Neither proof holds for lines shorter than ``min_length`` after ``end``, so a retired candidate
stays that long.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.channels.compiled import compiled

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]
Lines: TypeAlias = tuple[Floats, Floats, Floats, Floats, Floats, Floats]
"""Of each candidate's line: count, mean time, mean value, spread of time, slope, residuals."""
Stakes: TypeAlias = tuple[Places, Places, Places, Floats]
"""Of each candidate: start, last end it is kept for, next duality trial, cost before its start."""

ROOM = 1024
FOR_EVER = 1 << 62
NO_SPREAD = 1e-200
"""Spread of one time: not zero, so that the slope of a line through one point is no 0 / 0."""
PAUSE = 8
"""Candidates are held against the proofs once in so many values."""
MANY = 400
"""Fewer candidates than this are carried along more cheaply than they are tried for duality."""
TRIALS = 3
TRIAL_SHARE = 16
"""A candidate is tried again when it has grown by this part."""
BISECTIONS = 8
MARGIN = 1e-9
"""A proof must hold by this share of the cost: rounding proves nothing."""


@compiled
def _make_room(room: int) -> tuple[Lines, Stakes]:
    lines = (
        np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room),
        np.empty(room),
    )  # fmt: skip
    places = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    return lines, (places[0], places[1], places[2], np.empty(room))


@compiled
def _enlarge(lines: Lines, stakes: Stakes) -> tuple[Lines, Stakes]:
    """Return twice the room, with the same candidates in it."""
    live = len(stakes[0])
    wider, more = _make_room(2 * live)
    for k in range(live):
        _move(lines, stakes, k, wider, more, k)
    return wider, more


@compiled
def _move(lines: Lines, stakes: Stakes, old: int, wider: Lines, more: Stakes, new: int) -> None:
    wider[0][new] = lines[0][old]
    wider[1][new] = lines[1][old]
    wider[2][new] = lines[2][old]
    wider[3][new] = lines[3][old]
    wider[4][new] = lines[4][old]
    wider[5][new] = lines[5][old]
    more[0][new] = stakes[0][old]
    more[1][new] = stakes[1][old]
    more[2][new] = stakes[2][old]
    more[3][new] = stakes[3][old]


@compiled
def _admit(lines: Lines, stakes: Stakes, place: int, start: int, cost: float) -> None:
    """Make ``start`` a candidate without a line yet; ``cost`` is that of the cut before it."""
    for field in lines:
        field[place] = 0.0
    lines[3][place] = NO_SPREAD
    stakes[0][place] = start
    stakes[1][place] = FOR_EVER
    stakes[2][place] = start + TRIAL_SHARE
    stakes[3][place] = cost


@compiled
def _lengthen(lines: Lines, live: int, time: float, value: float) -> None:
    """Add one value to the line of every candidate (recursive least squares)."""
    counts, mean_times, mean_values, spreads, slopes, residuals = lines
    for k in range(live):
        before = counts[k]
        count = before + 1.0
        ahead = time - mean_times[k]
        above = value - mean_values[k]
        surprise = above - slopes[k] * ahead
        # One division in place of three: 1 / (spread after it) and 1 / count.
        scaled = count * spreads[k] + before * ahead * ahead
        inverse = 1.0 / (scaled * count)
        share = inverse * scaled
        gain = before * ahead * inverse * count
        residuals[k] += surprise * surprise * before * share * (1.0 - gain * ahead)
        spreads[k] = scaled * share
        slopes[k] += gain * surprise
        mean_times[k] += ahead * share
        mean_values[k] += above * share
        counts[k] = count


@compiled
def _cheapest(costs: Floats, residuals: Floats, ripe: int) -> int:
    """Return the candidate of least cost, the oldest of equals."""
    winner, least = 0, np.inf
    for k in range(ripe):
        cost = costs[k] + residuals[k]
        if cost < least:
            winner, least = k, cost
    return winner


@compiled
def _retire_dearer(lines: Lines, stakes: Stakes, live: int, least: float, until: int) -> None:
    """Retire the candidates that already cost more than the best cut does."""
    kept_until, costs, residuals = stakes[1], stakes[3], lines[5]
    for k in range(live):
        if costs[k] + residuals[k] > least and kept_until[k] > until:
            kept_until[k] = until


@compiled
def _retire_by_duality(
    lines: Lines, stakes: Stakes, live: int, least: float, end: int, until: int, chance: int
) -> int:
    """Try candidates that have grown against older ones drawn by chance; return the new chance.

    Near ones are drawn more often: distances are even on a logarithmic scale. Which are drawn
    decides how long the search takes, never what it finds.
    """
    starts, kept_until, due, costs = stakes
    for k in range(1, live):
        if due[k] > end or kept_until[k] <= until or lines[0][k] < 3.0:
            continue
        due[k] = end + max(PAUSE, (end - starts[k]) // TRIAL_SHARE)
        room = least - costs[k] + MARGIN * abs(least)
        for _ in range(TRIALS):
            chance = (chance * 1103515245 + 12345) % 2147483648
            older = k - int(np.exp(chance / 2147483648.0 * np.log(float(k))))
            if _is_dominated(lines, k, older, costs[k] - costs[older], room):
                kept_until[k] = until
                break
    return chance


@compiled
def _is_dominated(lines: Lines, k: int, older: int, handicap: float, room: float) -> bool:
    """Tell whether candidate ``k`` costs too much wherever it costs less than ``older``.

    ``older`` costs more than ``k`` for a line only if that line leaves more than ``handicap`` of
    residuals on the values between the two starts. The least residuals of ``k`` under that
    condition are bounded from below by the Lagrangian dual, for any multiplier from 0 to where it
    is no longer convex; ``room`` is what the residuals of ``k`` must exceed. Quadratics of a line
    are taken around the mean time and value of ``k``: squares = yy - 2 (h y0 + g y1) + h h s0
    + 2 h g s1 + g g s2 for height h and slope g.
    """
    count, spread, slope = lines[0][k], lines[3][k], lines[4][k]
    own = lines[5][k] + slope * slope * spread
    far, above = lines[1][older] - lines[1][k], lines[2][older] - lines[2][k]
    all_count, all_spread, all_slope = lines[0][older], lines[3][older], lines[4][older]
    s0, s1 = all_count - count, all_count * far
    s2 = all_spread + all_count * far * far - spread
    y0 = all_count * above
    y1 = all_slope * all_spread + all_count * far * above - slope * spread
    yy = lines[5][older] + all_slope * all_slope * all_spread + all_count * above * above - own
    if yy - 2.0 * slope * y1 + slope * slope * s2 >= handicap:
        # The best line of the candidate is among those that cost less than the older one's.
        return False
    low, high = 0.0, _convex_until(count, spread, s0, s1, s2)
    for _ in range(BISECTIONS):
        multiplier = 0.5 * (low + high)
        a, b, c = count - multiplier * s0, -multiplier * s1, spread - multiplier * s2
        determinant = a * c - b * b
        if a <= 0.0 or determinant <= 0.0:
            high = multiplier
            continue
        u, v = -multiplier * y0, slope * spread - multiplier * y1
        height, tilt = (u * c - v * b) / determinant, (v * a - u * b) / determinant
        if own - multiplier * (yy - handicap) - (u * height + v * tilt) > room:
            return True
        squares = yy - 2.0 * (height * y0 + tilt * y1)
        squares += height * height * s0 + 2.0 * height * tilt * s1 + tilt * tilt * s2
        if squares < handicap:
            low = multiplier
        else:
            high = multiplier
    return False


@compiled
def _convex_until(count: float, spread: float, s0: float, s1: float, s2: float) -> float:
    """Return the multiplier at which the difference of the two quadratics turns singular."""
    a, b, c = s0 * s2 - s1 * s1, count * s2 + s0 * spread, count * spread
    rest = b * b - 4.0 * a * c
    most = count / s0
    return min(most, 2.0 * c / (b + np.sqrt(rest))) if rest >= 0.0 else most


@compiled
def _compact(lines: Lines, stakes: Stakes, live: int, end: int) -> int:
    """Remove the candidates that no later end needs; return how many are left, in their order."""
    kept = 0
    for k in range(live):
        if stakes[1][k] > end:
            if kept != k:
                _move(lines, stakes, k, lines, stakes, kept)
            kept += 1
    return kept


@compiled
def cut_lines(
    times: Floats,
    values: Floats,
    min_length: int,
    penalty: float,
    best: Floats,
    previous: Places,
) -> None:
    """Fill ``best[end]`` with the least penalised cost of ``values[:end]``, infinite where none is.

    ``previous[end]`` is where the last line of that cut starts. Both have one place more than
    there are values. Of cuts that cost the same the one with the longest last line is taken.
    ``times`` rise strictly; ``min_length`` is at least 1.
    """
    count = len(values)
    lines, stakes = _make_room(ROOM)
    best[:] = np.inf
    best[0] = 0.0
    live, chance = 0, 1
    for end in range(1, count + 1):
        if best[end - 1] < np.inf:
            if live == len(stakes[0]):
                lines, stakes = _enlarge(lines, stakes)
            _admit(lines, stakes, live, end - 1, best[end - 1])
            live += 1
        _lengthen(lines, live, times[end - 1], values[end - 1])
        ripe = live
        while ripe > 0 and stakes[0][ripe - 1] > end - min_length:
            ripe -= 1
        if ripe == 0:
            continue
        winner = _cheapest(stakes[3], lines[5], ripe)
        best[end] = stakes[3][winner] + lines[5][winner] + penalty
        previous[end] = stakes[0][winner]
        if end % PAUSE == 0:
            # Only then may a line start here that takes the retired candidate's place.
            until = end + min_length
            _retire_dearer(lines, stakes, live, best[end], until)
            if live > MANY:
                chance = _retire_by_duality(lines, stakes, live, best[end], end, until, chance)
            live = _compact(lines, stakes, live, end)
