"""Features of segments, by hand, and against what they must not depend on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.channels.channel import ChannelFit, fit_channel
from include.channels.quantile import pinball_loss
from include.channels.segment_features import (
    FEATURES,
    describe_segments,
    lengthen_features,
    r1_name,
    volume_thirds,
)
from include.market.errors import ContractError, InvalidInputError
from include.market.timeframe import H4, M30

START = datetime(2026, 1, 1, tzinfo=UTC)


def draw_candles(seed: int = 1) -> pd.DataFrame:
    """Return 250 candles of 4h: up for 120 of them, then down; two are absent."""
    rng = np.random.default_rng(seed)
    trend = np.cumsum(np.concatenate([np.full(120, 0.004), np.full(130, -0.005)]))
    times = pd.date_range(START, periods=250, freq="4h").astype("datetime64[us, UTC]")
    close = np.exp(11 + trend + 0.01 * rng.normal(size=250))
    frame = pd.DataFrame({"open_time": times, "close": close, "volume": rng.uniform(1, 9, 250)})
    return frame.drop(index=[40, 180]).reset_index(drop=True)


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return draw_candles()


@pytest.fixture(scope="module")
def fit(candles: pd.DataFrame) -> ChannelFit:
    return fit_channel(candles, H4, min_candles=12)


@pytest.fixture(scope="module")
def wide(candles: pd.DataFrame, fit: ChannelFit) -> pd.DataFrame:
    return describe_segments(candles, fit)


def test_shape_and_age_of_every_segment(wide: pd.DataFrame, fit: ChannelFit) -> None:
    assert len(wide) == len(fit.segments) == 2
    assert list(wide.columns) == ["start_time", "end_time", *FEATURES, *map(r1_name, fit.taus)]
    end = START + timedelta(hours=1000)
    for row, segment in zip(wide.itertuples(), fit.segments, strict=True):
        assert row.start_time == segment.start_time
        assert row.end_time == segment.end_time
        assert row.slope_per_hour == segment.slope_per_hour
        assert row.residual_scale == segment.residual_scale
        assert row.candles == segment.candles
        assert row.duration_hours == (segment.candles + 1) * 4  # One candle is absent in each.
        assert row.age_hours == (end - segment.start_time) / timedelta(hours=1)
    assert wide["age_hours"].iloc[-1] == wide["duration_hours"].iloc[-1]


def test_drawdown_and_run_up_are_those_of_every_pair_of_closes(
    wide: pd.DataFrame, fit: ChannelFit, candles: pd.DataFrame
) -> None:
    for row, segment in zip(wide.itertuples(), fit.segments, strict=True):
        closes = np.log(candles["close"].to_numpy()[segment.start_index : segment.end_index])
        later = np.triu(closes[None, :] - closes[:, None])
        assert row.max_drawdown == pytest.approx(-later.min())
        assert row.max_run_up == pytest.approx(later.max())
    assert wide["max_run_up"].iloc[0] > wide["max_drawdown"].iloc[0] > 0
    assert wide["max_drawdown"].iloc[1] > wide["max_run_up"].iloc[1] > 0


def test_volume_per_hour_counts_the_candles_there_are(
    wide: pd.DataFrame, fit: ChannelFit, candles: pd.DataFrame
) -> None:
    first = fit.segments[0]
    volumes = candles["volume"].to_numpy()[: first.end_index]
    assert wide["volume_per_hour"].iloc[0] == pytest.approx(volumes.sum() / (4 * len(volumes)))


def test_thirds_of_the_volume_by_hand() -> None:
    def thirds(opens: list[int], volumes: list[float]) -> list[float]:
        return volume_thirds(np.array(opens), np.array(volumes), 10).tolist()

    assert thirds([0, 10, 20], [1.0, 2.0, 5.0]) == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert thirds([0, 10, 20, 30], [3.0] * 4) == pytest.approx([1 / 3] * 3)
    assert thirds([0, 50], [1.0, 3.0]) == pytest.approx([1 / 4, 0, 3 / 4])
    # 50 long with a hole from 20 to 40: the first third ends in the second candle.
    expected = [(1 + 4 / 3) / 7, (2 / 3) / 7, 4 / 7]
    assert thirds([0, 10, 40], [1.0, 2.0, 4.0]) == pytest.approx(expected)
    assert thirds([7], [2.0]) == pytest.approx([1 / 3] * 3)
    assert np.isnan(thirds([0, 10], [0.0, 0.0])).all()
    assert np.isnan(thirds([0, 10], [1.0, np.nan])).all()


@given(volumes=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30), factor=st.floats(1e-3, 1e3))
def test_thirds_add_up_and_do_not_depend_on_the_unit(volumes: list[float], factor: float) -> None:
    opens = np.arange(len(volumes)) * 60_000 + 1_767_225_600_000
    shares = volume_thirds(opens, np.array(volumes), 60_000)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()
    scaled = volume_thirds(opens, factor * np.array(volumes), 60_000)
    assert scaled == pytest.approx(shares, rel=1e-9)


def test_r1_is_what_the_line_saves_of_the_loss_of_the_best_constant(
    wide: pd.DataFrame, fit: ChannelFit, candles: pd.DataFrame
) -> None:
    segment = fit.segments[1]
    closes = np.log(candles["close"].to_numpy()[segment.start_index :])
    for line in segment.lines:
        plain = min(pinball_loss(closes, np.full(len(closes), c), line.tau) for c in closes)
        hours = candles["open_time"].iloc[segment.start_index :] - segment.start_time
        path = line.intercept + line.slope_per_hour * hours.dt.total_seconds().to_numpy() / 3600
        expected = 1 - pinball_loss(closes, path, line.tau) / plain
        assert wide[r1_name(line.tau)].iloc[1] == pytest.approx(expected)
    assert wide["r1_50"].iloc[1] > 0.9  # A clean trend is explained by its line.


def test_r1_of_a_price_that_never_moves_is_unknown(candles: pd.DataFrame) -> None:
    still = candles.assign(close=11.3)
    wide = describe_segments(still, fit_channel(still, H4, min_candles=12))
    assert wide["r1_50"].isna().all()
    assert (wide["max_drawdown"] == 0).all()


def test_columns_of_r1_are_told_apart() -> None:
    assert [r1_name(tau) for tau in (0.05, 0.5, 0.025, 0.25, 0.975)] == [
        "r1_05", "r1_50", "r1_025", "r1_25", "r1_975",
    ]  # fmt: skip


def make_parent(*bounds: int, volume: float = 2.0) -> pd.DataFrame:
    """Return adjacent parent segments between these hours of the candles."""
    times = [START + timedelta(hours=hour) for hour in bounds]
    return pd.DataFrame(
        {
            "start_time": pd.to_datetime(times[:-1], utc=True),
            "end_time": pd.to_datetime(times[1:], utc=True),
            "volume_per_hour": [volume * 2**place for place in range(len(times) - 1)],
        }
    )


def shift_fit(fit: ChannelFit, *hours: int) -> ChannelFit:
    """Return ``fit`` with its segments moved to lie between these hours."""
    times = [START + timedelta(hours=hour) for hour in hours]
    segments = tuple(
        replace(segment, start_time=start, end_time=end)
        for segment, start, end in zip(fit.segments, times, times[1:], strict=False)
    )
    return replace(fit, segments=segments)


def test_place_in_the_parent_by_hand(candles: pd.DataFrame, fit: ChannelFit) -> None:
    moved = shift_fit(fit, -20, 80, 420)
    wide = describe_segments(candles, moved, parent=make_parent(0, 100, 300))
    assert wide["parent_begin"].tolist() == pytest.approx([-0.2, -0.1])
    assert wide["parent_end"].tolist() == pytest.approx([0.8, 1.6])
    # 80 of 100 hours in the first; the parent's newest goes on, so 320 of 340 lie in it.
    assert wide["parent_share"].tolist() == pytest.approx([0.8, 320 / 340])
    expected = wide["volume_per_hour"] / [2.0, 4.0]
    assert wide["relative_volume"].tolist() == pytest.approx(expected.tolist())


def test_of_two_parents_that_share_alike_the_newer_counts(
    candles: pd.DataFrame, fit: ChannelFit
) -> None:
    wide = describe_segments(candles, shift_fit(fit, 50, 150, 200), parent=make_parent(0, 100, 200))
    assert wide["parent_begin"].iloc[0] == pytest.approx(-0.5)


def test_what_lies_before_the_parents_first_segment_has_no_place(
    candles: pd.DataFrame, fit: ChannelFit
) -> None:
    wide = describe_segments(candles, shift_fit(fit, 0, 100, 300), parent=make_parent(150, 400))
    assert wide[["parent_begin", "parent_end", "parent_share"]].iloc[0].isna().all()
    assert wide["relative_volume"].isna().tolist() == [True, False]
    assert wide["parent_share"].iloc[1] == pytest.approx(0.75)


def test_features_of_the_parent_are_what_the_child_needs(
    candles: pd.DataFrame, fit: ChannelFit, wide: pd.DataFrame
) -> None:
    child = candles.iloc[-60:].reset_index(drop=True)
    child["open_time"] = pd.date_range(wide["start_time"].iloc[1], periods=60, freq="30min")
    placed = describe_segments(child, fit_channel(child, M30, min_candles=12), parent=wide)
    assert (placed["parent_share"] == 1).all()
    assert placed["parent_begin"].iloc[0] == 0
    assert wide["relative_volume"].isna().all()


def test_the_long_view_holds_every_known_value_once(wide: pd.DataFrame) -> None:
    long = lengthen_features(wide)
    assert list(long.columns) == ["start_time", "end_time", "feature", "value"]
    assert len(long) == 2 * (wide.shape[1] - 2 - 4)  # Two bounds; nothing is known of a parent.
    back = long.pivot_table(index="start_time", columns="feature", values="value")
    known = wide.set_index("start_time")[list(back.columns)]
    assert (back.to_numpy() == known.to_numpy()).all()
    assert long["start_time"].is_monotonic_increasing
    assert long["feature"].iloc[0] == "candles"


def test_a_fit_without_segments_has_no_features(candles: pd.DataFrame) -> None:
    few = candles.iloc[:3]
    wide = describe_segments(few, fit_channel(few, H4, min_candles=12), parent=make_parent(0, 9))
    assert wide.empty
    assert set(FEATURES) < set(wide.columns)
    assert lengthen_features(wide).empty


def test_wrong_frames_are_refused(candles: pd.DataFrame, fit: ChannelFit) -> None:
    with pytest.raises(ContractError, match="candle frame lacks volume"):
        describe_segments(candles.drop(columns="volume"), fit)
    with pytest.raises(InvalidInputError, match="248 candles, the frame has 247"):
        describe_segments(candles.iloc[1:], fit)
    with pytest.raises(InvalidInputError, match="volume is -1"):
        describe_segments(candles.assign(volume=-1.0), fit)
    with pytest.raises(ContractError, match="parent frame lacks volume_per_hour"):
        describe_segments(candles, fit, parent=make_parent(0, 9)[["start_time", "end_time"]])
