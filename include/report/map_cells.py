"""What of the coverage map is put into one cell, and which rows are shown. Pure.

A cell is a pillar: pale as far as its candles are stored, and from its foot up the colours of what
is absent, the worst lowest. One absent candle in a thousand must still be seen, so heights are no
scale: what is absent takes ``LEAST_HEIGHT`` of the pillar at least, ``LEAST_WRONG_HEIGHT`` when
part of it is unexplained, and that part half of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from include.market.errors import InvalidInputError
from include.report.coverage import OUTSIDE_LIFE, STATES, Counts, CoverageMap

LEAST_HEIGHT: Final = 0.34
LEAST_WRONG_HEIGHT: Final = 0.5
LEAST_PART: Final = {"stored": 0.2, "explained": 0.2, "pending": 0.4, "unexplained": 1.0}
INSIDE: Final = tuple(code for code, state in enumerate(STATES) if state.name not in OUTSIDE_LIFE)
"""Codes of the states inside an instrument's life."""


def bin_days(counts: Counts, width: int) -> Counts:
    """Add up ``width`` days to one, the last axis but one; the first bin may hold fewer.

    Raises:
        InvalidInputError: a width below one.
    """
    if width < 1:
        raise InvalidInputError(f"days in one column: expected one at least, was {width}")
    days = counts.shape[-2]
    # The newest days are looked at most: theirs is a whole column.
    starts = np.arange(-(-days // width)) * width - (-days % width)
    summed: Counts = np.add.reduceat(counts, np.maximum(starts, 0), axis=-2, dtype=np.int32)
    return summed


def choose_width(days: int, most: int) -> int:
    """Return how many days one column must hold so that there are at most ``most`` columns."""
    return next(width for width in (1, 2, 3, 7, 14, 28, 91, 364, days) if -(-days // width) <= most)


def stack_cell(counts: NDArray[np.int32]) -> list[tuple[int, float]]:
    """Return the absent part of a cell: (code, height) from its foot up, heights of the whole.

    ``counts`` are candles by state; what lies outside the instrument's life does not count. Empty
    when all candles are stored, and when there are none.
    """
    whole = int(counts[list(INSIDE)].sum())
    absent = [(code, int(counts[code])) for code in reversed(INSIDE[1:]) if counts[code] > 0]
    missing = sum(count for _, count in absent)
    if not missing:
        return []
    is_wrong = any(STATES[code].kind == "unexplained" for code, _ in absent)
    least = LEAST_WRONG_HEIGHT if is_wrong else LEAST_HEIGHT
    height = least + (1 - least) * missing / whole
    parts = [max(count / missing, LEAST_PART[STATES[code].kind]) for code, count in absent]
    return [
        (code, height * part / sum(parts)) for (code, _), part in zip(absent, parts, strict=True)
    ]


def rank_rows(found: CoverageMap) -> list[int]:
    """Return the places of the map's rows, the one with the worst absences first.

    Unexplained candles weigh most, then those nobody has asked for or built, then explained ones;
    of equals the order of the map stays.
    """
    weights = np.array(
        [{"stored": 0.0, "explained": 1.0, "pending": 1e3, "unexplained": 1e6}[state.kind]
         for state in STATES]
    )  # fmt: skip
    weights[[code for code in range(len(STATES)) if code not in INSIDE]] = 0
    scores = np.zeros(len(found.rows))
    for counts in found.counts.values():
        shares = counts.sum(axis=1) / np.maximum(counts.sum(axis=(1, 2)), 1)[:, None]
        scores += shares @ weights
    return [int(place) for place in np.argsort(-scores, kind="stable")]
