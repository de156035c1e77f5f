"""The least cost of cutting a series into lines, the slow way: every start tried for every end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class LineCost:
    """Residual sum of squares of the least-squares line of any segment, by prefix sums."""

    def __init__(self, values: Array, times: Array) -> None:
        y, t = values - values.mean(), times - times.mean()
        terms = np.stack([y, t, t * y, t * t, y * y])
        self._sums = np.concatenate([np.zeros((5, 1)), np.cumsum(terms, axis=1)], axis=1)

    def evaluate(self, starts: NDArray[np.intp], end: int) -> Array:
        """Return the cost of every segment [start, end); each must hold at least two values."""
        count = end - starts
        y, t, ty, tt, yy = self._sums[:, end, None] - self._sums[:, starts]
        rest = yy - y * y / count - (ty - t * y / count) ** 2 / (tt - t * t / count)
        return np.asarray(np.maximum(rest, 0.0))


def least_cost(values: Array, times: Array, min_length: int, penalty: float) -> float:
    """Return the penalised cost of the best cut; infinite where no segment fits."""
    return float(least_costs(values, times, min_length, np.full(len(values), penalty))[-1])


def least_costs(
    values: Array, times: Array, min_length: int, prices: Array, per_log_length: float = 0.0
) -> Array:
    """Return the same for every beginning of the series; a segment pays the price of its start."""
    cost = LineCost(values, times)
    best = np.full(len(values) + 1, np.inf)
    best[0] = 0.0
    for end in range(min_length, len(values) + 1):
        starts = np.flatnonzero(np.isfinite(best[: end - min_length + 1]))
        lengths = per_log_length * np.log(end - starts)
        best[end] = np.min(best[starts] + cost.evaluate(starts, end) + prices[starts] + lengths)
    return best
