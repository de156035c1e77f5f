"""Quantile regression after the conventions of scikit-learn, on the exact engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from include.channels.noise import Array
from include.channels.quantile import checked_taus
from include.channels.quantile_inference import Errors, coefficient_bands, coefficient_covariance
from include.channels.quantile_planes import fit_planes
from include.market.errors import InvalidInputError


class QuantileRegression:
    """Linear quantile regression of one outcome, several levels at once.

    After ``fit``: ``coef_`` (taus, columns), ``intercept_`` (taus,), ``duality_gap_`` (taus,), how
    far each loss can be above the least one as a share of it. Quantiles that cross at a row are put
    in order by ``predict`` (rearrangement: Chernozhukov, Fernandez-Val and Galichon, Econometrica
    78, 2010), which never makes the loss there worse.
    """

    def __init__(self, taus: Sequence[float] = (0.5,), *, fit_intercept: bool = True) -> None:
        """Remember the parameters; they are looked at by ``fit``."""
        self.taus = taus
        self.fit_intercept = fit_intercept

    def fit(self, X: Array, y: Array, sample_weight: Array | None = None) -> Self:
        """Fit every level; ``X`` is (rows, columns), ``y`` (rows,).

        Raises:
            InvalidInputError: bad taus, NaN or infinities, fewer rows than coefficients, or a
                column that the others explain.
        """
        levels = checked_taus(self.taus)
        outcome = np.asarray(y, dtype=np.float64)
        design = self._design(X)
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        whole = np.array([0, len(outcome)])
        planes, gaps = fit_planes(outcome, design, whole, levels, weights=weights)
        self._planes, self.duality_gap_ = planes[0], gaps[0]
        self.coef_ = planes[0][:, 1:] if self.fit_intercept else planes[0]
        self.intercept_ = planes[0][:, 0] if self.fit_intercept else np.zeros(len(levels))
        self.n_features_in_ = self.coef_.shape[1]
        return self

    def predict(self, X: Array) -> Array:
        """Return the quantiles, (rows, taus), rising along each row."""
        return np.sort(self._design(X) @ self._fitted().T, axis=1)

    def score(self, X: Array, y: Array) -> float:
        """Return R1, the mean over levels of 1 - loss / loss of the plain quantiles of ``y``.

        Source: Koenker and Machado, JASA 94, 1999.
        """
        outcome, quantiles = np.asarray(y, dtype=np.float64), self.predict(X)
        ratios = []
        for place, tau in enumerate(checked_taus(self.taus)):
            errors = outcome - quantiles[:, place], outcome - np.quantile(outcome, tau)
            loss, plain = (np.sum(np.maximum(tau * e, (tau - 1) * e)) for e in errors)
            ratios.append(1 - loss / plain if plain > 0 else 0.0)
        return float(np.mean(ratios))

    def standard_errors(
        self,
        X: Array,
        y: Array,
        *,
        errors: Errors = "kernel",
    ) -> Array:
        """Return the standard errors, (taus, coefficients), the intercept's first if fitted."""
        return np.stack([np.sqrt(np.diag(one)) for one in self._covariances(X, y, errors)])

    def bands(
        self,
        X: Array,
        y: Array,
        *,
        errors: Errors = "kernel",
        alpha: float = 0.05,
    ) -> Array:
        """Return the bands, (taus, coefficients, 2), that hold each with 1 - ``alpha``."""
        covariances = self._covariances(X, y, errors)
        pairs = zip(self._fitted(), covariances, strict=True)
        return np.stack([coefficient_bands(plane, one, alpha=alpha) for plane, one in pairs])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters."""
        return {"taus": self.taus, "fit_intercept": self.fit_intercept}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises:
            InvalidInputError: a name that is none of ours.
        """
        if unknown := sorted(set(params) - set(self.get_params())):
            raise InvalidInputError(
                f"QuantileRegression has no parameter {', '.join(unknown)}: choose from "
                f"{', '.join(self.get_params())}"
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _covariances(self, X: Array, y: Array, errors: Errors) -> list[Array]:
        design, outcome = self._design(X), np.asarray(y, dtype=np.float64)
        pairs = zip(checked_taus(self.taus), self._fitted(), strict=True)
        return [
            coefficient_covariance(outcome, design, plane, tau, errors=errors)
            for tau, plane in pairs
        ]

    def _design(self, X: Array) -> Array:
        table = np.asarray(X, dtype=np.float64)
        if table.ndim != 2:
            raise InvalidInputError(f"X must be (rows, columns), was of shape {table.shape}")
        return np.column_stack([np.ones(len(table)), table]) if self.fit_intercept else table

    def _fitted(self) -> Array:
        if not hasattr(self, "_planes"):
            raise InvalidInputError("QuantileRegression is not fitted yet: call fit first")
        planes: Array = self._planes
        return planes
