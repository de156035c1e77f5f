"""The better forecaster wins, and what is told of it adds up."""

from __future__ import annotations

import numpy as np
import pytest

from include.channels.validation import LEARNING_SHARE, origin_times, score_channel
from include.channels.walk_forward import candles_to_judge
from include.market.timeframe import H4
from tests.include.channels.walks import draw_trends, draw_walk, make_closes

TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)


def test_a_steady_trend_with_noise_beats_what_knows_no_trend() -> None:
    values = 11 + 0.002 * np.arange(400) + 0.01 * np.random.default_rng(2).normal(size=400)
    score = score_channel(make_closes(values), min_length=12, taus=TAUS)
    assert score is not None
    for rival in ("random_walk", "volatility"):
        assert score.model_loss < 0.8 * score.baseline_losses[rival]
        assert score.comparisons[rival].p_value < 0.001
    assert score.model_loss == pytest.approx(score.baseline_losses["previous_channel"], rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_is_not_beaten_on_itself(seed: int) -> None:
    score = score_channel(make_closes(draw_walk(seed, 300)), min_length=12, taus=TAUS)
    assert score is not None
    assert score.model_loss > score.baseline_losses["random_walk"]
    assert score.comparisons["random_walk"].p_value > 0.5


def test_the_numbers_add_up() -> None:
    score = score_channel(make_closes(draw_trends(1, 500)), min_length=12, taus=TAUS)
    assert score is not None
    assert score.origins == 60 - 60 // LEARNING_SHARE
    assert score.forecasts == 6 * score.origins
    metrics = score.metrics
    assert np.mean(score.losses_by_tau) == pytest.approx(score.model_loss)
    by_step = [metrics[f"loss_step_{step}"] for step in range(1, 7)]
    assert np.mean(by_step) == pytest.approx(score.model_loss)
    assert metrics["loss_05"] == pytest.approx(score.losses_by_tau[0])
    assert score.coverage == metrics["coverage_05_95"]
    assert np.mean([metrics[f"coverage_step_{step}"] for step in range(1, 7)]) == pytest.approx(
        score.coverage
    )
    assert metrics["coverage_05_95"] == pytest.approx(metrics["below_95"] - metrics["below_05"])
    assert metrics["coverage_05_95_low"] <= score.coverage <= metrics["coverage_05_95_high"]
    for rival, loss in score.baseline_losses.items():
        gain = score.model_loss - loss
        assert score.comparisons[rival].mean == pytest.approx(gain)
        assert metrics[f"gain_{rival}_low"] <= gain <= metrics[f"gain_{rival}_high"]


def test_only_the_origins_after_those_learnt_from_are_scored() -> None:
    values = draw_trends(2, 500)
    early, late = values.copy(), values.copy()
    # Outcomes of an origin learnt from, and of one scored; a candle is absent there.
    slots = np.arange(500.0)
    kept_early, kept_late = np.delete(slots, 146), np.delete(slots, 440)
    full = score_channel(make_closes(values), min_length=12, taus=TAUS)
    one = score_channel(make_closes(np.delete(early, 146), kept_early), min_length=12, taus=TAUS)
    other = score_channel(make_closes(np.delete(late, 440), kept_late), min_length=12, taus=TAUS)
    assert full is not None
    assert one is not None
    assert other is not None
    assert one.forecasts == full.forecasts
    assert other.forecasts < full.forecasts


def test_the_calibrated_band_covers_better_than_the_raw_one() -> None:
    scores = [
        score_channel(make_closes(draw_trends(seed, 400, length=40)), min_length=12, taus=TAUS)
        for seed in range(10)
    ]
    raw = np.mean([score.metrics["raw_coverage_05_95"] for score in scores if score])
    calibrated = np.mean([score.coverage for score in scores if score])
    assert raw < 0.8
    assert abs(calibrated - 0.9) < 0.05


def test_one_level_and_a_price_that_never_moves_can_be_scored() -> None:
    score = score_channel(make_closes(draw_trends(1, 200)), min_length=12, taus=(0.5,))
    assert score is not None
    assert len(score.margins) == 1
    flat = score_channel(make_closes(np.full(200, 3.0)), min_length=12, taus=TAUS)
    assert flat is not None
    assert flat.comparisons["random_walk"].p_value == 1.0


def test_the_price_level_changes_no_verdict() -> None:
    values = draw_trends(4, 300)
    one = score_channel(make_closes(values), min_length=12, taus=TAUS)
    other = score_channel(make_closes(values - 7), min_length=12, taus=TAUS)
    assert one is not None
    assert other is not None
    assert other.model_loss == pytest.approx(one.model_loss, rel=1e-6)
    assert other.margins == pytest.approx(one.margins, rel=1e-5)


def test_the_seed_moves_intervals_only() -> None:
    closes = make_closes(draw_trends(4, 300))
    one = score_channel(closes, min_length=12, taus=TAUS)
    other = score_channel(closes, min_length=12, taus=TAUS, seed=1)
    assert one is not None
    assert other is not None
    moved = {key for key in one.metrics if one.metrics[key] != other.metrics[key]}
    assert moved
    assert all(key.endswith(("_low", "_high")) for key in moved)


def test_too_little_past_gives_no_judgement() -> None:
    enough = candles_to_judge(12)
    closes = make_closes(draw_walk(4, enough))
    assert score_channel(closes, min_length=12, taus=TAUS) is not None
    short = make_closes(draw_walk(4, enough - 1))
    assert score_channel(short, min_length=12, taus=TAUS) is None


def test_holes_in_place_of_nearly_all_outcomes_give_no_judgement() -> None:
    slots = np.arange(200.0)
    slots[50:] += 1000 * np.arange(150)
    assert score_channel(make_closes(draw_walk(1, 200), slots), min_length=12, taus=TAUS) is None


def test_the_origins_are_told_by_the_close_before_them() -> None:
    closes = make_closes(draw_walk(1, 200))
    instants = origin_times(closes.open_ms, H4, min_candles=12)
    assert instants[-1] == closes.open_ms[193] + H4.length_ms == closes.open_ms[194]
