"""Simulated log closes for tests of channels, and frames of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.channels.log_closes import LogCloses, read_closes
from include.market.timeframe import H4

Array = NDArray[np.float64]


def make_candles(log_close: Array, start: str = "2026-01-01") -> pd.DataFrame:
    """Return a frame of 4h candles with these log closes."""
    times = pd.date_range(start, periods=len(log_close), freq="4h", tz="UTC")
    return pd.DataFrame(
        {"open_time": times.astype("datetime64[us, UTC]"), "close": np.exp(log_close)}
    )


def make_closes(log_close: Array, slots: Array | None = None) -> LogCloses:
    """Return log closes at ``slots`` (default 0, 1, 2, ...) of a 4h grid."""
    if slots is None:
        return read_closes(make_candles(log_close), H4)
    open_ms = (slots * H4.length_ms).astype(np.int64)
    return LogCloses(open_ms, log_close, H4)


def draw_walk(seed: int, count: int, *, freedom: float | None = None) -> Array:
    """Return a random walk; with ``freedom``, of Student's t steps."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=count) if freedom is None else rng.standard_t(freedom, size=count)
    return np.asarray(11 + 0.01 * np.cumsum(steps))


def draw_turbulence(seed: int, count: int) -> Array:
    """Return a random walk whose steps are GARCH(1, 1): calm and storm take turns."""
    rng = np.random.default_rng(seed)
    steps, variance = np.empty(count), 1e-4
    for place, shock in enumerate(rng.normal(size=count)):
        steps[place] = np.sqrt(variance) * shock
        variance = 2e-6 + 0.1 * steps[place] ** 2 + 0.88 * variance
    return np.asarray(11 + np.cumsum(steps))


def draw_trends(seed: int, count: int, *, length: int = 100) -> Array:
    """Return straight trends of ``length`` candles each, with noise around them."""
    rng = np.random.default_rng(seed)
    slopes = np.repeat(0.003 * rng.normal(size=-(-count // length)), length)[:count]
    return np.asarray(11 + np.cumsum(slopes) + 0.01 * rng.normal(size=count))
