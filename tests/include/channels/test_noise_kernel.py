"""The sliding robust lines are Siegel's, window by window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.channels.noise_kernel import predict_neighbours


def extend_slowly(window: np.ndarray, place: int) -> float:
    """Return the repeated-median line of ``window`` at ``place``, 0 being its first value."""
    slopes = [
        np.median([(window[j] - window[i]) / (j - i) for j in range(len(window)) if j != i])
        for i in range(len(window))
    ]
    slope = np.median(slopes)
    return float(np.median(window - slope * (np.arange(len(window)) - place)))


@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(3, 9),
    extra=st.integers(0, 12),
    ticks=st.booleans(),
)
def test_every_window_is_extended_to_both_sides(
    seed: int, window: int, extra: int, ticks: bool
) -> None:
    values = np.random.default_rng(seed).standard_t(2, size=window + extra)
    if ticks:
        values = np.round(values)
    behind, ahead = np.empty(extra + 1), np.empty(extra + 1)
    predict_neighbours(values, window, behind, ahead)
    windows = [values[first : first + window] for first in range(extra + 1)]
    assert behind == pytest.approx([extend_slowly(one, -1) for one in windows])
    assert ahead == pytest.approx([extend_slowly(one, window) for one in windows])
