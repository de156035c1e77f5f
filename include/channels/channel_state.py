"""What a coarser timeframe tells its children, as plain JSON: its segments and its newest lines.

A state is never changed, so what a child was fitted with can be read again exactly: JSON keeps
every digit of a number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import pandas as pd

from include.channels.channel import ChannelFit
from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import LogCloses, read_closes
from include.channels.noise import Array
from include.channels.quantile import fit_lines
from include.channels.segmentation import segment_lines
from include.market.span import from_ms, to_ms
from include.market.timeframe import Timeframe

State = Mapping[str, Any]

SEGMENTS_TOLD: Final = 32
"""The newest so many segments are told; a child looks back over few of its parent's."""
TRACED: Final = 24
"""So many past states are computed where none were stored, so that children can judge by them."""
TRACE_STEP: Final = 3
"""Candles between them: together they reach back over all that children are judged on."""


def describe_state(fit: ChannelFit, features: pd.DataFrame) -> State | None:
    """Return what ``fit`` tells its children, None when it has no segment.

    ``features`` are those of its segments, with their ``volume_per_hour``.
    """
    newest = fit.newest
    if newest is None:
        return None
    volumes = features["volume_per_hour"].to_numpy(dtype=np.float64)
    return {
        "segments": [
            [to_ms(segment.start_time), to_ms(segment.end_time), _known(volume)]
            for segment, volume in zip(fit.segments, volumes, strict=True)
        ][-SEGMENTS_TOLD:],
        "slope_per_hour": newest.slope_per_hour,
        "intercept": newest.intercept,
        "residual_scale": newest.residual_scale,
        "taus": [line.tau for line in newest.lines],
        "intercepts": [line.intercept for line in newest.lines],
        "slopes": [line.slope_per_hour for line in newest.lines],
    }


def trace_states(
    candles: pd.DataFrame, timeframe: Timeframe, *, min_candles: int, taus: Sequence[float]
) -> list[tuple[datetime, State]]:
    """Return what would have been told at past closes, each from the candles until then alone.

    Oldest first; the newest one lies ``TRACE_STEP`` candles before the last. For a timeframe whose
    history came all at once: without a past its children could not judge how far to follow it.
    """
    closes = read_closes(candles, timeframe)
    volumes = candles["volume"].to_numpy(dtype=np.float64)
    first = len(closes) - TRACED * TRACE_STEP
    return [
        (from_ms(closes.close_ms(end - 1)), _state_until(closes, volumes, end, min_candles, taus))
        for end in range(first, len(closes), TRACE_STEP)
        if end >= 2 * min_candles
    ]


def as_parent(
    timeframe: Timeframe, known_at: datetime, state: State, state_id: int | None = None
) -> ParentChannel:
    """Return a stored state as the model of a child reads it."""
    starts = [from_ms(start) for start, _, _ in state["segments"]]
    return ParentChannel(
        timeframe=timeframe,
        known_at=known_at,
        breakpoint_times=tuple(starts[1:]),
        start_time=starts[-1],
        slope_per_hour=state["slope_per_hour"],
        intercept=state["intercept"],
        residual_scale=state["residual_scale"],
        taus=tuple(state["taus"]),
        intercepts=tuple(state["intercepts"]),
        slopes=tuple(state["slopes"]),
        state_id=state_id,
    )


def parent_segments(state: State) -> pd.DataFrame:
    """Return the segments a state tells of: start_time, end_time, volume_per_hour; oldest first."""
    starts, ends, volumes = zip(*state["segments"], strict=True)
    return pd.DataFrame(
        {
            "start_time": pd.to_datetime(list(starts), unit="ms", utc=True),
            "end_time": pd.to_datetime(list(ends), unit="ms", utc=True),
            "volume_per_hour": np.array(
                [np.nan if volume is None else volume for volume in volumes], dtype=np.float64
            ),
        }
    )


def hash_state(state: State) -> str:
    """Return the SHA-256 of a state: equal exactly when children would read the same."""
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _state_until(
    closes: LogCloses, volumes: Array, end: int, min_candles: int, taus: Sequence[float]
) -> State:
    values, hours = closes.logs[:end], closes.hours[:end]
    bounds = segment_lines(values, min_length=min_candles, times=closes.slots[:end]).bounds
    start = bounds[-1][0]
    newest, since = values[start:], hours[start:] - hours[start]
    lines = fit_lines(newest, since, taus)
    design = np.column_stack([np.ones(len(since)), since])
    (intercept, slope), *_ = np.linalg.lstsq(design, newest, rcond=None)
    rest = newest - intercept - slope * since
    return {
        "segments": [_bounds_of(closes, volumes, *bound) for bound in bounds][-SEGMENTS_TOLD:],
        "slope_per_hour": float(slope),
        "intercept": float(intercept),
        "residual_scale": float(np.sqrt(np.sum(rest**2) / (len(rest) - 2))),
        "taus": list(taus),
        "intercepts": [line.intercept for line in lines],
        "slopes": [line.slope for line in lines],
    }


def _bounds_of(closes: LogCloses, volumes: Array, start: int, end: int) -> list[Any]:
    hours = (end - start) * closes.timeframe.length_ms / 3_600_000
    volume = float(np.sum(volumes[start:end])) / hours
    return [int(closes.open_ms[start]), closes.close_ms(end - 1), _known(volume)]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
