"""Robust lines through a sliding window, in machine code."""

from __future__ import annotations

import numpy as np

from include.channels.compiled import compiled
from include.channels.segmentation_kernel import Floats


@compiled
def predict_neighbours(values: Floats, window: int, behind: Floats, ahead: Floats) -> None:
    """Extend the robust line through every ``window`` values to the value before and after them.

    ``behind[i]`` and ``ahead[i]`` are the heights one place before and after
    ``values[i : i + window]`` of its repeated-median line (Siegel, Biometrika 69, 1982): the
    median over points of the median slope to the others, and the median height left over.
    """
    slopes, typical, rests = np.empty(window - 1), np.empty(window), np.empty(window)
    for first in range(len(values) - window + 1):
        for i in range(window):
            place = 0
            for j in range(window):
                if j != i:
                    slopes[place] = (values[first + j] - values[first + i]) / (j - i)
                    place += 1
            typical[i] = _median(slopes)
        slope = _median(typical)
        for i in range(window):
            rests[i] = values[first + i] - slope * i
        height = _median(rests)
        behind[first] = height - slope
        ahead[first] = height + slope * window


@compiled
def _median(numbers: Floats) -> float:
    """Return the median of a few numbers, which end up sorted."""
    for i in range(1, len(numbers)):
        number, place = numbers[i], i
        while place > 0 and numbers[place - 1] > number:
            numbers[place] = numbers[place - 1]
            place -= 1
        numbers[place] = number
    middle = len(numbers) // 2
    if len(numbers) % 2:
        return float(numbers[middle])
    return 0.5 * float(numbers[middle - 1] + numbers[middle])
