"""Forecasts held against what came, in numbers with names.

``05`` stands for tau 0.05. Shares lie in [0, 1], losses are mean pinball losses in log price.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from include.channels.block_bootstrap import mean_intervals
from include.channels.noise import Array


def describe_forecasts(
    outcomes: Array,
    forecasts: Array,
    gains: Mapping[str, Array],
    *,
    losses: Array,
    taus: tuple[float, ...],
    seed: int = 0,
) -> dict[str, float]:
    """Return every number told of a channel's forecasts.

    ``coverage_05_95`` is the share of outcomes between two lines, ``_low`` and ``_high`` the ends
    of its 95 % block-bootstrap interval; ``coverage_step_3`` the outermost one's 3 candles ahead;
    ``below_25`` the share below a line; ``loss_25`` and ``loss_step_3`` the losses of a tau and of
    a step; ``gain_random_walk_low`` and ``_high`` the interval of the loss minus the rival's.

    Args:
        outcomes: (origins, horizon), NaN where none came.
        forecasts: (origins, horizon, taus), rising with tau.
        gains: by rival, (origins, horizon, taus): losses minus the rival's.
        losses: (origins, horizon, taus).
        taus: rising levels.
        seed: of the bootstrap.
    """
    metrics = coverages(outcomes, forecasts, taus)
    below = _shares(outcomes[:, :, None] < forecasts, outcomes)
    inside = _inside(outcomes, forecasts[:, :, 0], forecasts[:, :, -1])
    for column, tau in enumerate(taus):
        metrics[f"below_{tau_name(tau)}"] = float(np.nanmean(below[:, :, column]))
        metrics[f"loss_{tau_name(tau)}"] = float(np.nanmean(losses[:, :, column]))
    for step in range(outcomes.shape[1]):
        if np.isfinite(outcomes[:, step]).any():
            metrics[f"coverage_step_{step + 1}"] = float(np.nanmean(inside[:, step]))
            metrics[f"loss_step_{step + 1}"] = float(np.nanmean(losses[:, step]))
    series = [
        np.nanmean(inside, axis=1),
        *(np.nanmean(gain, axis=(1, 2)) for gain in gains.values()),
    ]
    names = [band_name(taus, 0), *(f"gain_{rival}" for rival in gains)]
    intervals = mean_intervals(np.column_stack(series), seed=seed)
    for name, (low, high) in zip(names, intervals, strict=True):
        metrics |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return metrics


def coverages(outcomes: Array, forecasts: Array, taus: tuple[float, ...]) -> dict[str, float]:
    """Return the share of outcomes inside each pair of lines, the outermost first."""
    return {
        band_name(taus, place): float(
            np.nanmean(_inside(outcomes, forecasts[:, :, place], forecasts[:, :, -1 - place]))
        )
        for place in range(max(1, len(taus) // 2))
    }


def band_name(taus: tuple[float, ...], place: int) -> str:
    """Return the name of the coverage between line ``place`` and its counterpart from above."""
    return f"coverage_{tau_name(taus[place])}_{tau_name(taus[-1 - place])}"


def tau_name(tau: float) -> str:
    """Return the digits of ``tau`` after the point, at least two: 0.05 is 05, 0.125 is 125."""
    return f"{tau:.12g}".partition(".")[2].ljust(2, "0")


def _inside(outcomes: Array, low: Array, high: Array) -> Array:
    return _shares((low <= outcomes) & (outcomes <= high), outcomes)


def _shares(held: NDArray[np.bool_], outcomes: Array) -> Array:
    """Return 1 where ``held``, else 0, NaN where no outcome came."""
    came = np.isfinite(outcomes)
    return np.where(came if held.ndim == 2 else came[:, :, None], held, np.nan)
