"""Simulated trends with known breaks, and series without any, under five kinds of noise.

Lines of random slope are joined end to end. The noise has standard deviation 1 (t2 has none: it is
scaled as t3 is). Whoever calls with the same seed gets the same series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KINDS = ("normal", "t3", "t2", "outliers", "ar")
COUNT = 600
SHORTEST = 60
AR = 0.7
OUTLIER_SHARE = 0.02
LEAST_BEND, MOST_BEND = 0.05, 0.3
"""Change of slope at a break, in noise deviations per value."""
MARGIN = 10
"""A found break this near to the true one counts."""


def draw_noise(rng: np.random.Generator, kind: str, count: int) -> Array:
    """Return noise of one kind."""
    if kind in ("t3", "t2"):
        return rng.standard_t(3.0 if kind == "t3" else 2.0, size=count) / np.sqrt(3.0)
    noise = rng.normal(size=count)
    if kind == "outliers":
        hit = rng.random(count) < OUTLIER_SHARE
        noise[hit] += rng.choice([-1.0, 1.0], size=int(hit.sum())) * rng.uniform(
            8.0, 20.0, size=int(hit.sum())
        )
    if kind == "ar":
        noise *= np.sqrt(1 - AR * AR)
        for place in range(1, count):
            noise[place] += AR * noise[place - 1]
    return noise


def draw_trends(seed: int, kind: str) -> tuple[Array, list[int]]:
    """Return one series and its breaks: three to six lines, the shortest of 60 values.

    The same seed gives the same lines under every noise.
    """
    rng = np.random.default_rng([seed, 0])
    pieces = int(rng.integers(3, 7))
    spare = COUNT - pieces * SHORTEST
    cuts = np.sort(rng.integers(0, spare + 1, size=pieces - 1))
    breaks = [int(cut) + SHORTEST * (place + 1) for place, cut in enumerate(cuts)]
    bends = rng.choice([-1.0, 1.0], size=pieces - 1) * rng.uniform(
        LEAST_BEND, MOST_BEND, size=pieces - 1
    )
    slopes = np.cumsum([rng.normal(scale=0.3), *bends])
    lengths = np.diff([0, *breaks, COUNT])
    noise = draw_noise(np.random.default_rng([seed, 1]), kind, COUNT)
    return np.cumsum(np.repeat(slopes, lengths)) + noise, breaks


def draw_one_trend(seed: int, kind: str) -> Array:
    """Return a series without a break."""
    rng = np.random.default_rng([seed, 2])
    return rng.normal(scale=0.3) * np.arange(COUNT) + draw_noise(rng, kind, COUNT)
