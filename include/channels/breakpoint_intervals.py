"""How sure is the place of a break: intervals by inverting the likelihood ratio.

For every other place of one break, its neighbours held, the two lines beside it leave more
residuals. Places that leave less than a critical value more are in the interval. The critical value
is Hansen's (Econometrica 68, 2000, section 3: the likelihood ratio of a threshold): minus two times
ln(1 - sqrt(level)), 7.35 for 95 %. It is derived for jumps that shrink as the series grows; for
kinks, where lines meet, coverage is measured in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from include.channels.noise import Array, clip_spikes
from include.channels.segmentation import Segmentation, refuse_bad_series
from include.market.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class BreakInterval:
    """A break and the places, first to last inclusive, where it may as well be.

    All three are indices of the first value of the new segment.
    """

    place: int
    first: int
    last: int


def locate_breaks(
    values: Array,
    segmentation: Segmentation,
    *,
    min_length: int,
    times: Array | None = None,
    level: float = 0.95,
) -> tuple[BreakInterval, ...]:
    """Return an interval for every break of ``segmentation``, in order.

    ``values``, ``times`` and ``min_length`` are those that ``segment_lines`` was given. Residuals
    count in units of its noise scale, which allows for serial correlation. The interval holds the
    break for about ``level`` of the breaks that exist; where a break is false it says nothing.

    Raises:
        InvalidInputError: a series that ``segment_lines`` refuses, a segmentation of another
            length, or a level outside 0 ... 1.
    """
    places = np.arange(len(values), dtype=np.float64) if times is None else times
    refuse_bad_series(values, places, min_length)
    if not 0 < level < 1:
        raise InvalidInputError(f"level was {level}: use a share between 0 and 1, such as 0.95")
    bounds = segmentation.bounds
    if not bounds or bounds[-1][1] != len(values):
        raise InvalidInputError(
            f"the segmentation does not end at the {len(values)} values: pass the one found on them"
        )
    if len(bounds) == 1:
        return ()
    clean = clip_spikes(values) / segmentation.noise_scale
    spare = -2 * float(np.log(1 - np.sqrt(level)))
    return tuple(
        _locate(clean[start:end], places[start:end], middle - start, min_length, spare, start)
        for (start, middle), (_, end) in pairwise(bounds)
    )


def _locate(
    values: Array, times: Array, found: int, min_length: int, spare: float, offset: int
) -> BreakInterval:
    before = _residuals_of_beginnings(values, times)
    after = _residuals_of_beginnings(values[::-1], -times[::-1])[::-1]
    tried = np.arange(min_length, len(values) - min_length + 1)
    left_over = before[tried] + after[tried]
    near = tried[left_over <= left_over[found - min_length] + spare]
    return BreakInterval(found + offset, int(near[0]) + offset, int(near[-1]) + offset)


def _residuals_of_beginnings(values: Array, times: Array) -> Array:
    """Return the residual squares of the line through the first n values, for n = 0, 1, 2, ...

    Recursive least squares, as sums of squares: what a new value adds is its miss of the line so
    far, times its share.
    """
    # Plain numbers: to take them out of an array one by one costs more than what is done with them.
    xs, ys, rests = times.tolist(), values.tolist(), [0.0] * (len(values) + 1)
    mean_time, mean_value, spread, slope = xs[0], ys[0], 0.0, 0.0
    for count in range(1, len(ys)):
        ahead, above = xs[count] - mean_time, ys[count] - mean_value
        share = count / (count + 1)
        miss = above - slope * ahead
        wider = spread + ahead * ahead * share
        rests[count + 1] = rests[count] + miss * miss * share * spread / wider
        slope += miss * ahead * share / wider
        spread = wider
        mean_time += ahead / (count + 1)
        mean_value += above / (count + 1)
    return np.array(rests)
