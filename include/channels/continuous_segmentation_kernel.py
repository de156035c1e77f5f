"""The exact cut of a series into straight lines that join, in machine code.

CPOP (Fearnhead, Maidstone and Letchford, JCGS 28, 2019). A *candidate* is a set of breaks, the
newest at ``start``. Its least cost, given the fitted value ``x`` at some later time, is a quadratic
``rest + weight * (x - place)**2``: it bends upwards, so these three numbers say all. Seen from a
break there, the quadratic is one observation of that weight at that place beside a cost that is
paid; the line from the break on is a weighted least-squares line which begins with it. Every cost
is thus a sum of squares, and no digits are lost however long the series is.

Two proofs thin the candidates, and neither loses the best cut.

Functional pruning: past a break only the fitted value at it matters, so of all quadratics at a
break only those that are least for some value on the real line, the *floor*, go on.

Inequality pruning: where a candidate's quadratic is nowhere below the floor plus the price of a
break, a break here, on the candidate's own line, is never dearer. That break needs ``min_length``
values behind it, so a candidate is kept for the ends that are nearer. (The paper compares least
costs, with two prices, and breaks in two neighbouring places; the proof by whole quadratics needs
no neighbouring breaks and so holds for every ``min_length``.)
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from include.channels.compiled import compiled
from include.channels.segmentation_kernel import (
    FOR_EVER,
    MARGIN,
    NO_SPREAD,
    Floats,
    Places,
)

Crowd: TypeAlias = tuple[Floats, Places]
"""A column for each candidate.

Rows of the numbers: weight, mean time, mean value, spread of time, slope and residuals of its line
(with all that was paid); then rest, place and weight of its quadratic at the present time. Rows of
the places: start, its record, first end it is not kept for.
"""
Records: TypeAlias = tuple[Places, Floats]
"""A column for each candidate that ever was.

Rows of the places: start, record of the candidate it goes on from. Rows of the numbers: the fitted
value at that one's start is the first plus the second times the fitted value at this start.
"""
Floor: TypeAlias = tuple[Floats, Places]
"""Pieces from left to right: where each begins and ends, and the column of its candidate."""
ROOM = 64


@compiled
def _widen_floats(rows: Floats, room: int) -> Floats:
    wide = np.empty((rows.shape[0], room))
    wide[:, : rows.shape[1]] = rows
    return wide


@compiled
def _widen_places(rows: Places, room: int) -> Places:
    wide = np.empty((rows.shape[0], room), np.int64)
    wide[:, : rows.shape[1]] = rows
    return wide


@compiled
def _lengthen(numbers: Floats, live: int, time: float, value: float) -> None:
    """Add one value to the first ``live`` lines (recursive least squares)."""
    weights, mean_times, mean_values = numbers[0], numbers[1], numbers[2]
    spreads, slopes, residuals = numbers[3], numbers[4], numbers[5]
    for k in range(live):
        before = weights[k]
        after = before + 1.0
        ahead = time - mean_times[k]
        above = value - mean_values[k]
        surprise = above - slopes[k] * ahead
        share = before / after
        spread = spreads[k] + share * ahead * ahead
        gain = share * ahead / spread
        residuals[k] += surprise * surprise * share * (spreads[k] / spread)
        spreads[k] = spread
        slopes[k] += gain * surprise
        mean_times[k] += ahead / after
        mean_values[k] += above / after
        weights[k] = after


@compiled
def _see_from(numbers: Floats, live: int, time: float) -> None:
    """Write each candidate's quadratic in the fitted value at ``time``."""
    for k in range(live):
        ahead = time - numbers[1, k]
        numbers[6, k] = numbers[5, k]
        numbers[7, k] = numbers[2, k] + numbers[4, k] * ahead
        numbers[8, k] = 1.0 / (1.0 / numbers[0, k] + ahead * ahead / numbers[3, k])


@compiled
def _compare(numbers: Floats, new: int, old: int, lift: float) -> tuple[float, float, bool]:
    """Return two values, and whether ``new`` is below ``old + lift`` between or outside them.

    Nowhere is between infinity and minus infinity. The roots of the difference, around the place of
    ``old``; their discriminant has no term that cancels when the places are far from zero.
    """
    higher = numbers[6, new] - numbers[6, old] - lift
    apart = numbers[7, new] - numbers[7, old]
    steeper = numbers[8, new] - numbers[8, old]
    pull = numbers[8, new] * apart
    inside = numbers[8, old] * pull * apart - steeper * higher
    if steeper == 0.0 and pull == 0.0:
        return (-np.inf, np.inf, True) if higher < 0.0 else (np.inf, -np.inf, True)
    if inside <= 0.0:
        return (np.inf, -np.inf, True) if steeper > 0.0 else (-np.inf, np.inf, True)
    root = pull + np.sqrt(inside) if pull >= 0.0 else pull - np.sqrt(inside)
    one = numbers[7, old] + (pull * apart + higher) / root
    if steeper == 0.0:
        return (one, np.inf, True) if pull > 0.0 else (-np.inf, one, True)
    other = numbers[7, old] + root / steeper
    return min(one, other), max(one, other), steeper > 0.0


