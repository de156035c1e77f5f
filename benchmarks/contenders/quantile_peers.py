"""How others fit quantile regressions in Python. Runs in the peers' environment."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd
from quantile_run import TAUS, Problem, Run, main, one_by_one


def statsmodels(values: np.ndarray, design: np.ndarray, tau: float) -> Any:
    """Call ``QuantReg.fit`` as it comes: iteratively reweighted least squares."""
    module = importlib.import_module("statsmodels.regression.quantile_regression")
    return module.QuantReg(values, design).fit(q=tau).params


def sklearn_highs(values: np.ndarray, design: np.ndarray, tau: float) -> Any:
    """Call ``QuantileRegressor`` without its penalty, solved by HiGHS."""
    module = importlib.import_module("sklearn.linear_model")
    model = module.QuantileRegressor(
        quantile=tau, alpha=0.0, fit_intercept=False, solver="highs"
    ).fit(design, values)
    return model.coef_


def pinball(name: str) -> Any:
    """Return the way that calls a solver of pinball-qr, a port of R's quantreg."""
    solve = importlib.import_module("pinball.linear.solvers").get_solver(name).solve
    return one_by_one(lambda values, design, tau: solve(design, values, tau).coefficients)


def pyfixest(method: str) -> Any:
    """Return the way that calls ``quantreg`` of pyfixest for all levels at once."""

    def prepare(problem: Problem) -> Run:
        quantreg = importlib.import_module("pyfixest").quantreg
        names = [f"x{place}" for place in range(1, problem.design.shape[1])]
        frames = [
            pd.DataFrame(design[:, 1:], columns=names).assign(y=values)
            for values, design in problem.segments()
        ]

        def run() -> tuple[np.ndarray, None]:
            found = []
            for frame in frames:
                fits = quantreg(
                    f"y ~ {' + '.join(names)}", frame, vcov="iid", method=method,
                    quantile=list(TAUS), seed=1,
                )  # fmt: skip
                found.append([fit.coef().to_numpy() for fit in fits.to_list()])
            return np.array(found), None

        return run

    return prepare


if __name__ == "__main__":
    main(
        {
            "statsmodels": one_by_one(statsmodels),
            "sklearn": one_by_one(sklearn_highs),
            "pinball_br": lambda problem: pinball("br")(problem),
            "pinball_fnb": lambda problem: pinball("fnb")(problem),
            "pinball_pfn": lambda problem: pinball("pfn")(problem),
            "pyfixest_fn": pyfixest("fn"),
            "pyfixest_pfn": pyfixest("pfn"),
        }
    )
