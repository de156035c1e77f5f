"""A channel that was shown, held against what came after.

What is compared was fixed when the channel was shown: its lines with their calibration, and the
random walk's quantiles of that moment. Losses are pinball losses in log price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from include.channels.baselines import forecast_random_walk
from include.channels.channel import ChannelFit
from include.channels.log_closes import HOUR_MS, read_closes
from include.channels.noise import Array
from include.channels.origin_lines import pinball_losses
from include.market.errors import InvalidInputError
from include.market.span import from_ms, to_ms
from include.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """What was said when the last candle known closed, at ``known_at``.

    Line ``i`` is ``intercepts[i] + slopes[i] * hours since start_time``, calibration included.
    ``baseline[h - 1]`` are the random walk's quantiles h candles ahead; there are as many rows as
    candles are judged.
    """

    timeframe: Timeframe
    start_time: datetime
    known_at: datetime
    taus: tuple[float, ...]
    intercepts: tuple[float, ...]
    slopes: tuple[float, ...]
    baseline: tuple[tuple[float, ...], ...]

    def quantiles(self) -> Array:
        """Return the channel's forecasts, (horizon, taus), sorted where lines cross."""
        last_open = to_ms(self.known_at) - self.timeframe.length_ms
        since = (last_open - to_ms(self.start_time)) / HOUR_MS
        steps = np.arange(1, len(self.baseline) + 1) * self.timeframe.length_ms / HOUR_MS
        paths = np.array(self.intercepts) + np.array(self.slopes) * (since + steps)[:, None]
        return np.asarray(np.sort(paths, axis=1))


@dataclass(frozen=True, slots=True)
class StepScore:
    """One close, ``step`` candles after the channel was shown, against one line.

    ``below`` tells whether the close was below the line.
    """

    step: int
    tau: float
    loss: float
    baseline_loss: float
    below: bool


def show_channel(fit: ChannelFit, candles: pd.DataFrame) -> ShownChannel:
    """Return what ``fit``, made of ``candles``, says of the candles to come.

    Raises:
        InvalidInputError: the fit has no segment, or the candles are not those it was made of.
    """
    newest = fit.newest
    closes = read_closes(candles, fit.timeframe)
    if newest is None or len(closes) != fit.candles:
        raise InvalidInputError(
            f"a fit of {fit.candles} candles and {len(fit.segments)} segments cannot be shown with "
            f"{len(closes)} candles: pass those it was fitted on"
        )
    moves = fit.calibration or (0.0,) * len(fit.taus)
    origins = np.array([len(closes)])
    baseline = forecast_random_walk(
        closes.logs, closes.slots, origins, taus=fit.taus, horizon=fit.horizon
    )[0]
    return ShownChannel(
        timeframe=fit.timeframe,
        start_time=newest.start_time,
        known_at=from_ms(closes.close_ms(len(closes) - 1)),
        taus=fit.taus,
        intercepts=tuple(
            line.intercept + move for line, move in zip(newest.lines, moves, strict=True)
        ),
        slopes=tuple(line.slope_per_hour for line in newest.lines),
        baseline=tuple(tuple(row) for row in baseline.tolist()),
    )


def score_outcomes(shown: ShownChannel, candles: pd.DataFrame) -> list[StepScore]:
    """Return a score per close and tau, steps rising; absent candles have none.

    Of ``candles`` those opened before ``known_at`` or beyond the horizon are left out, so the same
    call may be repeated as candles come.

    Raises:
        ContractError, InvalidInputError: as ``read_closes``.
    """
    closes = read_closes(candles, shown.timeframe)
    steps = (closes.open_ms - to_ms(shown.known_at)) // shown.timeframe.length_ms + 1
    judged = (steps >= 1) & (steps <= len(shown.baseline))
    places, outcomes = steps[judged] - 1, closes.logs[judged][:, None]
    quantiles = shown.quantiles()[places]
    baseline = np.array(shown.baseline)[places]
    losses = pinball_losses(outcomes, quantiles[:, None], shown.taus)[:, 0]
    rival = pinball_losses(outcomes, baseline[:, None], shown.taus)[:, 0]
    return [
        StepScore(
            int(place) + 1,
            tau,
            float(losses[row, column]),
            float(rival[row, column]),
            bool(outcomes[row, 0] < quantiles[row, column]),
        )
        for row, place in enumerate(places)
        for column, tau in enumerate(shown.taus)
    ]


def sum_up(scores: Sequence[StepScore]) -> dict[str, float]:
    """Return what the scores of one channel or of many say; empty without scores.

    ``outcomes`` closes, mean ``loss`` and ``baseline_loss``, ``coverage`` between the lowest and
    the highest line, and the share ``below_<tau>`` of each line.
    """
    if not scores:
        return {}
    table = pd.DataFrame([(one.tau, one.loss, one.baseline_loss, one.below) for one in scores])
    table.columns = pd.Index(["tau", "loss", "baseline_loss", "below"])
    below = table.groupby("tau")["below"].mean()
    numbers = {
        "outcomes": float((table["tau"] == below.index[0]).sum()),
        "loss": float(table["loss"].mean()),
        "baseline_loss": float(table["baseline_loss"].mean()),
        "coverage": float(below.iloc[-1] - below.iloc[0]),
    }
    return numbers | {f"below_{tau:g}": float(share) for tau, share in below.items()}
