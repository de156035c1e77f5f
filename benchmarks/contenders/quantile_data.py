"""What the quantile benchmark fits: segments as candles make them, and long clouds of points."""

from __future__ import annotations

import numpy as np
from contenders.quantile_run import Problem

SHORTEST, LONGEST = 50, 500
TICK = 1e-4
KINDS = 4


def draw_batch(segments: int) -> Problem:
    """Return ``segments`` of 50 to 500 values on a line of time, counted from -1 to 1.

    In turn: a trend with heavy-tailed noise (t with 4 degrees), the same with its noise growing
    along the segment, a random walk, and a walk on a grid of prices, which ties values.
    """
    rng = np.random.default_rng(1)
    lengths = rng.integers(SHORTEST, LONGEST + 1, size=segments)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    times = np.concatenate([np.linspace(-1, 1, length) for length in lengths])
    parts = [_draw_segment(rng, place % KINDS, length) for place, length in enumerate(lengths)]
    design = np.asfortranarray(np.column_stack([np.ones(len(times)), times]))
    return Problem(np.concatenate(parts), design, starts)


def _draw_segment(rng: np.random.Generator, kind: int, length: int) -> np.ndarray:
    time = np.linspace(-1, 1, length)
    trend = 0.02 * rng.normal() * time
    if kind == 0:
        return trend + 0.01 * rng.standard_t(4, size=length)
    if kind == 1:
        return trend + 0.01 * (1.5 + time) * rng.standard_t(4, size=length)
    walk = np.cumsum(0.002 * rng.standard_t(4, size=length))
    return walk if kind == 2 else np.round(walk / TICK / 5) * TICK * 5


def draw_cloud(count: int, width: int) -> Problem:
    """Return one long segment: time and ``width - 2`` more columns, noise that grows with time.

    The columns correlate with time and with one another, as covariates of candles do.
    """
    rng = np.random.default_rng([count, width])
    time = np.linspace(-1, 1, count)
    others = rng.normal(size=(count, width - 2)) + 0.5 * time[:, None]
    columns = [np.ones(count), time, *np.cumsum(others, axis=1).T]
    design = np.asfortranarray(np.column_stack(columns))
    values = design @ np.linspace(0.5, 1.5, width)
    values += (1.5 + time) * rng.standard_t(3, size=count)
    return Problem(values, design, np.array([0, count]))
