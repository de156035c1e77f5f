"""Fit the channels of one instrument and timeframe, and decide whether to show them.

A channel is a straight trend of the log close with quantile lines around it. Every line is
``intercept + slope_per_hour * hours since the segment's start_time``; a candle sits at its
``open_time``. Losses are mean pinball losses in log price (0.0001 is one basis point).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.channels.noise import Array
from include.channels.quantile import LineFit, checked_taus, fit_lines, pinball_loss
from include.channels.segmentation import Segmentation, bic_penalty, segment_lines
from include.channels.validation import (
    ChannelScore,
    candles_to_judge,
    choose_horizon,
    score_channel,
)
from include.market.errors import ContractError, InvalidInputError
from include.market.span import from_ms
from include.market.timeframe import Timeframe

DEFAULT_TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)
MIN_CANDLES = 4
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class QuantileLine:
    """One line of a channel; ``out_of_sample_loss`` only on the newest segment, when judged.

    ``converged`` is False when the solver stopped early; the line is then only nearly the best.
    """

    tau: float
    intercept: float
    slope_per_hour: float
    in_sample_loss: float
    out_of_sample_loss: float | None
    converged: bool


@dataclass(frozen=True, slots=True)
class ChannelSegment:
    """One trend: candles [start_index, end_index), times [start_time, end_time).

    ``slope_per_hour`` and ``intercept`` are the least-squares line of the log close,
    ``residual_scale`` the standard deviation around it (two parameters paid for).
    The two losses are those of the fit, on the newest segment only.
    """

    start_index: int
    end_index: int
    start_time: datetime
    end_time: datetime
    slope_per_hour: float
    intercept: float
    candles: int
    residual_scale: float
    lines: tuple[QuantileLine, ...]
    out_of_sample_loss: float | None
    baseline_loss: float | None


@dataclass(frozen=True, slots=True)
class ChannelFit:
    """All segments, oldest first, and the verdict over the newest one.

    ``published`` exactly when ``out_of_sample_loss < baseline_loss``; otherwise
    ``declined_reason`` says why, with the numbers. ``forecasts`` outcomes, up to ``horizon``
    candles ahead, were scored; ``coverage`` is the share of them inside the outermost lines.
    """

    timeframe: Timeframe
    candles: int
    taus: tuple[float, ...]
    segments: tuple[ChannelSegment, ...]
    out_of_sample_loss: float | None
    baseline_loss: float | None
    coverage: float | None
    forecasts: int
    horizon: int
    noise_scale: float
    penalty: float
    published: bool
    declined_reason: str | None

    @property
    def newest(self) -> ChannelSegment | None:
        """The segment that reaches the newest candle."""
        return self.segments[-1] if self.segments else None


def fit_channel(
    candles: pd.DataFrame,
    timeframe: Timeframe,
    *,
    min_candles: int,
    taus: Sequence[float] = DEFAULT_TAUS,
) -> ChannelFit:
    """Cut the log close into trends of at least ``min_candles``, fit quantile lines, judge them.

    ``candles`` is a candle frame sorted by ``open_time``; absent candles are allowed and keep
    their time. The same frame always gives the same fit. Too few candles give a declined fit.

    Raises:
        ContractError: the frame lacks ``open_time`` or ``close``.
        InvalidInputError: ``min_candles`` below 4, bad taus, a close that is not a positive
            number, or times unsorted, repeated or off the timeframe's grid.
    """
    if min_candles < MIN_CANDLES:
        raise InvalidInputError(
            f"min_candles was {min_candles}: the shortest channel has {MIN_CANDLES} candles"
        )
    levels = checked_taus(taus)
    open_ms, values = _read_closes(candles, timeframe)
    segmentation = Segmentation((), 0.0, bic_penalty(len(values)), 0.0)
    score = None
    if len(values) >= min_candles:
        slots = (open_ms - open_ms[0]) / timeframe.length_ms
        segmentation = segment_lines(values, min_length=min_candles, times=slots)
        score = score_channel(values, slots, min_length=min_candles, taus=levels)
    segments = tuple(
        _describe_segment(
            open_ms[start:end], values[start:end], timeframe, start=start, taus=levels
        )
        for start, end in segmentation.bounds
    )
    reason = _reason_to_decline(score, len(values), min_candles)
    return ChannelFit(
        timeframe=timeframe,
        candles=len(values),
        taus=levels,
        segments=_with_losses(segments, score),
        out_of_sample_loss=score.model_loss if score else None,
        baseline_loss=score.baseline_loss if score else None,
        coverage=score.coverage if score else None,
        forecasts=score.forecasts if score else 0,
        horizon=choose_horizon(min_candles),
        noise_scale=segmentation.noise_scale,
        penalty=segmentation.penalty,
        published=reason is None,
        declined_reason=reason,
    )


def _read_closes(
    candles: pd.DataFrame, timeframe: Timeframe
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return open times in epoch milliseconds and log closes, both checked."""
    lost = [column for column in ("open_time", "close") if column not in candles.columns]
    if lost:
        raise ContractError(f"candle frame lacks {', '.join(lost)}: has {list(candles.columns)}")
    times = candles["open_time"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ContractError(f"open_time must be UTC datetimes, was {times.dtype}")
    if times.isna().any():
        raise InvalidInputError("open_time holds NaT: drop these rows first")
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None)
    open_ms = utc.to_numpy(dtype="datetime64[ms]").astype(np.int64)
    if (np.diff(open_ms) <= 0).any():
        raise InvalidInputError("open_time does not strictly increase: sort and dedupe first")
    if (open_ms % timeframe.length_ms != 0).any():
        place = int(np.flatnonzero(open_ms % timeframe.length_ms)[0])
        raise InvalidInputError(
            f"open_time {from_ms(int(open_ms[place])).isoformat()} is off the {timeframe.label} "
            "grid: pass candles of that timeframe"
        )
    closes = candles["close"].to_numpy(dtype=np.float64)
    doubtful = ~(np.isfinite(closes) & (closes > 0))
    if doubtful.any():
        place = int(np.flatnonzero(doubtful)[0])
        raise InvalidInputError(
            f"close at {from_ms(int(open_ms[place])).isoformat()} is {closes[place]}: "
            "expected a positive number"
        )
    return open_ms, np.log(closes)


