"""What is shown, what is declined, and with which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from include.channels.loss_comparison import LossComparison
from include.channels.parent_pull import NO_PULL
from include.channels.publication import crowded_out, judge_channel
from include.channels.validation import ChannelScore
from include.market.errors import InvalidInputError


def make_score(walk: float, volatility: float, previous: float = 0.5) -> ChannelScore:
    """Return a score with these p-values."""
    found = {"random_walk": walk, "volatility": volatility, "previous_channel": previous}
    return ChannelScore(
        model_loss=0.002,
        baseline_losses={"random_walk": 0.003, "volatility": 0.0035, "previous_channel": 0.0019},
        comparisons={
            name: LossComparison(p_value - 0.5, 0.0, p_value, 3) for name, p_value in found.items()
        },
        losses_by_tau=(0.002,),
        coverage=0.9,
        forecasts=270,
        origins=45,
        margins=(0.0,),
        pull=NO_PULL,
        metrics={},
    )


def test_both_baselines_must_be_beaten_and_the_larger_p_decides() -> None:
    for walk, volatility in ((0.01, 0.2), (0.2, 0.01)):
        verdict = judge_channel(make_score(walk, volatility), candles=500, min_candles=12)
        assert verdict.p_value == 0.2
        assert verdict.reason == (
            "out-of-sample pinball loss 0.002 is not surely below the random walk's 0.003 "
            f"(p = {walk}) and volatility scaling's 0.0035 (p = {volatility}): each p must be "
            "below 0.05 (270 forecasts from 45 origins)"
        )
    verdict = judge_channel(make_score(0.01, 0.04), candles=500, min_candles=12)
    assert (verdict.p_value, verdict.reason) == (0.04, None)


def test_the_level_is_what_it_is_set_to() -> None:
    score = make_score(0.01, 0.04)
    assert judge_channel(score, candles=500, min_candles=12, level=0.04).reason is not None
    assert judge_channel(score, candles=500, min_candles=12, level=0.041).reason is None
    with pytest.raises(InvalidInputError, match="level of publication was 0"):
        judge_channel(score, candles=500, min_candles=12, level=0)


def test_a_channel_outdone_by_the_one_before_is_declined() -> None:
    verdict = judge_channel(make_score(0.001, 0.001, 0.97), candles=500, min_candles=12)
    assert verdict.reason == (
        "out-of-sample pinball loss 0.002 is above the previous channel's 0.0019 (p = 0.03, below "
        "0.05; 270 forecasts from 45 origins)"
    )
    doubtful = judge_channel(make_score(0.001, 0.001, 0.94), candles=500, min_candles=12)
    assert doubtful.reason is None


def test_too_few_candles_have_no_p_value() -> None:
    few = judge_channel(None, candles=5, min_candles=12)
    assert (few.p_value, few.reason) == (None, "too few candles: had 5, a channel needs 12")
    unjudged = judge_channel(None, candles=80, min_candles=12)
    assert unjudged.p_value is None
    assert unjudged.reason == (
        "too few candles to judge out of sample: had 80, the test needs 96 without gaps"
    )


def test_who_is_crowded_out_is_told_by_how_much() -> None:
    assert crowded_out([0.04, None, 0.9], 0, 0.05) == (
        "p = 0.04 is above what a false discovery rate of 0.05 over 2 channels judged together "
        "allows: 0"
    )
    assert crowded_out([0.01, 0.04, 0.9, 0.8], 1, 0.05).endswith("allows: 0.0125")


def test_a_reason_is_one_line_of_ascii() -> None:
    for score in (make_score(0.5, 0.5), make_score(0.001, 0.001, 0.99)):
        reason = judge_channel(score, candles=500, min_candles=12).reason
        assert reason is not None
        assert reason.isascii()
        assert "\n" not in reason
    equal = replace(make_score(0.01, 0.01), baseline_losses={"random_walk": 1.0, "volatility": 1.0})
    assert judge_channel(equal, candles=500, min_candles=12).reason is None
