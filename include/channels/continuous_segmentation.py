"""Cut a series into straight trends that join at the breaks, exactly.

``segment_lines`` lets the level jump at a break; here only the slope changes. Indices are half-open
as there: a segment ``(start, end)`` holds the values ``start .. end - 1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.channels.continuous_segmentation_kernel import cut_joined_lines
from include.channels.noise import Array, clip_spikes
from include.channels.segmentation import measure_noise, refuse_bad_series
from include.market.errors import InvalidInputError

PARAMETERS_PER_BREAK = 2
"""A slope and the place; the level follows from the line before."""


@dataclass(frozen=True, slots=True)
class JoinedSegmentation:
    """The best cut of a series into lines that join.

    ``bounds`` are half-open and adjacent. At a break ``k`` both lines meet at the time of value
    ``k``, which counts to the segment that starts there. ``knots`` are the fitted values (units of
    the values) at the start of each segment and at the last time, one more than there are segments:
    the fit is straight between them. ``noise_scale`` is the long-run standard deviation used,
    ``penalty`` what one break costs in units of squared noise scale, ``objective`` the sum of
    residual squares over noise scale squared plus the penalties of all breaks; without noise 0.
    """

    bounds: tuple[tuple[int, int], ...]
    knots: tuple[float, ...]
    noise_scale: float
    penalty: float
    objective: float


def slope_penalty(count: int) -> float:
    """Return the price of one change of slope, in units of noise variance, for ``count`` values.

    Schwarz's criterion, as ``bic_penalty``: two parameters times ln(count).
    """
    return PARAMETERS_PER_BREAK * float(np.log(max(count, 2)))


def segment_joined_lines(
    values: Array,
    *,
    min_length: int,
    times: Array | None = None,
    penalty: float | None = None,
) -> JoinedSegmentation:
    """Find the continuous piecewise-linear cut of least penalised squared error, exactly.

    CPOP (Fearnhead, Maidstone and Letchford, JCGS 28, 2019), see
    ``continuous_segmentation_kernel``; breaks stand at values. Every segment has at least
    ``min_length`` values, and the cut is the best of all such cuts. ``times`` (default 0, 1, 2,
    ...) are the places of the values, strictly increasing, so that missing candles stay missing.
    Spikes are clipped and the noise scale taken by ``include.channels.noise``; ``penalty``, of one
    break, defaults to ``slope_penalty``. Fewer than ``2 * min_length`` values, and values without
    noise, are one segment.

    Raises:
        InvalidInputError: a series that ``segment_lines`` refuses, or a penalty that is negative
            or not finite.
    """
    count = len(values)
    places = np.arange(count, dtype=np.float64) if times is None else times
    refuse_bad_series(values, places, min_length)
    price = slope_penalty(count) if penalty is None else penalty
    if not 0 <= price < np.inf:
        raise InvalidInputError(f"penalty {price} is negative or not finite: use 0 or more")
    clean = clip_spikes(values)
    scale = measure_noise(clean)
    unit = scale if scale > 0.0 else 1.0
    shortest = min_length if scale > 0.0 and count >= 2 * min_length else count
    # From the first value on, so that a level far from zero costs no digits.
    starts, knots, cost = cut_joined_lines(
        np.asarray(places - places[0], dtype=np.float64),
        np.asarray((clean - clean[0]) / unit, dtype=np.float64),
        shortest,
        float(price),
    )
    ends = [*starts[1:], count]
    return JoinedSegmentation(
        tuple((int(start), int(end)) for start, end in zip(starts, ends, strict=True)),
        tuple(float(knot) for knot in knots * unit + clean[0]),
        scale,
        price,
        float(cost) if scale > 0.0 else 0.0,
    )
