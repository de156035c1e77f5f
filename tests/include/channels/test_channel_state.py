"""What a parent tells is exact, hashed by what it says, and never looks ahead."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from include.channels.channel import ChannelFit, fit_channel
from include.channels.channel_state import (
    TRACE_STEP,
    TRACED,
    as_parent,
    describe_state,
    hash_state,
    parent_segments,
    trace_states,
)
from include.channels.coherence import measure_coherence
from include.channels.segment_features import describe_segments
from include.market.timeframe import M5, M30
from tests.support.modelled import trending

EVERY = 30


def coarse(minutes: pd.DataFrame, every: int = EVERY) -> pd.DataFrame:
    groups = minutes.groupby(np.arange(len(minutes)) // every)
    return pd.DataFrame(
        {
            "open_time": groups["open_time"].first(),
            "close": groups["close"].last(),
            "volume": groups["volume"].sum(),
        }
    )


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return coarse(trending(3, 30 * 240))


@pytest.fixture(scope="module")
def fit(candles: pd.DataFrame) -> ChannelFit:
    return fit_channel(candles, M30, min_candles=6)


def test_a_state_survives_json_in_every_bit(candles: pd.DataFrame, fit: ChannelFit) -> None:
    state = describe_state(fit, describe_segments(candles, fit))
    assert state is not None
    again = json.loads(json.dumps(state))
    assert again == state
    assert hash_state(again) == hash_state(state)
    newest = fit.segments[-1]
    told = as_parent(M30, newest.end_time, again)
    assert told.slope_per_hour == newest.slope_per_hour
    assert told.slopes == tuple(line.slope_per_hour for line in newest.lines)
    assert told.start_time == newest.start_time
    assert told.breakpoint_times == tuple(one.start_time for one in fit.segments[1:])
    frame = parent_segments(again)
    assert list(frame["end_time"]) == [one.end_time for one in fit.segments]
    placed = describe_segments(candles, fit, parent=frame)
    assert placed["parent_share"].tolist() == pytest.approx([1.0] * len(fit.segments))
    assert hash_state({**state, "slope_per_hour": np.nextafter(newest.slope_per_hour, 1)}) != (
        hash_state(state)
    )


def test_a_fit_without_segments_tells_nothing(candles: pd.DataFrame) -> None:
    few = candles.iloc[:2]
    nothing = fit_channel(few, M30, min_candles=6)
    assert describe_state(nothing, describe_segments(few, nothing)) is None
    assert trace_states(few, M30, min_candles=6, taus=(0.5,)) == []


def test_past_states_rest_on_the_candles_until_then_alone(candles: pd.DataFrame) -> None:
    taus = (0.05, 0.5, 0.95)
    traced = trace_states(candles, M30, min_candles=6, taus=taus)
    assert len(traced) == TRACED
    instants = [known_at for known_at, _ in traced]
    assert set(np.diff(instants)) == {timedelta(minutes=30 * TRACE_STEP)}
    close = candles["open_time"].iloc[-1] + timedelta(minutes=30)
    assert instants[-1] == close - timedelta(minutes=30 * TRACE_STEP)
    # Whatever comes later, what was told before stays what it was.
    late = len(candles) - 9
    other = candles.assign(close=np.where(np.arange(len(candles)) >= late, 7.0, candles["close"]))
    again = trace_states(other, M30, min_candles=6, taus=taus)
    known = [place for place, at in enumerate(instants) if at <= candles["open_time"].iloc[late]]
    assert len(known) == TRACED - 2
    assert [again[place] for place in known] == [traced[place] for place in known]
    assert again[-1] != traced[-1]


def test_a_past_state_is_what_a_fit_of_then_would_have_told(candles: pd.DataFrame) -> None:
    traced = trace_states(candles, M30, min_candles=6, taus=(0.05, 0.25, 0.5, 0.75, 0.95))
    known_at, state = traced[5]
    then = candles[candles["open_time"] < known_at].reset_index(drop=True)
    fit = fit_channel(then, M30, min_candles=6)
    told = describe_state(fit, describe_segments(then, fit))
    assert told is not None
    assert state["segments"] == told["segments"]
    assert state["slope_per_hour"] == pytest.approx(told["slope_per_hour"], rel=1e-9)
    assert state["intercepts"] == pytest.approx(told["intercepts"], rel=1e-9)
    assert state["residual_scale"] == pytest.approx(told["residual_scale"], rel=1e-9)


def test_coherence_counts_what_it_says(candles: pd.DataFrame, fit: ChannelFit) -> None:
    state = describe_state(fit, describe_segments(candles, fit))
    assert state is not None
    parent = as_parent(M30, fit.segments[-1].end_time, state)
    child_candles = coarse(trending(3, 30 * 240), 5).iloc[-600:].reset_index(drop=True)
    child = fit_channel(child_candles, M5, min_candles=6)
    found = measure_coherence(child_candles, child, parent)
    newest = child.segments[-1]
    rows = child_candles.iloc[newest.start_index : newest.end_index]
    inside = []
    for opened, close in zip(rows["open_time"], np.log(rows["close"]), strict=True):
        # The parent's line stands half an hour before the close, at its candle's open time.
        hours = (opened + timedelta(minutes=5 - 30) - parent.start_time).total_seconds() / 3600
        band = sorted(
            first + slope * hours
            for first, slope in zip(parent.intercepts, parent.slopes, strict=True)
        )
        inside.append(band[0] <= close <= band[-1])
    assert found["parent_closes_inside"] == pytest.approx(np.mean(inside))
    same = (newest.slope_per_hour > 0) == (parent.slope_per_hour > 0)
    assert found["parent_slope_agrees"] == float(same)
    assert found["parent_median_inside"] in (0.0, 1.0)
    nothing = fit_channel(child_candles.iloc[:2], M5, min_candles=6)
    assert measure_coherence(child_candles.iloc[:2], nothing, parent) == {}
