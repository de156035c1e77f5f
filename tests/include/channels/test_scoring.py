"""What was shown is held against what came, once for each close."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.channels.baselines import forecast_random_walk
from include.channels.channel import ChannelFit, fit_channel
from include.channels.scoring import ShownChannel, score_outcomes, show_channel, sum_up
from include.market.errors import InvalidInputError
from include.market.timeframe import H4
from tests.include.channels.walks import draw_trends, make_candles


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return make_candles(draw_trends(5, 300))


@pytest.fixture(scope="module")
def fit(candles: pd.DataFrame) -> ChannelFit:
    return fit_channel(candles.iloc[:280], H4, min_candles=12)


@pytest.fixture(scope="module")
def shown(fit: ChannelFit, candles: pd.DataFrame) -> ShownChannel:
    return show_channel(fit, candles.iloc[:280])


def test_what_is_shown_is_lines_and_calibration(fit: ChannelFit, shown: ShownChannel) -> None:
    newest = fit.newest
    assert newest is not None
    assert shown.known_at == newest.end_time
    assert any(fit.calibration)
    last_hour = 4.0 * (newest.candles - 1)
    for column, (line, move) in enumerate(zip(newest.lines, fit.calibration, strict=True)):
        assert shown.intercepts[column] == line.intercept + move
    # The first forecast is one candle after the last candle of the segment.
    paths = [
        one + other * (last_hour + 4.0)
        for one, other in zip(shown.intercepts, shown.slopes, strict=True)
    ]
    assert shown.quantiles()[0] == pytest.approx(sorted(paths))
    assert shown.quantiles().shape == (6, 5)


def test_scores_are_the_losses_of_what_came(shown: ShownChannel, candles: pd.DataFrame) -> None:
    scores = score_outcomes(shown, candles)
    assert [one.step for one in scores] == [step for step in range(1, 7) for _ in range(5)]
    values = np.log(candles["close"].to_numpy())
    walk = forecast_random_walk(
        values[:280], np.arange(280.0), np.array([280]), taus=shown.taus, horizon=6
    )[0]
    for one in scores:
        column = shown.taus.index(one.tau)
        value, line = values[279 + one.step], shown.quantiles()[one.step - 1, column]
        assert one.loss == pytest.approx(
            max(one.tau * (value - line), (one.tau - 1) * (value - line)), abs=1e-12
        )
        error = value - walk[one.step - 1, column]
        assert one.baseline_loss == pytest.approx(max(one.tau * error, (one.tau - 1) * error))
        assert one.below == (value < line)


def test_closes_before_and_beyond_and_absent_ones_are_not_scored(
    shown: ShownChannel, candles: pd.DataFrame
) -> None:
    assert score_outcomes(shown, candles.iloc[:280]) == []
    first = score_outcomes(shown, candles.iloc[270:283])
    assert {one.step for one in first} == {1, 2, 3}
    assert score_outcomes(shown, candles)[: len(first)] == first
    holed = score_outcomes(shown, candles.drop(index=[280, 282]))
    assert {one.step for one in holed} == {2, 4, 5, 6}


def test_sums_are_over_closes_and_taus(shown: ShownChannel, candles: pd.DataFrame) -> None:
    scores = score_outcomes(shown, candles)
    total = sum_up(scores)
    assert total["outcomes"] == 6
    assert total["loss"] == pytest.approx(np.mean([one.loss for one in scores]))
    assert total["coverage"] == pytest.approx(total["below_0.95"] - total["below_0.05"])
    assert sum_up([]) == {}


def test_other_candles_than_those_of_the_fit_are_refused(
    fit: ChannelFit, candles: pd.DataFrame
) -> None:
    with pytest.raises(InvalidInputError, match="pass those it was fitted on"):
        show_channel(fit, candles)
