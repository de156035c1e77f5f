"""Changes of a series' unit: by what prices of before are multiplied to stand beside those now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.cascade.exact_sum import FloatArray
from include.cascade.fold import IntArray
from include.market.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class UnitChange:
    """From ``at_ms`` on (epoch milliseconds) prices are in a new unit.

    ``factor`` is how many old units one new unit holds: prices of before, times ``factor``, are in
    new units; quantities of before are divided by it.
    """

    at_ms: int
    factor: float

    def __post_init__(self) -> None:
        """Refuse a factor by which no price can be multiplied."""
        if not (np.isfinite(self.factor) and self.factor > 0):
            raise InvalidInputError(
                f"change of unit, factor: expected a number above zero, was {self.factor}"
            )


def step_factors(opens_us: IntArray, length_us: int, changes: Sequence[UnitChange]) -> FloatArray:
    """Return by what prices of the bar just before each bar are multiplied to stand beside it.

    Bars of ``length_us`` microseconds open at ``opens_us``. 1.0 where the unit stays; NaN for a bar
    within which the unit changes, for its own prices are in two units.
    """
    factors = np.ones(len(opens_us))
    for change in changes:
        if change.factor == 1:
            continue
        at_us = change.at_ms * 1000
        began = (opens_us <= at_us) & (at_us < opens_us + length_us)
        factors[began] *= np.where(opens_us[began] == at_us, change.factor, np.nan)
    return factors
