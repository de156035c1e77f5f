"""Quantile lines at past origins, extended and held against what came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.log_closes import HOUR_MS, LogCloses
from include.channels.noise import Array

LEAST_SCATTER = 1e-12
"""Scatter of values on one exact line, in log price: not zero, so that it can be divided by."""


@dataclass(frozen=True, slots=True, eq=False)
class OriginLines:
    """The newest segment's lines at every origin.

    ``lines``, (origins, taus, 2): value at the segment's start, slope per hour. The segment is
    ``[starts[k], origins[k])``.
    """

    origins: NDArray[np.int64]
    starts: NDArray[np.int64]
    lines: Array

    def take(self, rows: slice) -> OriginLines:
        """Return those of some origins."""
        return OriginLines(self.origins[rows], self.starts[rows], self.lines[rows])

    def span(self, row: int) -> slice:
        """Return the places of the newest segment known at the origin of a row."""
        return slice(int(self.starts[row]), int(self.origins[row]))

    def extend(self, closes: LogCloses, origins: NDArray[np.int64], horizon: int) -> Array:
        """Return the quantiles, (origins, horizon, taus), after the candle before each origin.

        Extended lines that cross are sorted (Chernozhukov, Fernandez-Val and Galichon 2010).
        """
        length = closes.timeframe.length_ms / HOUR_MS
        since = closes.hours[origins - 1] - closes.hours[self.starts]
        ahead = since[:, None] + length * np.arange(1, horizon + 1)
        paths = self.lines[:, None, :, 0] + self.lines[:, None, :, 1] * ahead[:, :, None]
        return np.asarray(np.sort(paths, axis=2))

    def scatter(self, closes: LogCloses) -> Array:
        """Return, (origins,), the mean distance of the segment's values from its middle line."""
        middle = self.lines[:, self.lines.shape[1] // 2]
        return np.array(
            [scatter_around(closes, self.span(row), line) for row, line in enumerate(middle)]
        )


def scatter_around(closes: LogCloses, span: slice, line: Array) -> float:
    """Return the mean distance of the values of ``span`` from ``line`` (start value, slope)."""
    hours = closes.hours[span]
    distance = np.abs(closes.logs[span] - line[0] - line[1] * (hours - hours[0]))
    return max(float(distance.mean()), LEAST_SCATTER)


def pinball_losses(outcomes: Array, forecasts: Array, taus: tuple[float, ...]) -> Array:
    """Return the loss of every forecast, shaped as they are, NaN where the outcome is."""
    errors = outcomes[:, :, None] - forecasts
    levels = np.array(taus)
    return np.asarray(np.maximum(levels * errors, (levels - 1) * errors))
