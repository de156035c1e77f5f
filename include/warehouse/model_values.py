"""What is stored of fits: the values that pass between the rooms and the tables of ``model``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from include.market.span import Span
from include.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One quantile line; value = intercept + slope * hours since the segment's start_time.

    ``calibration`` is added to it where the channel is shown; None when it was not judged.
    """

    tau: float
    intercept: float
    slope: float
    pinball_loss_in: float | None = None
    pinball_loss_out: float | None = None
    calibration: float | None = None


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """The channel over a segment; ``declined_reason`` is None exactly when it is published.

    ``baseline_lines`` is what the baseline foretold at publication, JSON-able.
    """

    published: bool
    declined_reason: str | None = None
    baseline_loss: float | None = None
    model_loss: float | None = None
    lines: tuple[StoredLine, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    baseline_losses: Mapping[str, float] = field(default_factory=dict)
    baseline_lines: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A straight trend over [start_time, end_time), aware UTC, in fitted price units.

    ``features`` are those of ``SEGMENT_FEATURES`` that are known.
    """

    start_time: datetime
    end_time: datetime
    slope_per_hour: float
    intercept: float
    candles: int
    residual_scale: float
    channel: StoredChannel | None = None
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provenance:
    """All that a fit rests on: with it, it can be made again bit for bit.

    ``span`` is what was asked for, ``read_at`` when, ``input_sha256`` the hash of what was read.
    ``parent_states`` are rows of ``model.channel_state``, oldest first.
    """

    span: Span
    read_at: datetime
    input_sha256: str
    parent_fit_run_id: int | None = None
    parent_states: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class StoredFit:
    """One fit of an instrument and timeframe, segments oldest first.

    ``data_xid`` is the ``upto_xid`` of the changes it has seen. ``parameters`` is JSON-able.
    ``fit_run_id`` and ``recorded_at`` are None until it is stored; ``provenance`` is None for fits
    of before it was kept.
    """

    instrument_id: int
    timeframe: Timeframe
    data_xid: int
    code_version: str
    parameters: Mapping[str, Any]
    segments: tuple[StoredSegment, ...]
    fit_run_id: int | None = None
    recorded_at: datetime | None = None
    p_value: float | None = None
    provenance: Provenance | None = None


SEGMENT_FEATURES = (
    "duration_hours",
    "max_drawdown",
    "max_run_up",
    "volume_per_hour",
    "volume_first_third",
    "volume_middle_third",
    "volume_last_third",
    "relative_volume",
    "age_hours",
    "parent_begin",
    "parent_end",
    "parent_share",
    "r1_05",
    "r1_25",
    "r1_50",
    "r1_75",
    "r1_95",
    "begin_first_hours",
    "begin_last_hours",
)
"""Columns of ``model.segment`` that may be unknown."""
