"""Nothing is published of what has no trend; of what has one, it is, and it covers.

Each share is held against its binomial limits over instruments drawn with fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest

from include.channels.channel import ChannelFit, fit_channel
from include.channels.multiple_testing import choose_published
from include.channels.scoring import score_outcomes, show_channel, sum_up
from include.market.timeframe import H4, M30
from tests.include.channels.walks import (
    Array,
    draw_trends,
    draw_turbulence,
    draw_walk,
    make_candles,
)
from tests.support.recorded import recorded_file

CANDLES = 240
LEVEL = 0.05


def fit_many(draw: Callable[[int, int], Array], count: int) -> list[ChannelFit]:
    return [
        fit_channel(make_candles(draw(seed, CANDLES)), H4, min_candles=12) for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("draw", "count"),
    [(draw_walk, 80), (partial(draw_walk, freedom=3), 70), (draw_turbulence, 60)],
    ids=["normal", "heavy tails", "turbulence"],
)
def test_of_random_walks_no_more_is_published_than_the_level(
    draw: Callable[[int, int], Array], count: int
) -> None:
    fits = fit_many(draw, count)
    published = sum(fit.published for fit in fits)
    assert published <= LEVEL * count + 2 * np.sqrt(LEVEL * (1 - LEVEL) * count)
    # So far from a channel are they that even the level is hardly used.
    assert published <= 2
    assert not any(choose_published([fit.p_value for fit in fits], LEVEL))
    assert all(fit.declined_reason for fit in fits if not fit.published)


def test_trends_are_published_and_their_bands_cover_what_comes() -> None:
    ahead, fits = [], []
    for seed in range(80):
        values = draw_trends(seed, CANDLES + 6, length=CANDLES + 6)
        fit = fit_channel(make_candles(values[:CANDLES]), H4, min_candles=12)
        fits.append(fit)
        if fit.published:
            shown = show_channel(fit, make_candles(values[:CANDLES]))
            ahead += score_outcomes(shown, make_candles(values))
    assert np.mean([fit.published for fit in fits]) >= 0.8
    chosen = choose_published([fit.p_value for fit in fits], LEVEL)
    assert np.mean(chosen) >= 0.8
    came = sum_up(ahead)
    # Outcomes of an instrument share its lines: 4 standard errors of independent ones.
    limit = 4 * np.sqrt(0.9 * 0.1 / came["outcomes"])
    assert came["coverage"] == pytest.approx(0.9, abs=limit)
    assert came["loss"] < 0.85 * came["baseline_loss"]
    validated = np.mean([fit.coverage for fit in fits if fit.coverage is not None])
    assert validated == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_of_real_months_verdict_and_numbers_agree(symbol: str) -> None:
    path = recorded_file(f"binance_usdm_1m/{symbol}-1m-2023-09.csv.gz")
    minutes = pd.read_csv(path, usecols=["open_time", "close"])
    minutes["open_time"] = pd.to_datetime(minutes["open_time"], unit="ms", utc=True)
    candles = minutes.groupby(minutes["open_time"].dt.floor("30min"))["close"].last()
    frame = candles.reset_index()
    for end in range(700, len(frame), 250):
        fit = fit_channel(frame.iloc[:end], M30, min_candles=12)
        assert fit.p_value is not None
        assert fit.coverage is not None
        beaten = max(fit.scores["p_random_walk"], fit.scores["p_volatility"]) < LEVEL
        outdone = 1 - fit.scores["p_previous_channel"] < LEVEL
        assert fit.published == (beaten and not outdone)
        # Calibrated on what came before, the band covers roughly what it says in real prices too.
        assert 0.8 <= fit.coverage <= 0.97
        assert fit.coverage > fit.scores["raw_coverage_05_95"]
