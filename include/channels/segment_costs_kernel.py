"""The exact cut of a series into pieces of even mean or even scatter, in machine code.

Optimal partitioning with PELT's proof (Killick, Fearnhead and Eckley, JASA 107, 2012); see
``segmentation_kernel``. Of each candidate count, mean and squares around the mean are carried
along, so every cost is a step of a few operations. Costs are minus twice the log likelihood up to
what all cuts share, so they never rise when a piece is parted.
"""

from __future__ import annotations

import numpy as np

from include.channels.compiled import compiled
from include.channels.segmentation_kernel import Floats, Places

MEAN, SCALE, MEAN_AND_SCALE = 0, 1, 2
"""What changes: the mean under unit scatter, the scatter around 0, or both."""
PAUSE = 8
"""Candidates are held against the proof once in so many values."""
FOR_EVER = 1 << 62


@compiled
def cut_levels(
    values: Floats,
    kind: int,
    floor: float,
    min_length: int,
    penalty: float,
    best: Floats,
    previous: Places,
) -> None:
    """Fill ``best[end]`` with the least penalised cost of ``values[:end]``, infinite where none is.

    ``previous[end]`` is where the last piece of that cut starts; both have one place more than
    there are values. ``floor`` is the least variance a piece is credited with. Of cuts that cost
    the same the one with the longest last piece is taken.
    """
    count = len(values)
    means, squares, costs = np.zeros(count), np.zeros(count), np.zeros(count)
    starts, untils = np.zeros(count, np.int64), np.zeros(count, np.int64)
    totals = np.zeros(count)
    best[:] = np.inf
    best[0] = 0.0
    live = 0
    for end in range(1, count + 1):
        if best[end - 1] < np.inf:
            means[live], squares[live], costs[live] = 0.0, 0.0, best[end - 1]
            starts[live], untils[live] = end - 1, FOR_EVER
            live += 1
        value, winner = values[end - 1], -1
        for k in range(live):
            length = float(end - starts[k])
            away = value - means[k]
            if kind != SCALE:
                means[k] += away / length
            squares[k] += away * (value - means[k])
            totals[k] = costs[k] + squares[k]
            if kind != MEAN:
                spread = squares[k] / length
                # The likelihood's best variance that is not below the floor.
                fit = np.log(max(spread, floor)) + min(spread / floor, 1.0) - 1.0
                totals[k] = costs[k] + length * fit
            if end - starts[k] >= min_length and totals[k] + penalty < best[end]:
                winner, best[end] = starts[k], totals[k] + penalty
        if winner < 0:
            continue
        previous[end] = winner
        if end % PAUSE == 0:
            live = _retire(starts, untils, costs, means, squares, totals, live, best[end], end,
                           end + min_length)  # fmt: skip


@compiled
def _retire(
    starts: Places, untils: Places, costs: Floats, means: Floats, squares: Floats, totals: Floats,
    live: int, least: float, end: int, until: int,
) -> int:  # fmt: skip
    """Retire candidates dearer than a cut here, drop whom no later end needs; return how many stay.

    Only from ``until`` on may a piece that starts here take the retired candidate's place.
    """
    kept = 0
    for k in range(live):
        if totals[k] > least and untils[k] > until:
            untils[k] = until
        if untils[k] > end:
            starts[kept], untils[kept], costs[kept] = starts[k], untils[k], costs[k]
            means[kept], squares[kept] = means[k], squares[k]
            kept += 1
    return kept
