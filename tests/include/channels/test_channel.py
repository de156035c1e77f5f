"""From a candle frame to a published or declined channel."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from include.channels.channel import ChannelFit, fit_channel
from include.channels.hierarchy import ParentChannel
from include.channels.log_closes import read_closes
from include.channels.parent_pull import ParentPull, pull_once
from include.channels.validation import score_channel
from include.market.errors import ContractError, InvalidInputError
from include.market.timeframe import D1, H4, M5
from tests.include.channels.walks import make_candles


@pytest.fixture(scope="module")
def rising_then_falling() -> pd.DataFrame:
    trend = np.cumsum(np.concatenate([np.full(120, 0.004), np.full(130, -0.005)]))
    return make_candles(11 + trend + 0.01 * np.random.default_rng(1).normal(size=250))


@pytest.fixture(scope="module")
def published(rising_then_falling: pd.DataFrame) -> ChannelFit:
    return fit_channel(rising_then_falling, H4, min_candles=12)


def test_a_predictable_trend_is_published_with_both_losses(published: ChannelFit) -> None:
    assert published.published
    assert published.declined_reason is None
    assert published.out_of_sample_loss is not None
    assert published.baseline_loss is not None
    assert published.out_of_sample_loss < published.baseline_loss
    assert published.baseline_loss == published.baseline_losses["random_walk"]
    assert published.out_of_sample_loss < published.baseline_losses["volatility"]
    assert published.p_value is not None
    assert published.p_value < 0.05
    # 33 origins fit behind the first 48 candles; a quarter of them is learnt from.
    assert published.forecasts == 6 * 25
    assert published.horizon == 6


def test_the_scores_tell_what_was_judged(published: ChannelFit) -> None:
    scores = published.scores
    assert scores["origins"] == 25
    assert scores["coverage_05_95"] == published.coverage
    assert published.p_value == max(scores["p_random_walk"], scores["p_volatility"])
    assert scores["gain_random_walk"] == pytest.approx(
        published.out_of_sample_loss - published.baseline_loss
    )
    assert all(np.isfinite(value) for value in scores.values())
    assert "parent_weight" not in scores


def test_the_calibration_moves_every_line_by_what_was_missed(
    rising_then_falling: pd.DataFrame, published: ChannelFit
) -> None:
    assert len(published.calibration) == 5
    closes = read_closes(rising_then_falling, H4)
    score = score_channel(closes, min_length=12, taus=published.taus)
    newest = published.newest
    assert score is not None
    assert newest is not None
    middle = newest.lines[2]
    hours = 4.0 * np.arange(newest.candles)
    rest = closes.logs[newest.start_index :] - middle.intercept - middle.slope_per_hour * hours
    expected = np.array(score.margins) * np.abs(rest).mean()
    assert published.calibration == pytest.approx(tuple(expected))


def test_a_parent_leaves_its_marks(rising_then_falling: pd.DataFrame) -> None:
    parent = ParentChannel(
        timeframe=D1,
        known_at=datetime(2026, 1, 10, tzinfo=UTC),
        breakpoint_times=(),
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        slope_per_hour=-0.00125,
        intercept=11.8,
        residual_scale=0.01,
        taus=(0.05, 0.5, 0.95),
        intercepts=(11.7, 11.8, 11.9),
        slopes=(-0.00125,) * 3,
    )
    alone = fit_channel(rising_then_falling, H4, min_candles=12)
    led = fit_channel(rising_then_falling, H4, min_candles=12, parents=[parent])
    assert led.scores["parent_width"] == pytest.approx(0.2)
    assert 0 <= led.scores["parent_weight"] <= 1
    # Only the newest segment follows the parent; the others are as they were.
    assert led.segments[0].lines == alone.segments[0].lines
    assert led == fit_channel(rising_then_falling, H4, min_candles=12, parents=[parent])
    pulled = pull_once(
        read_closes(rising_then_falling, H4),
        slice(led.newest.start_index, 250),
        np.array([(one.intercept, one.slope_per_hour) for one in alone.newest.lines]),
        parent,
        ParentPull(led.scores["parent_weight"], led.scores["parent_position_weight"]),
    )
    assert led.newest.start_index == alone.newest.start_index
    shown = [(line.intercept, line.slope_per_hour) for line in led.newest.lines]
    assert np.array(shown) == pytest.approx(pulled)


def test_the_level_decides_and_is_checked(rising_then_falling: pd.DataFrame) -> None:
    fit = fit_channel(rising_then_falling, H4, min_candles=12, level=1e-12)
    assert not fit.published
    assert fit.declined_reason is not None
    assert "must be below 1e-12" in fit.declined_reason
    with pytest.raises(InvalidInputError, match="level of publication"):
        fit_channel(rising_then_falling, H4, min_candles=12, level=2)


def test_segments_say_where_they_are_and_how_steep(published: ChannelFit) -> None:
    first, newest = published.segments
    assert newest is published.newest
    assert (first.start_index, newest.end_index) == (0, 250)
    assert first.end_index == newest.start_index
    assert abs(newest.start_index - 120) <= 6
    assert first.start_time == datetime(2026, 1, 1, tzinfo=UTC)
    assert first.end_time == newest.start_time
    assert newest.end_time == datetime(2026, 2, 11, 16, tzinfo=UTC)
    assert first.candles + newest.candles == 250
    assert first.slope_per_hour == pytest.approx(0.001, rel=0.05)
    assert newest.slope_per_hour == pytest.approx(-0.00125, rel=0.05)
    assert first.intercept == pytest.approx(11, abs=0.02)
    assert newest.residual_scale == pytest.approx(0.01, rel=0.25)


def test_only_the_newest_segment_carries_out_of_sample_losses(published: ChannelFit) -> None:
    first, newest = published.segments
    assert first.out_of_sample_loss is None
    assert all(line.out_of_sample_loss is None for line in first.lines)
    assert newest.out_of_sample_loss == published.out_of_sample_loss
    assert newest.baseline_loss == published.baseline_loss
    by_tau = [line.out_of_sample_loss for line in newest.lines]
    assert np.mean(by_tau) == pytest.approx(published.out_of_sample_loss)


def test_lines_hold_their_share_of_the_closes(
    published: ChannelFit, rising_then_falling: pd.DataFrame
) -> None:
    log_close = np.log(rising_then_falling["close"].to_numpy())
    for segment in published.segments:
        hours = 4.0 * np.arange(segment.candles)
        values = log_close[segment.start_index : segment.end_index]
        assert [line.tau for line in segment.lines] == list(published.taus)
        for line in segment.lines:
            path = line.intercept + line.slope_per_hour * hours
            assert abs(np.mean(values < path) - line.tau) <= 3 / segment.candles
            loss = np.mean(np.maximum(line.tau * (values - path), (line.tau - 1) * (values - path)))
            assert line.in_sample_loss == pytest.approx(loss)


def test_the_same_candles_give_the_same_fit(
    published: ChannelFit, rising_then_falling: pd.DataFrame
) -> None:
    assert fit_channel(rising_then_falling, H4, min_candles=12) == published


def test_a_price_factor_moves_intercepts_only(
    published: ChannelFit, rising_then_falling: pd.DataFrame
) -> None:
    dearer = fit_channel(
        rising_then_falling.assign(close=rising_then_falling["close"] * 1024), H4, min_candles=12
    )
    for one, other in zip(published.segments, dearer.segments, strict=True):
        assert (one.start_time, one.end_time) == (other.start_time, other.end_time)
        assert other.slope_per_hour == pytest.approx(one.slope_per_hour, rel=1e-6)
        assert other.intercept == pytest.approx(one.intercept + np.log(1024))
    assert dearer.out_of_sample_loss == pytest.approx(published.out_of_sample_loss, rel=1e-3)


def test_a_random_walk_is_declined_with_the_numbers() -> None:
    walk = 11 + 0.01 * np.cumsum(np.random.default_rng(2).normal(size=200))
    fit = fit_channel(make_candles(walk), H4, min_candles=12)
    assert not fit.published
    assert fit.declined_reason is not None
    assert f"{fit.out_of_sample_loss:.6g}" in fit.declined_reason
    assert f"{fit.baseline_loss:.6g}" in fit.declined_reason
    assert fit.segments


def test_a_constant_price_is_one_flat_declined_segment() -> None:
    fit = fit_channel(make_candles(np.full(120, 2.0)), H4, min_candles=12)
    assert len(fit.segments) == 1
    assert fit.segments[0].slope_per_hour == pytest.approx(0, abs=1e-12)
    assert not fit.published


@pytest.mark.parametrize("count", [0, 1, 11])
def test_too_few_candles_are_declined_without_segments(count: int) -> None:
    fit = fit_channel(make_candles(np.linspace(1, 2, count)), H4, min_candles=12)
    assert (fit.segments, fit.newest, fit.published) == ((), None, False)
    assert fit.declined_reason == f"too few candles: had {count}, a channel needs 12"


def test_enough_to_fit_but_not_to_judge_is_declined() -> None:
    fit = fit_channel(make_candles(np.linspace(1, 2, 95)), H4, min_candles=12)
    assert len(fit.segments) == 1
    assert (fit.p_value, fit.scores, fit.calibration) == (None, {}, ())
    assert fit.declined_reason == (
        "too few candles to judge out of sample: had 95, the test needs 96 without gaps"
    )


def test_missing_candles_keep_their_time() -> None:
    log_close = 11 + 0.004 * np.arange(150) + 0.01 * np.random.default_rng(3).normal(size=150)
    holed = make_candles(log_close).drop(index=range(60, 90))
    fit = fit_channel(holed, H4, min_candles=12)
    assert len(fit.segments) == 1
    assert fit.segments[0].candles == 120
    assert fit.segments[0].slope_per_hour == pytest.approx(0.001, rel=0.03)
    assert fit.segments[0].end_time == datetime(2026, 1, 26, tzinfo=UTC)


def test_other_time_zones_are_the_same_instants(rising_then_falling: pd.DataFrame) -> None:
    short = rising_then_falling.iloc[:40]
    abroad = short.assign(open_time=short["open_time"].dt.tz_convert("Asia/Kathmandu"))
    assert fit_channel(abroad, H4, min_candles=12) == fit_channel(short, H4, min_candles=12)


@pytest.mark.parametrize("column", ["open_time", "close"])
def test_a_missing_column_is_a_broken_contract(
    column: str, rising_then_falling: pd.DataFrame
) -> None:
    with pytest.raises(ContractError, match=column):
        fit_channel(rising_then_falling.drop(columns=column), H4, min_candles=12)


def test_times_without_zone_are_a_broken_contract(rising_then_falling: pd.DataFrame) -> None:
    naive = rising_then_falling["open_time"].dt.tz_localize(None)
    with pytest.raises(ContractError, match="UTC"):
        fit_channel(rising_then_falling.assign(open_time=naive), H4, min_candles=12)


@pytest.mark.parametrize("close", [np.nan, np.inf, 0.0, -1.0])
def test_a_close_that_is_no_price_is_refused(close: float) -> None:
    candles = make_candles(np.zeros(30))
    candles.loc[7, "close"] = close
    with pytest.raises(InvalidInputError, match=r"close at 2026-01-02T04:00:00\+00:00 is"):
        fit_channel(candles, H4, min_candles=12)


def test_unsorted_repeated_missing_and_off_grid_times_are_refused() -> None:
    candles = make_candles(np.zeros(30))
    for odd in (candles.iloc[::-1], pd.concat([candles, candles.tail(1)])):
        with pytest.raises(InvalidInputError, match="strictly increase"):
            fit_channel(odd, H4, min_candles=12)
    late = candles["open_time"] + pd.Timedelta("5min")
    with pytest.raises(InvalidInputError, match="off the 4h grid"):
        fit_channel(candles.assign(open_time=late), H4, min_candles=12)
    assert fit_channel(candles.assign(open_time=late), M5, min_candles=12).candles == 30
    holed = candles.copy()
    holed.loc[3, "open_time"] = pd.NaT
    with pytest.raises(InvalidInputError, match="NaT"):
        fit_channel(holed, H4, min_candles=12)


def test_a_channel_needs_four_candles() -> None:
    with pytest.raises(InvalidInputError, match="min_candles was 3"):
        fit_channel(make_candles(np.zeros(30)), H4, min_candles=3)