@compiled
def _evaluate(numbers: Floats, k: int, value: float) -> float:
    away = value - numbers[7, k]
    return float(numbers[6, k] + numbers[8, k] * away * away)


@compiled
def _is_below(numbers: Floats, new: int, floor: Floor, pieces: int, lift: float) -> bool:
    """Tell whether a candidate is anywhere below the floor lifted by ``lift``."""
    edges, owners = floor
    # Mostly the piece at its lowest point tells: it is above, or is nowhere above all of it.
    rest, place, under = numbers[6, new], numbers[7, new], 0
    while edges[1, under] <= place:
        under += 1
    old = owners[0, under]
    if old == new or rest < _evaluate(numbers, old, place) + lift:
        return True
    low, high, between = _compare(numbers, new, old, lift)
    if between and low > high:
        return False
    for p in range(pieces):
        old, begin, end = owners[0, p], edges[0, p], edges[1, p]
        if old == new:
            return True
        ends = max(_evaluate(numbers, old, begin), _evaluate(numbers, old, end))
        if rest >= ends + lift:
            continue
        low, high, between = _compare(numbers, new, old, lift)
        if between and max(low, begin) < min(high, end):
            return True
        if not between and (begin < low or high < end):
            return True
    return False


@compiled
def _put(floor: Floor, pieces: int, begin: float, end: float, owner: int) -> int:
    """Put a piece behind the others unless it is empty; return how many there are then."""
    if not begin < end:
        return pieces
    edges, owners = floor
    if pieces > 0 and owners[0, pieces - 1] == owner:
        edges[1, pieces - 1] = end
        return pieces
    edges[0, pieces], edges[1, pieces], owners[0, pieces] = begin, end, owner
    return pieces + 1


@compiled
def _lower(numbers: Floats, new: int, floor: Floor, pieces: int, after: Floor) -> int:
    """Write the floor under both the old floor and ``new`` to ``after``; return its pieces."""
    edges, owners = floor
    count = 0
    for p in range(pieces):
        begin, end, old = edges[0, p], edges[1, p], owners[0, p]
        low, high, between = _compare(numbers, new, old, 0.0)
        inner, outer = (new, old) if between else (old, new)
        if not low < high:
            count = _put(after, count, begin, end, outer)
            continue
        low, high = min(max(low, begin), end), min(max(high, begin), end)
        count = _put(after, count, begin, low, outer)
        count = _put(after, count, low, high, inner)
        count = _put(after, count, high, end, outer)
    return count


@compiled
def _find_least(numbers: Floats, ripe: int) -> int:
    """Return the candidate whose quadratic reaches lowest, the oldest of equals."""
    winner = 0
    for k in range(1, ripe):
        if numbers[6, k] < numbers[6, winner]:
            winner = k
    return winner


@compiled
def _find_floor(numbers: Floats, ripe: int, winner: int) -> tuple[Floor, int]:
    """Return the floor of the first ``ripe`` candidates, and how many pieces it has.

    The winner is laid first, then the youngest: they hold the middle and the sides, so that the
    others are found above at once.
    """
    room = ROOM
    floor = np.empty((2, room)), np.empty((1, room), np.int64)
    spare = np.empty((2, room)), np.empty((1, room), np.int64)
    pieces = _put(floor, 0, -np.inf, np.inf, winner)
    for k in range(ripe - 1, -1, -1):
        if k == winner or not _is_below(numbers, k, floor, pieces, 0.0):
            continue
        if 3 * pieces > room:
            room = 6 * pieces
            floor = _widen_floats(floor[0], room), _widen_places(floor[1], room)
            spare = _widen_floats(spare[0], room), _widen_places(spare[1], room)
        pieces = _lower(numbers, k, floor, pieces, spare)
        floor, spare = spare, floor
    return floor, pieces


@compiled
def _retire(
    crowd: Crowd, live: int, floor: Floor, pieces: int, lift: float, now: int, until: int
) -> int:
    """Retire who is nowhere below the lifted floor, drop whom no later end needs."""
    numbers, places = crowd
    for k in range(live):
        if places[2, k] > until and not _is_below(numbers, k, floor, pieces, lift):
            places[2, k] = until
    kept = 0
    for k in range(live):
        if places[2, k] > now + 1:
            if kept != k:
                for row in range(9):
                    numbers[row, kept] = numbers[row, k]
                for row in range(3):
                    places[row, kept] = places[row, k]
            kept += 1
    return kept


@compiled
def _record(
    crowd: Crowd, k: int, records: Records, new: int, start: int, time: float, begin: float
) -> None:
    """Write down a break at ``start`` after candidate ``k``, whose own is at time ``begin``.

    The line through a given value at ``time`` is the free one plus its miss times the share that
    the fitted values of the two times have in common.
    """
    numbers, places = crowd
    ahead, behind = time - numbers[1, k], begin - numbers[1, k]
    share = numbers[8, k] * (1.0 / numbers[0, k] + ahead * behind / numbers[3, k])
    records[0][0, new], records[0][1, new] = start, places[1, k]
    records[1][0, new] = numbers[2, k] + numbers[4, k] * behind - share * numbers[7, k]
    records[1][1, new] = share


