"""Is a channel worth showing: rolling-origin forecasts against a random walk.

At each origin everything is fitted again on the past alone: breaks, noise scale and lines. The
newest segment's lines are extended a few candles ahead and scored on what came. The rival is the
last price moved by the quantiles of past returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from include.channels.noise import Array
from include.channels.quantile import checked_taus, fit_lines, pinball_loss
from include.channels.segmentation import segment_lines

FOLDS = 8
MIN_FOLDS = 3
"""Fewer origins than this are an anecdote: no judgement is given."""
HISTORY_SEGMENTS = 4
"""An origin needs this many shortest segments of past."""


@dataclass(frozen=True, slots=True)
class ChannelScore:
    """Mean pinball losses (log price) of the forecasts of all origins.

    ``model_loss`` and ``baseline_loss`` average over forecasts and taus, ``losses_by_tau`` is the
    model's per tau. ``coverage`` is the share of outcomes between the lowest and highest quantile.
    ``forecasts`` counts the outcomes scored, each with every tau.
    """

    model_loss: float
    baseline_loss: float
    losses_by_tau: tuple[float, ...]
    coverage: float
    forecasts: int


@dataclass(frozen=True, slots=True, eq=False)
class OriginForecast:
    """Forecasts made before ``values[origin]`` was known: row h - 1 is h slots ahead."""

    origin: int
    channel: Array
    random_walk: Array


def choose_horizon(min_length: int) -> int:
    """Return how many candles ahead channels are judged: half the shortest segment."""
    return max(1, min_length // 2)


def candles_to_judge(min_length: int) -> int:
    """Return the fewest gapless candles for which ``score_channel`` gives a judgement."""
    return HISTORY_SEGMENTS * min_length + MIN_FOLDS * choose_horizon(min_length)


def forecast_channel(
    values: Array, slots: Array, *, min_length: int, taus: Sequence[float], horizon: int
) -> Array:
    """Return the channel's quantiles for 1 ... ``horizon`` slots after the last of ``slots``.

    ``values`` are log closes at ``slots`` (whole candle lengths since any start, rising). Row h - 1
    is the forecast h slots ahead, one column per tau; extended lines that cross are sorted.
    """
    start, end = segment_lines(values, min_length=min_length, times=slots).bounds[-1]
    lines = fit_lines(values[start:end], slots[start:end], taus)
    ahead = slots[-1] - slots[start] + np.arange(1, horizon + 1)
    paths = np.column_stack([line.intercept + line.slope * ahead for line in lines])
    return np.asarray(np.sort(paths, axis=1))


def forecast_random_walk(
    values: Array, slots: Array, *, taus: Sequence[float], horizon: int
) -> Array:
    """Return the last value plus the empirical quantiles of past h-slot changes, as rows h - 1.

    Only pairs of candles exactly h slots apart count, so a gap lends nothing; without any such
    pair the forecast is the last value itself.
    """
    rows = np.empty((horizon, len(taus)))
    for steps in range(1, horizon + 1):
        later = np.searchsorted(slots, slots + steps)
        paired = later < len(slots)
        paired[paired] = slots[later[paired]] == slots[paired] + steps
        changes = values[later[paired]] - values[paired]
        rows[steps - 1] = values[-1] + (np.quantile(changes, taus) if len(changes) else 0.0)
    return rows


def forecast_origins(
    values: Array, slots: Array, *, min_length: int, taus: Sequence[float]
) -> list[OriginForecast]:
    """Return both forecasts at up to 8 origins, one horizon apart, the newest last.

    Each origin has at least 4 shortest segments of past. What an origin forecasts depends on the
    values before it alone.
    """
    horizon = choose_horizon(min_length)
    return [
        OriginForecast(
            origin,
            forecast_channel(
                values[:origin], slots[:origin], min_length=min_length, taus=taus, horizon=horizon
            ),
            forecast_random_walk(values[:origin], slots[:origin], taus=taus, horizon=horizon),
        )
        for origin in range(len(values) - FOLDS * horizon, len(values), horizon)
        if origin >= HISTORY_SEGMENTS * min_length
    ]


def score_channel(
    values: Array, slots: Array, *, min_length: int, taus: Sequence[float]
) -> ChannelScore | None:
    """Score the channel and the random walk over the newest candles; None if they are too few.

    Fewer than 3 origins give no judgement. No outcome is scored twice; one that is missing (gap)
    is not scored.
    """
    levels = checked_taus(taus)
    horizon = choose_horizon(min_length)
    forecasts = forecast_origins(values, slots, min_length=min_length, taus=levels)
    if len(forecasts) < MIN_FOLDS:
        return None
    outcomes, model, baseline = [], [], []
    for made in forecasts:
        came = slice(made.origin, made.origin + horizon)
        ahead = (slots[came] - slots[made.origin - 1]).astype(np.intp)
        reached = ahead <= horizon
        outcomes.append(values[came][reached])
        model.append(made.channel[ahead[reached] - 1])
        baseline.append(made.random_walk[ahead[reached] - 1])
    return _compare(
        np.concatenate(outcomes), np.concatenate(model), np.concatenate(baseline), levels
    )


def _compare(
    outcomes: Array, model: Array, baseline: Array, taus: tuple[float, ...]
) -> ChannelScore | None:
    if len(outcomes) == 0:
        return None
    by_tau = tuple(_losses(outcomes, model, taus))
    inside = (model[:, 0] <= outcomes) & (outcomes <= model[:, -1])
    return ChannelScore(
        model_loss=float(np.mean(by_tau)),
        baseline_loss=float(np.mean(list(_losses(outcomes, baseline, taus)))),
        losses_by_tau=by_tau,
        coverage=float(inside.mean()),
        forecasts=len(outcomes),
    )


def _losses(outcomes: Array, quantiles: Array, taus: tuple[float, ...]) -> Iterator[float]:
    for column, tau in enumerate(taus):
        yield pinball_loss(outcomes, quantiles[:, column], tau)
