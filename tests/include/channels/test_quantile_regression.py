"""The estimator: scikit-learn's conventions, statsmodels' standard errors."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from include.channels.quantile_inference import coefficient_covariance
from include.channels.quantile_regression import QuantileRegression
from include.market.errors import InvalidInputError


def draw(seed: int = 1, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(count, 2))
    return table, 1 + table @ [1.0, 2.0] + rng.standard_t(4, size=count) * (1 + table[:, 0] ** 2)


@pytest.mark.parametrize(("errors", "vcov"), [("kernel", "robust"), ("iid", "iid")])
@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_covariances_are_those_of_statsmodels(errors: str, vcov: str, tau: float) -> None:
    table, outcome = draw()
    design = sm.add_constant(table)
    theirs = sm.QuantReg(outcome, design).fit(q=tau, vcov=vcov, p_tol=1e-8, max_iter=5000)
    ours = coefficient_covariance(outcome, design, theirs.params, tau, errors=errors)  # type: ignore[arg-type]
    assert ours == pytest.approx(theirs.cov_params(), rel=1e-9)


def test_coefficients_and_iid_errors_agree_with_statsmodels() -> None:
    table, outcome = draw(2)
    model = QuantileRegression((0.25, 0.5)).fit(table, outcome)
    errors = model.standard_errors(table, outcome, errors="iid")
    for place, tau in enumerate(model.taus):
        theirs = sm.QuantReg(outcome, sm.add_constant(table)).fit(
            q=tau, vcov="iid", p_tol=1e-10, max_iter=5000
        )
        assert np.append(model.intercept_[place], model.coef_[place]) == pytest.approx(
            theirs.params, abs=1e-5
        )
        assert errors[place] == pytest.approx(theirs.bse, rel=1e-4)
    assert model.duality_gap_.max() < 1e-9


def test_iid_bands_hold_the_truth_as_often_as_they_say() -> None:
    held, trials = 0, 300
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        table = rng.normal(size=(150, 1))
        outcome = 2 + 0.5 * table[:, 0] + rng.normal(size=150)
        low, high = (
            QuantileRegression().fit(table, outcome).bands(table, outcome, errors="iid")[0][1]
        )
        held += low <= 0.5 <= high
    # 95 % of 300, give or take three standard deviations and the small sample.
    assert 0.90 <= held / trials <= 0.99


def test_predicted_quantiles_never_cross() -> None:
    rng = np.random.default_rng(3)
    table, outcome = rng.normal(size=(12, 2)), rng.normal(size=12)
    quantiles = QuantileRegression((0.1, 0.3, 0.5, 0.7, 0.9)).fit(table, outcome).predict(table * 9)
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_model_that_explains_nothing_scores_about_zero_and_a_perfect_one_scores_one() -> None:
    rng = np.random.default_rng(4)
    table, outcome = rng.normal(size=(2000, 1)), rng.normal(size=2000)
    taus = (0.2, 0.5)
    assert QuantileRegression(taus).fit(table, outcome).score(table, outcome) < 0.01
    perfect = 3 * table[:, 0] + 1
    assert QuantileRegression(taus).fit(table, perfect).score(table, perfect) == pytest.approx(1)


def test_parameters_can_be_read_set_and_cloned() -> None:
    model = QuantileRegression((0.5,), fit_intercept=False)
    clone = QuantileRegression(**model.get_params())
    assert clone.get_params() == model.get_params()
    assert model.set_params(taus=(0.1, 0.9)).taus == (0.1, 0.9)
    with pytest.raises(InvalidInputError, match="no parameter solver"):
        model.set_params(solver="highs")
    table, outcome = draw(5)
    assert model.fit(table, outcome).intercept_.tolist() == [0.0, 0.0]


def test_misuse_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not fitted"):
        QuantileRegression().predict(np.ones((2, 1)))
    with pytest.raises(InvalidInputError, match=r"\(rows, columns\)"):
        QuantileRegression().fit(np.ones(5), np.ones(5))
    with pytest.raises(InvalidInputError, match="no estimate"):
        coefficient_covariance(np.ones(20), np.ones((20, 1)), np.ones(1), 0.5)
