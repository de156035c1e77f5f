"""Channel fits between the room that makes them and the room that stores them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, zip_longest
from typing import Any

import numpy as np
import pandas as pd

from include.channels.channel import ChannelFit, ChannelSegment, QuantileLine
from include.warehouse.model_values import (
    SEGMENT_FEATURES,
    Provenance,
    StoredChannel,
    StoredFit,
    StoredLine,
    StoredSegment,
)

CODE_VERSION = "channels-3"
"""Raised whenever the same candles would give another fit."""
NOT_JUDGED = "historic segment: only the newest one is judged out of sample"


def to_stored(
    fit: ChannelFit,
    *,
    instrument_id: int,
    data_xid: int,
    min_candles: int,
    features: pd.DataFrame | None = None,
    scores: Mapping[str, float] | None = None,
    baseline_lines: Mapping[str, Any] | None = None,
    settled: Mapping[str, Any] | None = None,
    provenance: Provenance | None = None,
) -> StoredFit:
    """Return ``fit`` as the warehouse keeps it.

    ``features`` has a row per segment. ``scores`` are added to the newest channel's own,
    ``settled`` to the parameters: what was decided about the fit after it was made.
    """
    rows = features.to_dict("records") if features is not None else []
    return StoredFit(
        instrument_id=instrument_id,
        timeframe=fit.timeframe,
        data_xid=data_xid,
        code_version=CODE_VERSION,
        parameters={
            "price": "natural logarithm of close",
            "min_candles": min_candles,
            "taus": list(fit.taus),
            "candles": fit.candles,
            "horizon": fit.horizon,
            "forecasts": fit.forecasts,
            "coverage": fit.coverage,
            "noise_scale": fit.noise_scale,
            "penalty": fit.penalty,
            "model_loss": fit.out_of_sample_loss,
            "baseline_loss": fit.baseline_loss,
            "declined_reason": fit.declined_reason,
            **(settled or {}),
        },
        segments=tuple(
            _to_stored_segment(fit, segment, row or {}, scores or {}, baseline_lines)
            for segment, row in zip_longest(fit.segments, rows)
        ),
        p_value=fit.p_value,
        provenance=provenance,
    )


def from_stored(stored: StoredFit) -> ChannelFit:
    """Return the fit that :func:`to_stored` was given."""
    parameters = stored.parameters
    ends = list(accumulate(segment.candles for segment in stored.segments))
    newest = stored.segments[-1].channel if stored.segments else None
    judged = newest or StoredChannel(published=False, declined_reason=NOT_JUDGED)
    calibration = [line.calibration for line in judged.lines if line.calibration is not None]
    return ChannelFit(
        timeframe=stored.timeframe,
        candles=parameters["candles"],
        taus=tuple(parameters["taus"]),
        segments=tuple(
            _from_stored_segment(segment, end)
            for segment, end in zip(stored.segments, ends, strict=True)
        ),
        out_of_sample_loss=parameters["model_loss"],
        baseline_loss=parameters["baseline_loss"],
        coverage=parameters["coverage"],
        forecasts=parameters["forecasts"],
        horizon=parameters["horizon"],
        noise_scale=parameters["noise_scale"],
        penalty=parameters["penalty"],
        published=parameters["declined_reason"] is None,
        declined_reason=parameters["declined_reason"],
        p_value=stored.p_value,
        baseline_losses=judged.baseline_losses,
        scores=judged.scores,
        calibration=tuple(calibration),
    )


def _to_stored_segment(
    fit: ChannelFit,
    segment: ChannelSegment,
    features: Mapping[Any, Any],
    scores: Mapping[str, float],
    baseline_lines: Mapping[str, Any] | None,
) -> StoredSegment:
    is_newest = segment is fit.newest
    early = float(sum(not line.converged for line in segment.lines))
    calibration = fit.calibration if is_newest else ()
    own = {**fit.scores, **scores} if is_newest else {}
    channel = StoredChannel(
        published=is_newest and fit.published,
        declined_reason=fit.declined_reason if is_newest else NOT_JUDGED,
        baseline_loss=segment.baseline_loss,
        model_loss=segment.out_of_sample_loss,
        lines=tuple(
            StoredLine(
                line.tau,
                line.intercept,
                line.slope_per_hour,
                line.in_sample_loss,
                line.out_of_sample_loss,
                margin,
            )
            for line, margin in zip_longest(segment.lines, calibration)
        ),
        # Historic channels are many and rarely stopped early: nothing is stored that says nothing.
        scores={**own, **({"lines_stopped_early": early} if early or is_newest else {})},
        baseline_losses=fit.baseline_losses if is_newest else {},
        baseline_lines=baseline_lines if is_newest and fit.published else None,
    )
    known = {name: float(features.get(name, np.nan)) for name in SEGMENT_FEATURES}
    return StoredSegment(
        segment.start_time,
        segment.end_time,
        segment.slope_per_hour,
        segment.intercept,
        segment.candles,
        segment.residual_scale,
        channel,
        {name: value for name, value in known.items() if np.isfinite(value)},
    )


def _from_stored_segment(segment: StoredSegment, end_index: int) -> ChannelSegment:
    channel = segment.channel or StoredChannel(published=False, declined_reason=NOT_JUDGED)
    converged = not channel.scores.get("lines_stopped_early")
    return ChannelSegment(
        start_index=end_index - segment.candles,
        end_index=end_index,
        start_time=segment.start_time,
        end_time=segment.end_time,
        slope_per_hour=segment.slope_per_hour,
        intercept=segment.intercept,
        candles=segment.candles,
        residual_scale=segment.residual_scale,
        lines=tuple(
            QuantileLine(
                line.tau,
                line.intercept,
                line.slope,
                line.pinball_loss_in or 0.0,
                line.pinball_loss_out,
                converged,
            )
            for line in channel.lines
        ),
        out_of_sample_loss=channel.model_loss,
        baseline_loss=channel.baseline_loss,
    )
