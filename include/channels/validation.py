"""Is a channel worth showing: what it would have forecast, calibrated, against its rivals.

The forecasts of :mod:`include.channels.walk_forward` are moved by what was missed before
(:mod:`include.channels.conformal`). Earlier origins only teach how far; the later ones are scored.
Losses are mean pinball losses in log price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.channels.conformal import calibrate_origins
from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import LogCloses
from include.channels.loss_comparison import (
    MIN_DIFFERENCES,
    LossComparison,
    compare_losses,
)
from include.channels.noise import Array
from include.channels.origin_lines import pinball_losses
from include.channels.parent_pull import ParentPull
from include.channels.quantile import checked_taus
from include.channels.scorecard import band_name, coverages, describe_forecasts
from include.channels.walk_forward import Walk, choose_origins, walk_forward
from include.market.timeframe import Timeframe

CHANNEL = "channel"
RANDOM_WALK = "random_walk"
VOLATILITY = "volatility"
PREVIOUS = "previous_channel"
LEARNING_SHARE = 4
"""One origin in so many, the oldest, is not scored: calibration learns from it."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelScore:
    """How the channel and its rivals forecast the scored origins.

    ``model_loss`` and ``baseline_losses`` average over forecasts and taus, ``losses_by_tau`` is the
    model's per tau. ``comparisons`` hold the model against each rival, by the mean losses of
    origins. ``coverage`` is the share of outcomes between the lowest and highest quantile.
    ``forecasts`` counts the outcomes scored, each with every tau, ``origins`` the origins.
    ``margins``, one per tau, are to be added to the lines in units of scatter, ``pull`` is how
    they follow the parent. ``metrics`` are further numbers by name.
    """

    model_loss: float
    baseline_losses: Mapping[str, float]
    comparisons: Mapping[str, LossComparison]
    losses_by_tau: tuple[float, ...]
    coverage: float
    forecasts: int
    origins: int
    margins: tuple[float, ...]
    pull: ParentPull
    metrics: Mapping[str, float]


def origin_times(
    open_ms: NDArray[np.int64], timeframe: Timeframe, *, min_candles: int
) -> list[int]:
    """Return the instants, epoch milliseconds, at which channels are judged: when closes came."""
    places = choose_origins(len(open_ms), min_candles) - 1
    return [int(open_ms[place]) + timeframe.length_ms for place in places]


def score_channel(
    closes: LogCloses,
    *,
    min_length: int,
    taus: Sequence[float],
    parents: Sequence[ParentChannel] = (),
    seed: int = 0,
) -> ChannelScore | None:
    """Score the channel and its rivals over the newest candles; None if they are too few.

    No outcome is scored twice; one that is missing (gap) is not scored. ``seed`` is that of the
    bootstrap intervals.
    """
    levels = checked_taus(taus)
    walk = walk_forward(closes, min_length=min_length, taus=levels, parents=parents)
    if walk is None:
        return None
    learnt = max(2, len(walk.origins) // LEARNING_SHARE)
    # An origin without any outcome says nothing of anyone.
    scored = np.isfinite(walk.outcomes).any(axis=1) & (np.arange(len(walk.origins)) >= learnt)
    if np.count_nonzero(scored) < MIN_DIFFERENCES:
        return None
    forecasts, margins = _calibrate(walk, levels)
    outcomes = walk.outcomes[scored]
    losses = {
        name: pinball_losses(outcomes, forecast[scored], levels)
        for name, forecast in forecasts.items()
    }
    model = losses.pop(CHANNEL)
    metrics = describe_forecasts(
        outcomes,
        forecasts[CHANNEL][scored],
        {name: model - rival for name, rival in losses.items()},
        losses=model,
        taus=levels,
        seed=seed,
    )
    metrics |= {
        f"raw_{key}": share
        for key, share in coverages(outcomes, walk.channel[scored], levels).items()
    }
    return ChannelScore(
        model_loss=float(np.nanmean(model)),
        baseline_losses={name: float(np.nanmean(rival)) for name, rival in losses.items()},
        comparisons={
            name: compare_losses(np.nanmean(model - rival, axis=(1, 2)))
            for name, rival in losses.items()
        },
        losses_by_tau=tuple(np.nanmean(model, axis=(0, 1)).tolist()),
        coverage=metrics[band_name(levels, 0)],
        forecasts=int(np.isfinite(outcomes).sum()),
        origins=len(outcomes),
        margins=margins,
        pull=walk.pull,
        metrics=metrics,
    )


def _calibrate(walk: Walk, taus: tuple[float, ...]) -> tuple[dict[str, Array], tuple[float, ...]]:
    """Return the forecasts by name, the channels' calibrated, and the channel's margins for now.

    The channel before is calibrated by its own misses: it is a rival, not a straw man.
    """
    own = calibrate_origins(walk.outcomes, walk.channel, walk.scatter, taus)
    scatter = walk.scatter[:-1]
    before = calibrate_origins(walk.outcomes[1:], walk.previous[1:], scatter, taus)
    previous = walk.previous.copy()
    previous[1:] += before.margins[:, None, :] * scatter[:, None, None]
    moved = walk.channel + own.margins[:, None, :] * walk.scatter[:, None, None]
    forecasts = {
        CHANNEL: np.sort(moved, axis=2),
        RANDOM_WALK: walk.random_walk,
        VOLATILITY: walk.volatility,
        PREVIOUS: np.sort(previous, axis=2),
    }
    return forecasts, tuple(own.next_margins.tolist())
