"""The exact cut of a series into straight lines, in machine code.

Optimal partitioning (Jackson et al. 2005): the best cut of the first ``end`` values ends with one
line that starts at some ``start``, after the best cut of the first ``start`` values. A start is a
*candidate* until it is proven never to win again: already a cut at ``end`` costs less than the
candidate does (PELT: Killick, Fearnhead and Eckley, JASA 107, 2012). The proof does not hold for
lines shorter than ``min_length`` after ``end``, so a retired candidate stays that long.

Candidates are not evaluated before they can win. The winner before a block of values is led through
the block, and its cost at the end is a limit. Residuals never fall as a line grows, so a candidate
that costs more than the limit at the beginning cannot win inside the block; only the others, the
*near* ones, are led from value to value. Most candidates are about one price of a segment behind,
so few are near. And one line can speak for many candidates: two lines fit two pieces at least as
well as one line fits both, so

    residuals(start .. end) >= residuals(start .. root) + residuals(root .. end).

Old candidates stand in groups with a common ``root``. Their lines up to the root rest; of the group
only the line from the root on is carried along, and the least cost at the root plus its residuals
is below the cost of every member. Members are looked at again, and the root is moved, when that
bound reaches the limit and each time the group has aged by half.

Every residual sum is a sum of squares, so no digits are lost however long the series is. The price
of a segment may depend on where it starts; a proof at ``end`` is against a line that starts there,
at the price of that place. It may grow with the logarithm of the length: a longer line pays more
than a shorter one at every later end, so the bounds hold without the candidate's logarithm.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.channels.compiled import compiled

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]
Crowd: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64]]
"""A column for each candidate, or for each group.

Rows of the numbers: count, mean time, mean value, spread of time, slope and residuals of its line;
cost before its start with the price (of a group: least cost of a member at the root). Rows of the
places: start (of a group: its first member), last end it is kept for.
"""

BLOCK = 16
"""Values that candidates which cannot win take in one step."""
GROUP = 64
"""Candidates for which one line speaks; as many younger ones are carried along themselves."""
FOR_EVER = 1 << 62
NO_SPREAD = 1e-200
"""Spread of one time: not zero, so that the slope of a line through one point is no 0 / 0."""
MARGIN = 1e-9
"""A proof must hold by this share of the cost: rounding proves nothing."""


@compiled
def make_room(room: int) -> Crowd:
    """Return space for so many lines."""
    return np.empty((7, room)), np.empty((2, room), np.int64)


@compiled
def _move(source: Crowd, old: int, target: Crowd, new: int) -> None:
    for row in range(7):
        target[0][row, new] = source[0][row, old]
    target[1][0, new] = source[1][0, old]
    target[1][1, new] = source[1][1, old]


@compiled
def _clear_line(numbers: Floats, place: int) -> None:
    for row in range(6):
        numbers[row, place] = 0.0
    numbers[3, place] = NO_SPREAD


@compiled
def _admit(crowd: Crowd, place: int, start: int, cost: float) -> None:
    """Put a line without values at ``place``."""
    numbers, places = crowd
    _clear_line(numbers, place)
    numbers[6, place] = cost
    places[0, place], places[1, place] = start, FOR_EVER


@compiled
def _lengthen(numbers: Floats, live: int, time: float, value: float) -> None:
    """Add one value to the first ``live`` lines (recursive least squares)."""
    counts, mean_times, mean_values = numbers[0], numbers[1], numbers[2]
    spreads, slopes, residuals = numbers[3], numbers[4], numbers[5]
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
def _join(numbers: Floats, begin: int, end: int, others: Floats, other: int) -> None:
    """Add the values of one line to those of the lines ``begin`` up to ``end``.

    What the joint line leaves is what both leave and three squares: how far each slope is from the
    joint one, and how far the means are apart beside it.
    """
    counts, mean_times, mean_values = numbers[0], numbers[1], numbers[2]
    spreads, slopes, residuals = numbers[3], numbers[4], numbers[5]
    more, time, value = others[0, other], others[1, other], others[2, other]
    spread, slope, rest = others[3, other], others[4, other], others[5, other]
    for k in range(begin, end):
        count = counts[k] + more
        ahead = time - mean_times[k]
        above = value - mean_values[k]
        # One division in place of two: 1 / count and 1 / (spread of both).
        scaled = count * (spreads[k] + spread) + counts[k] * more * ahead * ahead
        inverse = 1.0 / (scaled * count)
        share = inverse * scaled
        weight = counts[k] * more * share
        joint = spreads[k] * slopes[k] + spread * slope + weight * ahead * above
        joint *= inverse * count * count
        beside = above - joint * ahead
        turned, bent = slopes[k] - joint, slope - joint
        residuals[k] += (
            rest + spreads[k] * turned * turned + spread * bent * bent + weight * beside * beside
        )
        spreads[k] = scaled * share
        slopes[k] = joint
        mean_times[k] += ahead * more * share
        mean_values[k] += above * more * share
        counts[k] = count


@compiled
def _find_cheapest(crowd: Crowd, ripe: int, per_log_length: float) -> tuple[int, float]:
    """Return the candidate of least cost, the oldest of equals, and its cost."""
    counts, residuals, costs = crowd[0][0], crowd[0][5], crowd[0][6]
    winner, least = 0, np.inf
    for k in range(ripe):
        cost = costs[k] + residuals[k]
        if per_log_length > 0.0:
            cost += per_log_length * np.log(counts[k])
        if cost < least:
            winner, least = k, cost
    return winner, least


@compiled
def _retire(crowd: Crowd, begin: int, end: int, least: float, now: int, until: int) -> int:
    """Retire members dearer than ``least``, drop whom no later end needs; return the new end."""
    residuals, costs, untils = crowd[0][5], crowd[0][6], crowd[1][1]
    kept = begin
    for k in range(begin, end):
        if costs[k] + residuals[k] > least and untils[k] > until:
            untils[k] = until
        if untils[k] > now:
            if kept != k:
                _move(crowd, k, crowd, kept)
            kept += 1
    return kept


@compiled
def _gather(crowd: Crowd, begin: int, end: int, limit: float, near: Crowd, count: int) -> int:
    """Copy members that cost no more than ``limit`` behind ``count``; return the new count."""
    residuals, costs = crowd[0][5], crowd[0][6]
    for k in range(begin, end):
        if costs[k] + residuals[k] <= limit:
            _move(crowd, k, near, count)
            count += 1
    return count


@compiled
def _least_cost(crowd: Crowd, begin: int, end: int) -> float:
    residuals, costs = crowd[0][5], crowd[0][6]
    least = np.inf
    for k in range(begin, end):
        least = min(least, costs[k] + residuals[k])
    return least


@compiled
def _due_after(now: int, start: int) -> int:
    """Return when a group of age ``now - start`` is looked at again.

    Groups of like age fall due together, so that thinned ones can be joined.
    """
    step = BLOCK
    while 4 * step <= now - start:
        step *= 2
    return (now // step + 1) * step


@compiled
def _look_into(
    pool: Crowd, groups: Crowd, spans: Places, g: int, least: float, now: int,
    until: int,
) -> bool:  # fmt: skip
    """Move a group's root to now, retire members; tell whether any is left."""
    numbers, firsts = groups[0], groups[1][0]
    ends, dues = spans[0], spans[1]
    first = firsts[g]
    if numbers[0, g] > 0.0:
        _join(pool[0], first, ends[g], numbers, g)
        _clear_line(numbers, g)
    ends[g] = _retire(pool, first, ends[g], least, now, until)
    if ends[g] == first:
        return False
    numbers[6, g] = _least_cost(pool, first, ends[g])
    dues[g] = _due_after(now, pool[1][0, first])
    return True


