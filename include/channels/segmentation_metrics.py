"""How near found breaks are to true or annotated ones: F1 with a margin, and covering.

Definitions of van den Burg and Williams (2020, arXiv 2003.06222, "TCPDBench"). A break is the index
of the first value of a new segment. Both scores go from 0 to 1; higher is better.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from include.market.errors import InvalidInputError

MARGIN = 5
"""The margin of TCPDBench, in values."""


def f1_score(
    annotations: Sequence[Collection[int]], found: Collection[int], margin: int = MARGIN
) -> float:
    """Return the harmonic mean of precision and recall over one or more annotators.

    Every set of breaks holds the trivial one at 0. A true break is met by a found one at most
    ``margin`` values away, and each found one meets at most one. Precision is held against the
    breaks of all annotators together, recall is averaged over annotators.

    Raises:
        InvalidInputError: no annotator.
    """
    if not annotations:
        raise InvalidInputError("F1 had no annotation: pass at least one set of breaks")
    own = {0, *found}
    sets = [{0, *breaks} for breaks in annotations]
    precision = _count_met(set().union(*sets), own, margin) / len(own)
    recall = sum(_count_met(true, own, margin) / len(true) for true in sets) / len(sets)
    return 2 * precision * recall / (precision + recall)


def _count_met(true: set[int], found: set[int], margin: int) -> int:
    """Return how many true breaks are met; each takes the nearest found one that is left."""
    left, met = set(found), 0
    for place in sorted(true):
        near = [(abs(place - other), other) for other in left if abs(place - other) <= margin]
        if near:
            left.remove(min(near)[1])
            met += 1
    return met


def covering(annotations: Sequence[Collection[int]], found: Collection[int], count: int) -> float:
    """Return how well found segments cover the true ones of ``count`` values, by length.

    A true segment is covered as far as the found one that overlaps it best in relation to their
    union (Jaccard). The mean over annotators is taken.

    Raises:
        InvalidInputError: no annotator, or a break outside the series.
    """
    if not annotations:
        raise InvalidInputError("covering had no annotation: pass at least one set of breaks")
    own = _segments(found, count)
    return sum(_cover(_segments(true, count), own) for true in annotations) / len(annotations)


def _cover(true: list[tuple[int, int]], found: list[tuple[int, int]]) -> float:
    total = sum(
        (end - start) * max(_overlap((start, end), other) for other in found) for start, end in true
    )
    return total / true[-1][1]


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, shared) / (max(one[1], other[1]) - min(one[0], other[0]))


def _segments(breaks: Collection[int], count: int) -> list[tuple[int, int]]:
    outside = [place for place in breaks if not 0 <= place < count]
    if outside:
        raise InvalidInputError(f"break {outside[0]} is outside the series of {count} values")
    return list(pairwise(sorted({0, *breaks, count})))