@compiled
def _admit(
    crowd: Crowd, column: int, start: int, record: int, time: float, quadratic: Floats
) -> None:
    """Put a line that begins with a quadratic (rest, place, weight) into a column."""
    numbers, places = crowd
    numbers[0, column], numbers[1, column], numbers[2, column] = quadratic[2], time, quadratic[1]
    numbers[3, column], numbers[4, column], numbers[5, column] = NO_SPREAD, 0.0, quadratic[0]
    places[0, column], places[1, column], places[2, column] = start, record, FOR_EVER


@compiled
def _branch(
    crowd: Crowd, live: int, floor: Floor, pieces: int, records: Records, made: int,
    times: Floats, now: int, price: float,
) -> tuple[Crowd, int, Records, int]:  # fmt: skip
    """Break every candidate of the floor at ``now``; a record is made of each."""
    numbers, places = crowd
    if live + pieces > places.shape[1]:
        room = 2 * (live + pieces)
        numbers, places = _widen_floats(numbers, room), _widen_places(places, room)
    if made + pieces > records[0].shape[1]:
        room = 2 * (made + pieces)
        records = _widen_places(records[0], room), _widen_floats(records[1], room)
    wider = numbers, places
    quadratic = np.empty(3)
    for p in range(pieces):
        k = floor[1][0, p]
        known = False
        for earlier in range(p):
            known = known or floor[1][0, earlier] == k
        if known:
            continue
        _record(wider, k, records, made, now, times[now], times[places[0, k]])
        quadratic[0] = numbers[6, k] + price
        quadratic[1], quadratic[2] = numbers[7, k], numbers[8, k]
        _admit(wider, live, now, made, times[now], quadratic)
        live, made = live + 1, made + 1
    return wider, live, records, made


@compiled
def _count_ripe(places: Places, live: int, latest: int) -> int:
    """Return how many candidates start at ``latest`` or before; they stand by start."""
    while live > 0 and places[0, live - 1] > latest:
        live -= 1
    return live


@compiled
def _read_knots(records: Records, last: int, value: float) -> tuple[Places, Floats]:
    """Return the starts of all segments and the fitted values there, the last value behind them."""
    count, record = 0, last
    while record >= 0:
        record = records[0][1, record]
        count += 1
    starts, knots = np.empty(count - 1, np.int64), np.empty(count)
    record, knots[count - 1] = last, value
    for k in range(count - 2, -1, -1):
        knots[k] = records[1][0, record] + records[1][1, record] * knots[k + 1]
        record = records[0][1, record]
        starts[k] = records[0][0, record]
    return starts, knots


@compiled
def cut_joined_lines(
    times: Floats, values: Floats, min_length: int, price: float
) -> tuple[Places, Floats, float]:
    """Return the best cut: where its segments start, the fitted values, and its cost.

    The fitted values are those at the starts and at the last time; the cost is the sum of squared
    residuals and of ``price`` for each break. A segment ``start .. end - 1`` has at least
    ``min_length`` values, from 1 to the length of the series; ``times`` rise strictly.
    """
    count = len(values)
    crowd = np.empty((9, ROOM)), np.empty((3, ROOM), np.int64)
    records = np.empty((2, ROOM), np.int64), np.empty((2, ROOM))
    records[0][0, 0], records[0][1, 0] = 0, -1
    _admit(crowd, 0, 0, 0, times[0], np.array([0.0, values[0], 1.0]))
    live, made = 1, 1
    for now in range(1, count):
        _lengthen(crowd[0], live, times[now], values[now])
        ripe = _count_ripe(crowd[1], live, now - min_length)
        if ripe == 0 or now > count - min_length:
            continue
        _see_from(crowd[0], live, times[now])
        winner = _find_least(crowd[0], ripe)
        floor, pieces = _find_floor(crowd[0], ripe, winner)
        grown, wide, records, made = _branch(
            crowd, live, floor, pieces, records, made, times, now, price
        )
        crowd = grown
        lift = price + MARGIN * (price + crowd[0][6, winner])
        # The candidates that start here stand behind the old ones and are kept as they are.
        kept = _retire(crowd, live, floor, pieces, lift, now, now + min_length)
        for k in range(live, wide):
            for row in range(9):
                crowd[0][row, kept + k - live] = crowd[0][row, k]
            for row in range(3):
                crowd[1][row, kept + k - live] = crowd[1][row, k]
        live = kept + wide - live
    _see_from(crowd[0], live, times[count - 1])
    winner = _find_least(crowd[0], live)
    last = np.empty((2, made + 1), np.int64), np.empty((2, made + 1))
    last[0][:, :made], last[1][:, :made] = records[0][:, :made], records[1][:, :made]
    begin = times[crowd[1][0, winner]]
    _record(crowd, winner, last, made, count, times[count - 1], begin)
    starts, knots = _read_knots(last, made, crowd[0][7, winner])
    return starts, knots, crowd[0][6, winner]
