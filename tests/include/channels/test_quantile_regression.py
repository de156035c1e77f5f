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


# From R 4.2.2 with quantreg 5.94, standard errors of the constant and of income:
#   f <- rq(foodexp ~ income, tau = tau, data = engel); summary(f, se = "iid")$coef[, 2]
ERRORS_IN_R = {
    "sparsity": {  # se = "iid"
        0.1: (17.8638309088, 0.0160830580216),
        0.5: (13.2390797181, 0.0119193295293),
        0.9: (20.5673981916, 0.0185171176416),
    },
    "nid": {
        0.01: (12.3948066655, 0.0067365400516),
        0.1: (29.3976787976, 0.0402401676685),
        0.5: (19.2506602521, 0.0282772096839),
        0.9: (22.3953831455, 0.0284907223757),
    },
    "powell": {  # se = "ker"
        0.01: (15.4974094537, 0.0274632565135),
        0.1: (29.2965433966, 0.0398968801973),
        0.5: (30.2153158528, 0.0373170354527),
        0.9: (22.5691951036, 0.0279602328287),
    },
}
COEFFICIENTS_IN_R = {
    0.01: (131.081921318, 0.287200291338),
    0.1: (110.141574205, 0.401765759303),
    0.5: (81.4822474169, 0.560180551209),
    0.9: (67.3508720801, 0.686299480372),
}


@pytest.mark.parametrize("errors", ERRORS_IN_R)
def test_standard_errors_are_those_of_r_to_seven_digits(errors: str) -> None:
    engel = sm.datasets.engel.load_pandas().data
    table, outcome = engel[["income"]].to_numpy(), engel["foodexp"].to_numpy()
    taus = tuple(ERRORS_IN_R[errors])
    model = QuantileRegression(taus).fit(table, outcome)
    fitted = np.column_stack([model.intercept_, model.coef_])
    assert fitted == pytest.approx(np.array([COEFFICIENTS_IN_R[tau] for tau in taus]), rel=1e-10)
    ours = model.standard_errors(table, outcome, errors=errors)  # type: ignore[arg-type]
    # R takes 1.5e-8 off the distance of the planes that nid measures.
    assert ours == pytest.approx(np.array([*ERRORS_IN_R[errors].values()]), rel=5e-8)


@pytest.mark.parametrize("errors", ["kernel", "iid", "sparsity", "nid", "powell"])
def test_the_clock_of_a_column_does_not_change_the_error_of_its_slope(errors: str) -> None:
    rng = np.random.default_rng(7)
    hours, noise = np.arange(200.0), rng.standard_t(4, size=200)
    found = []
    for column in (hours, 1.767e9 + 3600 * hours):
        table = column[:, None]
        model = QuantileRegression((0.25,)).fit(table, noise)
        found.append(model.standard_errors(table, noise, errors=errors)[0, 1])  # type: ignore[arg-type]
    assert found[1] * 3600 == pytest.approx(found[0], rel=1e-6)


@pytest.mark.parametrize("errors", ["sparsity", "nid", "powell"])
def test_errors_of_every_kind_grow_with_the_unit_of_the_outcome(errors: str) -> None:
    table, outcome = draw(8)
    plain, fine = (
        QuantileRegression((0.3,)).fit(table, values).standard_errors(table, values, errors=errors)  # type: ignore[arg-type]
        for values in (outcome, 1e-6 * outcome)
    )
    assert fine == pytest.approx(1e-6 * plain, rel=1e-6)


def test_nid_errors_hold_the_truth_where_the_spread_grows_and_iid_errors_do_not() -> None:
    held = {"nid": 0, "iid": 0}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        table = rng.uniform(0, 4, size=(150, 1))
        outcome = 2 + 0.5 * table[:, 0] + (0.1 + table[:, 0] ** 2) * rng.normal(size=150)
        model = QuantileRegression().fit(table, outcome)
        for errors in held:
            low, high = model.bands(table, outcome, errors=errors)[0][1]  # type: ignore[arg-type]
            held[errors] += low <= 0.5 <= high
    assert 0.89 <= held["nid"] / 150 <= 0.99
    assert held["iid"] < held["nid"]


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
    for errors in ("kernel", "powell", "sparsity"):
        with pytest.raises(InvalidInputError, match="no estimate"):
            coefficient_covariance(np.ones(20), np.ones((20, 1)), np.ones(1), 0.5, errors=errors)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="'rank' are unknown: choose kernel, iid"):
        coefficient_covariance(np.ones(20), np.ones((20, 1)), np.ones(1), 0.5, errors="rank")  # type: ignore[arg-type]
