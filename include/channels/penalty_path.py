"""Which cut is best for which penalty: the whole path, and a cut chosen on it.

CROPS: Haynes, Eckley and Fearnhead, JCGS 26 (2017). Between two penalties whose cuts differ by more
than one segment, the penalty at which both cost the same is tried next; where nothing new is found
there is nothing between them. Every cut that is best for any penalty in the range is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from include.channels.noise import Array, clip_spikes
from include.channels.segmentation import (
    bic_penalty,
    cut_optimally,
    measure_noise,
    refuse_bad_series,
)
from include.market.errors import InvalidInputError

LOWEST, HIGHEST = 0.25, 8.0
"""Default range of penalties, in those of ``bic_penalty``."""


@dataclass(frozen=True, slots=True)
class PathCut:
    """The best cut for all penalties from ``lowest`` to ``highest``, both in noise variances.

    ``cost`` is its sum of residual squares in noise variances, without any penalty.
    """

    bounds: tuple[tuple[int, int], ...]
    cost: float
    lowest: float
    highest: float


def follow_penalty(
    values: Array,
    *,
    min_length: int,
    times: Array | None = None,
    lowest: float | None = None,
    highest: float | None = None,
) -> tuple[PathCut, ...]:
    """Return the best cuts into lines for every penalty in a range, most segments first.

    Spikes and noise are handled as in ``segment_lines``, once for all penalties. The range defaults
    to a quarter up to eight times ``bic_penalty``.

    Raises:
        InvalidInputError: a series that ``segment_lines`` refuses, or a range that is empty or
            begins below 0.
    """
    places = np.arange(len(values), dtype=np.float64) if times is None else times
    refuse_bad_series(values, places, min_length)
    usual = bic_penalty(len(values))
    low = LOWEST * usual if lowest is None else lowest
    high = HIGHEST * usual if highest is None else highest
    if not 0 <= low < high:
        raise InvalidInputError(
            f"penalties {low} to {high} are no range: use 0 <= lowest < highest"
        )
    clean = clip_spikes(values)
    scale = measure_noise(clean)
    if scale == 0.0 or len(values) < 2 * min_length:
        return (PathCut(((0, len(values)),), 0.0, low, high),)
    found: dict[int, PathCut] = {}

    def cut(penalty: float) -> PathCut:
        bounds, objective = cut_optimally(clean / scale, places, min_length, penalty)
        one = PathCut(bounds, objective - penalty * len(bounds), penalty, penalty)
        return found.setdefault(len(bounds), one)

    open_pairs = [(cut(low), cut(high))]
    while open_pairs:
        many, few = open_pairs.pop()
        if len(many.bounds) <= len(few.bounds) + 1:
            continue
        middle = cut(_equal_penalty(many, few))
        if len(middle.bounds) not in (len(many.bounds), len(few.bounds)):
            open_pairs += [(many, middle), (middle, few)]
    return _with_ranges([found[count] for count in sorted(found, reverse=True)], low, high)


def choose_elbow(path: tuple[PathCut, ...]) -> PathCut:
    """Return the cut that stays the best over the longest range of penalties, on a log scale.

    True breaks save much more than noise does, so between the last of noise and the first of them
    the number of segments stays put while the penalty multiplies: the elbow of the path. Of equals
    the one with fewer segments is taken.

    Raises:
        InvalidInputError: the path is empty.
    """
    if not path:
        raise InvalidInputError("the path of penalties was empty: pass what follow_penalty returns")
    tiny = np.finfo(np.float64).tiny
    lasting = [np.log(max(one.highest, tiny)) - np.log(max(one.lowest, tiny)) for one in path]
    longest = max(lasting)
    return next(
        one for one, log_range in zip(path[::-1], lasting[::-1], strict=True)
        if log_range == longest
    )  # fmt: skip


def _equal_penalty(many: PathCut, few: PathCut) -> float:
    return max(0.0, (few.cost - many.cost) / (len(many.bounds) - len(few.bounds)))


def _with_ranges(cuts: list[PathCut], low: float, high: float) -> tuple[PathCut, ...]:
    """Return the cuts, most segments first, each with the range in which it is the best."""
    edges = [low, *(_equal_penalty(a, b) for a, b in pairwise(cuts)), high]
    return tuple(
        PathCut(one.bounds, one.cost, edges[place], edges[place + 1])
        for place, one in enumerate(cuts)
        if edges[place + 1] > edges[place] or len(cuts) == 1
    )
