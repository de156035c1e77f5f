"""What is known at each of many origins of one series, without starting again at each of them."""

from __future__ import annotations

import numpy as np

from include.channels.compiled import compiled
from include.channels.segmentation_kernel import Floats, Places


@compiled
def newest_start(
    times: Floats,
    values: Floats,
    prices: Floats,
    costs: Floats,
    settled: int,
    min_length: int,
) -> int:
    """Return where the newest line of the best cut of all ``values`` starts.

    ``costs[end]`` is the cost of the best cut before ``end``, known up to ``settled``; the rest
    that is needed is filled in. ``prices[start]`` is what a segment from ``start`` costs. This is
    one step of optimal partitioning (Jackson et al. 2005) over all starts, the line carried along
    backwards in time; of equal costs the longest line is taken, as ``cut_lines`` does.
    """
    count = len(values)
    winner = 0
    for end in range(min(settled, count - 1) + 1, count + 1):
        if end < count and end > count - min_length:
            continue
        winner, costs[end] = _cheapest_start(times, values, prices, costs, end, min_length)
    return winner


@compiled
def _cheapest_start(
    times: Floats, values: Floats, prices: Floats, costs: Floats, end: int, min_length: int
) -> tuple[int, float]:
    mean_time = mean_value = spread = product = square = 0.0
    winner, least = 0, np.inf
    for start in range(end - 1, -1, -1):
        before = float(end - 1 - start)
        ahead = times[start] - mean_time
        above = values[start] - mean_value
        share = before / (before + 1.0)
        spread += ahead * ahead * share
        product += ahead * above * share
        square += above * above * share
        mean_time += ahead / (before + 1.0)
        mean_value += above / (before + 1.0)
        if end - start < min_length or costs[start] == np.inf:
            continue
        rest = square - product * product / spread
        cost = costs[start] + max(rest, 0.0) + prices[start]
        if cost <= least:
            winner, least = start, cost
    return winner, least


@compiled
def expanding_quantiles(
    numbers: Floats, ordered: Floats, counts: Places, taus: Floats, quantiles: Floats
) -> None:
    """Fill ``quantiles[k]`` with those of the first ``counts[k]`` numbers, between ranks linearly.

    ``counts`` do not fall; of no numbers the quantiles are zero. ``ordered`` is as long as
    ``numbers`` and begins with the first ``counts[0]`` of them, sorted; the others are put into it.
    """
    held = counts[0]
    for k in range(len(counts)):
        while held < counts[k]:
            _put(ordered, held, numbers[held])
            held += 1
        for column in range(len(taus)):
            quantiles[k, column] = 0.0
            if held > 0:
                rank = taus[column] * (held - 1)
                low = int(rank)
                high = min(low + 1, held - 1)
                share = rank - low
                quantiles[k, column] = ordered[low] + share * (ordered[high] - ordered[low])


@compiled
def _put(ordered: Floats, held: int, number: float) -> None:
    """Put a number where it belongs among the first ``held``, which are sorted."""
    low, high = 0, held
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < number:
            low = middle + 1
        else:
            high = middle
    for place in range(held, low, -1):
        ordered[place] = ordered[place - 1]
    ordered[low] = number
