"""The Diebold-Mariano test keeps its level where losses follow each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ttest_1samp

from include.channels.loss_comparison import compare_losses, long_run_variance, newey_west_lag
from include.market.errors import InvalidInputError


def test_without_lags_it_is_nearly_students_test() -> None:
    values = np.random.default_rng(1).normal(-0.2, 1, size=50)
    compared = compare_losses(values, lag=0)
    student = ttest_1samp(values, 0, alternative="less")
    # Variance over n in place of n - 1 and the shrinking by (n - 1) / n cancel each other.
    assert compared.statistic == pytest.approx(student.statistic)
    assert compared.p_value == pytest.approx(student.pvalue)


def test_the_variance_is_that_of_the_textbook() -> None:
    values = np.array([1.0, 3.0, 2.0, 6.0])
    away = values - 3.0
    first, second = away[1:] @ away[:-1] / 4, away[2:] @ away[:-2] / 4
    expected = away @ away / 4 + 2 * (2 / 3) * first + 2 * (1 / 3) * second
    assert long_run_variance(values, 2) == pytest.approx(max(expected, 0))


def test_statsmodels_gives_the_same_error() -> None:
    api = pytest.importorskip("statsmodels.api")
    values = lfilter([1], [1, -0.5], np.random.default_rng(3).normal(size=80))
    fitted = api.OLS(values, np.ones(80)).fit(cov_type="HAC", cov_kwds={"maxlags": 4})
    assert np.sqrt(long_run_variance(values, 4) / 80) == pytest.approx(fitted.bse[0])


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.06), (0.3, 0.08), (0.5, 0.11)])
def test_equal_forecasters_are_told_apart_as_seldom_as_said(
    correlation: float, most: float
) -> None:
    rng = np.random.default_rng(7)
    noise = lfilter([1], [1, -correlation], rng.standard_t(4, size=(2000, 145)), axis=1)[:, 100:]
    false = np.mean([compare_losses(each).p_value < 0.05 for each in noise])
    assert false <= most
    assert false >= 0.03


def test_a_better_forecaster_is_found_and_a_worse_one_is_not() -> None:
    values = np.random.default_rng(2).normal(-0.5, 1, size=60)
    assert compare_losses(values).p_value < 0.01
    assert compare_losses(-values).p_value > 0.99


def test_differences_without_scatter_are_no_luck() -> None:
    assert compare_losses(np.full(9, -0.1)).p_value == 0.0
    assert compare_losses(np.full(9, 0.1)).p_value == 1.0
    assert compare_losses(np.full(9, -1e-15)).p_value == 1.0


def test_too_few_or_broken_differences_are_refused() -> None:
    for values in (np.zeros(3), np.array([0.0, 1.0, 2.0, np.nan])):
        with pytest.raises(InvalidInputError, match="judge at more origins"):
            compare_losses(values)


def test_the_lag_grows_slowly() -> None:
    assert [newey_west_lag(count) for count in (4, 45, 100, 1000)] == [1, 3, 4, 6]