@compiled
def _merge_back(pool: Crowd, groups: Crowd, spans: Places, g: int) -> bool:
    """Give the members to the group before, if it has the same root and room; tell whether."""
    counts, lows = groups[0][0], groups[0][6]
    firsts, untils, ends = groups[1][0], groups[1][1], spans[0]
    before = g - 1
    size = ends[before] - firsts[before] + ends[g] - firsts[g]
    if g == 0 or counts[before] > 0.0 or size > GROUP:
        return False
    for k in range(firsts[g], ends[g]):
        _move(pool, k, pool, ends[before])
        ends[before] += 1
    lows[before] = min(lows[before], lows[g])
    untils[before] = FOR_EVER
    return True


@compiled
def _visit_groups(
    pool: Crowd,
    groups: Crowd,
    spans: Places,
    count: int,
    least: float,
    limit: float,
    now: int,
    until: int,
    near: Crowd,
) -> tuple[int, int]:
    """Retire groups, look into those that may hold near candidates or are due, copy the near ones.

    Returned are how many groups are left and how many candidates are near.
    """
    ends, dues = spans[0], spans[1]
    firsts, untils = groups[1][0], groups[1][1]
    rests, lows = groups[0][5], groups[0][6]
    kept, close = 0, 0
    for g in range(count):
        bound = lows[g] + rests[g]
        if bound > least and untils[g] > until:
            untils[g] = until
        if untils[g] <= now:
            continue
        if kept != g:
            _move(groups, g, groups, kept)
            ends[kept], dues[kept] = ends[g], dues[g]
        if bound <= limit or dues[kept] <= now:
            if not _look_into(pool, groups, spans, kept, least, now, until):
                continue
            close = _gather(pool, firsts[kept], ends[kept], limit, near, close)
            if _merge_back(pool, groups, spans, kept):
                continue
        kept += 1
    return kept, close


