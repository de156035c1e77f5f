"""Fit the channels of one instrument and timeframe, and decide whether to show them.

A channel is a straight trend of the log close with quantile lines around it. Every line is
``intercept + slope_per_hour * hours since the segment's start_time``; a candle sits at its
``open_time``. Losses are mean pinball losses in log price (0.0001 is one basis point).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from include.channels.hierarchy import ParentChannel, likely_breaks, likely_price
from include.channels.log_closes import LogCloses, read_closes
from include.channels.newest_trend import known_parent
from include.channels.noise import Array
from include.channels.origin_lines import scatter_around
from include.channels.parent_pull import NO_PULL, ParentPull, pull_once
from include.channels.publication import LEVEL, judge_channel
from include.channels.quantile import checked_taus, fit_lines, pinball_loss
from include.channels.segmentation import Segmentation, bic_penalty, segment_lines
from include.channels.validation import RANDOM_WALK, ChannelScore, score_channel
from include.channels.walk_forward import choose_horizon
from include.market.errors import InvalidInputError
from include.market.span import from_ms
from include.market.timeframe import Timeframe

DEFAULT_TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)
MIN_CANDLES = 4


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

    ``published`` exactly when the forecasts beat every baseline (``publication.judge_channel``);
    otherwise ``declined_reason`` says why, with the numbers. ``forecasts`` outcomes, up to
    ``horizon`` candles ahead, were scored; ``coverage`` is the share of them inside the outermost
    lines. ``baseline_loss`` is the random walk's, ``baseline_losses`` hold every baseline's.

    ``calibration``, one number per tau in log price, is added to the newest segment's lines, so
    that what is shown covers what it says; empty when not judged. ``p_value`` and ``scores``:
    ``publication`` and ``scorecard``.
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
    p_value: float | None = None
    baseline_losses: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    calibration: tuple[float, ...] = ()

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
    parents: Sequence[ParentChannel] = (),
    level: float = LEVEL,
    seed: int = 0,
) -> ChannelFit:
    """Cut the log close into trends of at least ``min_candles``, fit quantile lines, judge them.

    ``candles`` is a candle frame sorted by ``open_time``; absent candles are allowed and keep
    their time. ``parents`` are states of the coarser timeframe's channel; of those the newest known
    at an instant counts there. ``level`` is that of ``judge_channel``, ``seed`` that of the
    intervals in ``scores``. The same input gives the same fit. Too few candles give a declined fit.

    Raises:
        ContractError: the frame lacks ``open_time`` or ``close``.
        InvalidInputError: ``min_candles`` below 4, bad taus, a bad level, a parent that is no
            multiple of ``timeframe``, a close that is not a positive number, or times unsorted,
            repeated or off the timeframe's grid.
    """
    if min_candles < MIN_CANDLES:
        raise InvalidInputError(
            f"min_candles was {min_candles}: the shortest channel has {MIN_CANDLES} candles"
        )
    levels = checked_taus(taus)
    closes = read_closes(candles, timeframe)
    score, segmentation = None, Segmentation((), 0.0, bic_penalty(len(closes)), 0.0)
    if len(closes) >= min_candles:
        segmentation = _cut(closes, min_candles, parents)
        score = score_channel(
            closes, min_length=min_candles, taus=levels, parents=parents, seed=seed
        )
    verdict = judge_channel(score, candles=len(closes), min_candles=min_candles, level=level)
    pull = score.pull if score else NO_PULL
    segments = tuple(
        _describe_segment(
            closes, slice(*bounds), levels, parents if bounds[1] == len(closes) else (), pull
        )
        for bounds in segmentation.bounds
    )
    return ChannelFit(
        timeframe=timeframe,
        candles=len(closes),
        taus=levels,
        segments=_with_losses(segments, score),
        out_of_sample_loss=score.model_loss if score else None,
        baseline_loss=score.baseline_losses[RANDOM_WALK] if score else None,
        coverage=score.coverage if score else None,
        forecasts=score.forecasts if score else 0,
        horizon=choose_horizon(min_candles),
        noise_scale=segmentation.noise_scale,
        penalty=segmentation.penalty,
        published=verdict.reason is None,
        declined_reason=verdict.reason,
        p_value=verdict.p_value,
        baseline_losses=dict(score.baseline_losses) if score else {},
        scores=_collect_scores(score, closes, parents) if score else {},
        calibration=_calibrate(score, closes, segments[-1]) if score else (),
    )


def _cut(closes: LogCloses, min_candles: int, parents: Sequence[ParentChannel]) -> Segmentation:
    count, penalty = len(closes), bic_penalty(len(closes))
    parent = known_parent(parents, closes, count)
    if parent is None:
        return segment_lines(closes.logs, min_length=min_candles, times=closes.slots)
    return segment_lines(
        closes.logs,
        min_length=min_candles,
        times=closes.slots,
        likely_breaks=likely_breaks(parent, closes.open_ms, closes.timeframe),
        likely_price=likely_price(penalty, count, parent, closes.timeframe),
    )


def _describe_segment(
    closes: LogCloses,
    span: slice,
    taus: tuple[float, ...],
    parents: Sequence[ParentChannel],
    pull: ParentPull,
) -> ChannelSegment:
    """Return one trend; its lines follow the parent known at its end as far as ``pull`` says."""
    values, hours = closes.logs[span], closes.hours[span]
    hours = hours - hours[0]
    design = np.column_stack([np.ones(len(hours)), hours])
    (intercept, slope), *_ = np.linalg.lstsq(design, values, rcond=None)
    spread = float(np.sum((values - intercept - slope * hours) ** 2))
    fitted = fit_lines(values, hours, taus)
    lines = np.array([(line.intercept, line.slope) for line in fitted])
    parent = known_parent(parents, closes, span.stop)
    if parent is not None:
        lines = pull_once(closes, span, lines, parent, pull)
    return ChannelSegment(
        start_index=span.start,
        end_index=span.stop,
        start_time=from_ms(int(closes.open_ms[span.start])),
        end_time=from_ms(closes.close_ms(span.stop - 1)),
        slope_per_hour=float(slope),
        intercept=float(intercept),
        candles=len(values),
        residual_scale=float(np.sqrt(spread / (len(values) - 2))),
        lines=tuple(
            _describe_line(one.tau, line, values, hours, one.converged)
            for one, line in zip(fitted, lines, strict=True)
        ),
        out_of_sample_loss=None,
        baseline_loss=None,
    )


def _describe_line(
    tau: float, line: Array, values: Array, hours: Array, converged: bool
) -> QuantileLine:
    loss = pinball_loss(values, line[0] + line[1] * hours, tau)
    return QuantileLine(tau, float(line[0]), float(line[1]), loss, None, converged)


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
        baseline_loss=score.baseline_losses[RANDOM_WALK],
    )
    return (*segments[:-1], judged)


def _calibrate(score: ChannelScore, closes: LogCloses, newest: ChannelSegment) -> tuple[float, ...]:
    """Return what is added to each of the newest segment's lines, in log price."""
    middle = newest.lines[len(newest.lines) // 2]
    span = slice(newest.start_index, newest.end_index)
    line = np.array([middle.intercept, middle.slope_per_hour])
    scatter = scatter_around(closes, span, line)
    return tuple(margin * scatter for margin in score.margins)


def _collect_scores(
    score: ChannelScore, closes: LogCloses, parents: Sequence[ParentChannel]
) -> dict[str, float]:
    numbers = {**score.metrics, "origins": float(score.origins)}
    for name, compared in score.comparisons.items():
        numbers |= {f"p_{name}": compared.p_value, f"gain_{name}": compared.mean}
        if np.isfinite(compared.statistic):
            numbers[f"dm_{name}"] = compared.statistic
    parent = known_parent(parents, closes, len(closes))
    if parent is not None:
        close_ms = closes.close_ms(len(closes) - 1)
        numbers |= {
            "parent_weight": score.pull.slope,
            "parent_position_weight": score.pull.position,
            "parent_position": parent.position_of(float(closes.logs[-1]), close_ms),
            "parent_width": parent.width_at(close_ms),
        }
    return numbers
