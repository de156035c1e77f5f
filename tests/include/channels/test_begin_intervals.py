"""Where each segment may as well begin, in hours from where it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from include.channels.begin_intervals import describe_begins
from include.channels.breakpoint_intervals import locate_breaks
from include.channels.channel import ChannelFit, fit_channel
from include.channels.segmentation import Segmentation
from include.market.errors import InvalidInputError
from include.market.timeframe import H4

KINKS = (90, 170)


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    """Return candles of 4h: up, down, up; some beside the breaks are absent."""
    noise = 0.03 * np.random.default_rng(4).normal(size=260)
    trend = np.cumsum(np.repeat([0.004, -0.004, 0.004], [*np.diff((0, *KINKS)), 260 - KINKS[-1]]))
    times = pd.date_range("2026-01-01", periods=260, freq="4h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"open_time": times, "close": np.exp(9 + trend + noise), "volume": 1.0})
    return frame.drop(index=range(70, 86)).reset_index(drop=True)


@pytest.fixture(scope="module")
def fit(candles: pd.DataFrame) -> ChannelFit:
    fit = fit_channel(candles, H4, min_candles=12)
    assert len(fit.segments) == 1 + len(KINKS)
    return fit


def test_intervals_are_told_in_hours_across_absent_candles(
    candles: pd.DataFrame, fit: ChannelFit
) -> None:
    columns = describe_begins(candles, fit, min_candles=12)
    slots = ((candles["open_time"] - candles["open_time"].iloc[0]) / pd.Timedelta("4h")).to_numpy()
    bounds = tuple((one.start_index, one.end_index) for one in fit.segments)
    found = locate_breaks(
        np.log(candles["close"].to_numpy()),
        Segmentation(bounds, fit.noise_scale, fit.penalty, 0.0),
        min_length=12,
        times=slots,
        level=0.95,
    )
    for place, one in enumerate(found, start=1):
        start = fit.segments[place].start_time
        opens = candles["open_time"]
        told = [columns[name][place] for name in ("begin_first_hours", "begin_last_hours")]
        wanted = [(opens[at] - start) / pd.Timedelta("1h") for at in (one.first, one.last)]
        assert told == wanted
        assert told[0] < 0 < told[1]


def test_the_true_breaks_are_inside(candles: pd.DataFrame, fit: ChannelFit) -> None:
    columns = describe_begins(candles, fit, min_candles=12)
    for place, kink in enumerate(KINKS, start=1):
        start = fit.segments[place].start_time
        away = (pd.Timestamp("2026-01-01", tz="UTC") + kink * pd.Timedelta("4h") - start) / (
            pd.Timedelta("1h")
        )
        assert columns["begin_first_hours"][place] <= away <= columns["begin_last_hours"][place]


def test_the_oldest_segment_begins_with_the_candles(candles: pd.DataFrame, fit: ChannelFit) -> None:
    columns = describe_begins(candles, fit, min_candles=12)
    assert all(np.isnan(column[0]) for column in columns.values())
    assert all(not np.isnan(column[1:]).any() for column in columns.values())
    few = candles.head(20)
    whole = fit_channel(few, H4, min_candles=12)
    columns = describe_begins(few, whole, min_candles=12)
    assert [len(column) for column in columns.values()] == [len(whole.segments)] * 2
    none = describe_begins(few, replace(whole, segments=()), min_candles=12)
    assert [len(column) for column in none.values()] == [0, 0]


def test_other_candles_are_refused(candles: pd.DataFrame, fit: ChannelFit) -> None:
    with pytest.raises(InvalidInputError, match="does not end at the 200 values"):
        describe_begins(candles.head(200), fit, min_candles=12)