@compiled
def _found_group(
    loose: Crowd, count: int, pool: Crowd, groups: Crowd, spans: Places,
    sizes: Places, now: int,
) -> int:  # fmt: skip
    """Make a group of the oldest loose candidates; return how many stay loose."""
    first, group = sizes[0], sizes[1]
    for k in range(GROUP):
        _move(loose, k, pool, first + k)
    for k in range(GROUP, count):
        _move(loose, k, loose, k - GROUP)
    _admit(groups, group, first, _least_cost(pool, first, first + GROUP))
    spans[0, group] = first + GROUP
    spans[1, group] = _due_after(now, pool[1][0, first])
    sizes[0], sizes[1] = first + GROUP, group + 1
    return count - GROUP


@compiled
def _lead_through(
    near: Crowd, close: int, times: Floats, values: Floats, prices: Floats, first: int, size: int,
    begin: int, min_length: int, per_log_length: float, best: Floats, previous: Places,
    lead: Crowd,
) -> tuple[int, bool]:  # fmt: skip
    """Lead near candidates, and those that start in the block, from value to value.

    Returned are how many they are then, and whether ``lead`` holds the last winner.
    """
    ripe, winner = 0, 0
    for i in range(first, first + size):
        start = begin + i - first
        if best[i] < np.inf:
            _admit(near, close, start, best[i] + prices[i])
            close += 1
        _lengthen(near[0], close, times[i], values[i])
        ripe = close
        while ripe > 0 and near[1][0, ripe - 1] > start + 1 - min_length:
            ripe -= 1
        winner, best[i + 1] = _find_cheapest(near, ripe, per_log_length)
        previous[i + 1] = near[1][0, winner]
    if ripe == 0:
        return close, False
    _move(near, winner, lead, 0)
    return close, True


@compiled
def cut_lines(
    times: Floats,
    values: Floats,
    prices: Floats,
    per_log_length: float,
    min_length: int,
    begun: int,
    best: Floats,
    previous: Places,
    pool: Crowd,
    groups: Crowd,
    spans: Places,
    loose: Crowd,
    lead: Crowd,
    sizes: Places,
) -> None:
    """Go on with a search that has seen ``begun`` values, a multiple of ``BLOCK``.

    ``best[i]`` becomes the least penalised cost of the first ``begun + i`` values, infinite where
    no cut is; ``best[0]`` is given. ``previous[i]`` is where the last line of that cut starts. Both
    have one place more than there are ``values``, and so has ``prices``: what a segment costs that
    starts at ``begun + i``, to which ``per_log_length`` times the logarithm of its length is added.
    Of cuts that cost the same the one with the longest last line is taken. ``times`` rise strictly.

    ``sizes`` holds how much of ``pool``, ``groups`` and ``loose`` is used and whether ``lead`` is
    the winner at ``begun``; ``spans`` where the members of a group end and when it is looked at
    next. There must be room in ``loose`` for ``2 * GROUP + BLOCK``, in ``groups`` for one group per
    ``GROUP`` values and loose candidates, and in ``pool`` for their members.
    """
    near = make_room(pool[1].shape[1] + loose[1].shape[1] + BLOCK)
    block = make_room(1)
    for first in range(0, len(values), BLOCK):
        size, begin = min(BLOCK, len(values) - first), begun + first
        _admit(block, 0, begin, 0.0)
        for i in range(first, first + size):
            _lengthen(block[0], 1, times[i], values[i])
        # A cut that is known at the end of the block: the winner before it, led through it.
        limit, least = np.inf, best[first] + prices[first]
        if sizes[3]:
            _join(lead[0], 0, 1, block[0], 0)
            limit = _find_cheapest(lead, 1, per_log_length)[1]
        limit += MARGIN * abs(limit)
        least += MARGIN * abs(least)
        # Only then may a line start here that takes the retired candidate's place.
        until = begin + min_length
        sizes[1], close = _visit_groups(
            pool, groups, spans, sizes[1], least, limit, begin, until, near
        )
        live = _retire(loose, 0, sizes[2], least, begin, until)
        close = _gather(loose, 0, live, limit, near, close)
        if live >= 2 * GROUP:
            live = _found_group(loose, live, pool, groups, spans, sizes, begin)
        led, known = _lead_through(
            near, close, times, values, prices, first, size, begin, min_length, per_log_length,
            best, previous, lead,
        )  # fmt: skip
        sizes[3] = int(known)
        _join(groups[0], 0, sizes[1], block[0], 0)
        _join(loose[0], 0, live, block[0], 0)
        for k in range(close, led):
            _move(near, k, loose, live)
            live += 1
        sizes[2] = live
