"""Robust lines through a sliding window, in machine code."""

from __future__ import annotations

import numpy as np

from include.channels.compiled import compiled
from include.channels.segmentation_kernel import Floats

LANES = 64
"""Windows side by side: the same comparison of each is one step, without a branch."""


@compiled
def predict_neighbours(values: Floats, window: int, behind: Floats, ahead: Floats) -> None:
    """Extend the robust line through every ``window`` values to the value before and after them.

    ``behind[i]`` and ``ahead[i]`` are the heights one place before and after
    ``values[i : i + window]`` of its repeated-median line (Siegel, Biometrika 69, 1982): the
    median over points of the median slope to the others, and the median height left over.
    """
    numbers, typical = np.empty((window, LANES)), np.empty((window, LANES))
    slope, height = np.empty(LANES), np.empty(LANES)
    for first in range(0, len(values) - window + 1, LANES):
        lanes = min(LANES, len(values) - window + 1 - first)
        for i in range(window):
            place = 0
            for j in range(window):
                if j != i:
                    for lane in range(lanes):
                        rise = values[first + lane + j] - values[first + lane + i]
                        numbers[place, lane] = rise / (j - i)
                    place += 1
            _take_medians(numbers, window - 1, lanes, typical[i])
        _take_medians(typical, window, lanes, slope)
        for i in range(window):
            for lane in range(lanes):
                numbers[i, lane] = values[first + lane + i] - slope[lane] * i
        _take_medians(numbers, window, lanes, height)
        for lane in range(lanes):
            behind[first + lane] = height[lane] - slope[lane]
            ahead[first + lane] = height[lane] + slope[lane] * window


@compiled
def _take_medians(rows: Floats, count: int, lanes: int, medians: Floats) -> None:
    """Write the median of each lane's first ``count`` numbers, which are sorted half-way."""
    for done in range(count // 2 + 1):
        # The largest that is left rises to its place.
        for i in range(count - 1 - done):
            for lane in range(lanes):
                low, high = rows[i, lane], rows[i + 1, lane]
                rows[i, lane] = low if low < high else high
                rows[i + 1, lane] = high if low < high else low
    middle = count // 2
    other = middle if count % 2 else middle - 1
    for lane in range(lanes):
        medians[lane] = 0.5 * (rows[other, lane] + rows[middle, lane])