def _describe_segment(
    open_ms: NDArray[np.int64],
    values: Array,
    timeframe: Timeframe,
    *,
    start: int,
    taus: tuple[float, ...],
) -> ChannelSegment:
    hours = (open_ms - open_ms[0]) / HOUR_MS
    design = np.column_stack([np.ones(len(hours)), hours])
    (intercept, slope), *_ = np.linalg.lstsq(design, values, rcond=None)
    spread = float(np.sum((values - intercept - slope * hours) ** 2))
    lines = fit_lines(values, hours, taus)
    return ChannelSegment(
        start_index=start,
        end_index=start + len(values),
        start_time=from_ms(int(open_ms[0])),
        end_time=from_ms(int(open_ms[-1]) + timeframe.length_ms),
        slope_per_hour=float(slope),
        intercept=float(intercept),
        candles=len(values),
        residual_scale=float(np.sqrt(spread / (len(values) - 2))),
        lines=tuple(_describe_line(line, values, hours) for line in lines),
        out_of_sample_loss=None,
        baseline_loss=None,
    )


def _describe_line(line: LineFit, values: Array, hours: Array) -> QuantileLine:
    loss = pinball_loss(values, line.intercept + line.slope * hours, line.tau)
    return QuantileLine(line.tau, line.intercept, line.slope, loss, None, line.converged)


def _with_losses(
    segments: tuple[ChannelSegment, ...], score: ChannelScore | None
) -> tuple[ChannelSegment, ...]:
    if score is None:
        return segments
    newest = segments[-1]
    lines = tuple(
        replace(line, out_of_sample_loss=loss)
        for line, loss in zip(newest.lines, score.losses_by_tau, strict=True)
    )
    judged = replace(
        newest,
        lines=lines,
        out_of_sample_loss=score.model_loss,
        baseline_loss=score.baseline_loss,
    )
    return (*segments[:-1], judged)


def _reason_to_decline(score: ChannelScore | None, count: int, min_candles: int) -> str | None:
    """Return None to publish, else one line of ASCII with the numbers that decided."""
    if count < min_candles:
        return f"too few candles: had {count}, a channel needs {min_candles}"
    if score is None:
        needed = candles_to_judge(min_candles)
        return f"too few candles to judge out of sample: had {count}, the test needs {needed}"
    if score.model_loss < score.baseline_loss:
        return None
    return (
        f"out-of-sample pinball loss {score.model_loss:.6g} is not below the random walk's "
        f"{score.baseline_loss:.6g} ({score.forecasts} forecasts)"
    )
