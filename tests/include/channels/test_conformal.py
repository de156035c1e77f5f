"""Moved forecasts cover what they say, and know nothing of what comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.channels.conformal import calibrate_origins

TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw(seed: int, origins: int = 60, horizon: int = 6) -> tuple[np.ndarray, np.ndarray]:
    outcomes = np.random.default_rng(seed).normal(size=(origins, horizon))
    return outcomes, np.zeros((origins, horizon, len(TAUS)))


def test_forecasts_that_say_nothing_come_to_cover_what_they_should() -> None:
    shares = []
    for seed in range(40):
        outcomes, forecasts = draw(seed)
        margins = calibrate_origins(outcomes, forecasts, np.ones(60), TAUS).margins
        shares.append((outcomes[15:, :, None] < margins[15:, None, :]).mean(axis=(0, 1)))
    assert np.mean(shares, axis=0) == pytest.approx(np.array(TAUS), abs=0.02)


def test_after_a_storm_begins_the_levels_are_corrected() -> None:
    outcomes, forecasts = draw(1, origins=200)
    outcomes[60:] *= 3
    margins = calibrate_origins(outcomes, forecasts, np.ones(200), TAUS).margins
    late = (outcomes[120:, :, None] < margins[120:, None, :]).mean(axis=(0, 1))
    assert late[0] == pytest.approx(0.05, abs=0.03)
    assert late[-1] == pytest.approx(0.95, abs=0.03)


def test_scores_are_in_units_of_scatter() -> None:
    outcomes, forecasts = draw(2)
    units = np.linspace(1, 5, 60)
    plain = calibrate_origins(outcomes, forecasts, np.ones(60), TAUS)
    scaled = calibrate_origins(outcomes * units[:, None], forecasts, units, TAUS)
    assert scaled.margins == pytest.approx(plain.margins)
    assert scaled.next_margins == pytest.approx(plain.next_margins)


@given(seed=st.integers(0, 999), known=st.integers(0, 19))
@settings(max_examples=25, deadline=None)
def test_no_margin_knows_its_own_origin_or_a_later_one(seed: int, known: int) -> None:
    outcomes, forecasts = draw(seed, origins=20)
    other = outcomes.copy()
    other[known:] += 100
    before = calibrate_origins(outcomes, forecasts, np.ones(20), TAUS).margins
    after = calibrate_origins(other, forecasts, np.ones(20), TAUS).margins
    assert np.array_equal(before[: known + 1], after[: known + 1])
    if known < 19 and known > 0:
        assert not np.array_equal(before[known + 1 :], after[known + 1 :])


def test_the_margins_for_now_are_those_of_one_more_origin() -> None:
    outcomes, forecasts = draw(3, origins=30)
    now = calibrate_origins(outcomes[:-1], forecasts[:-1], np.ones(29), TAUS).next_margins
    assert np.array_equal(
        now, calibrate_origins(outcomes, forecasts, np.ones(30), TAUS).margins[-1]
    )


def test_gaps_teach_nothing() -> None:
    outcomes, forecasts = draw(4, origins=30)
    holed = outcomes.copy()
    holed[10] = np.nan
    margins = calibrate_origins(holed, forecasts, np.ones(30), TAUS).margins
    assert np.array_equal(margins[10], margins[11])
    assert np.isfinite(margins).all()
    assert not margins[0].any()
