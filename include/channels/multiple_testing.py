"""Which of many tests may be believed together: the false discovery rate of one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.market.errors import InvalidInputError


def choose_published(p_values: Sequence[float | None], fdr: float) -> list[bool]:
    """Return for every p-value whether it may be published at false discovery rate ``fdr``.

    None (not judged) is never chosen and is no test: it makes the others no dearer. Among those
    chosen at most the share ``fdr`` is false on average, where the tests are independent or lean
    on each other in the same direction, as instruments of one market do.

    Source: Benjamini and Hochberg (JRSS B 57, 1995); dependence: Benjamini and Yekutieli (2001).

    Raises:
        InvalidInputError: ``fdr`` is not between 0 and 1, or a p-value is NaN or outside [0, 1].
    """
    threshold = discovery_threshold(p_values, fdr)
    return [p_value is not None and p_value <= threshold for p_value in p_values]


def discovery_threshold(p_values: Sequence[float | None], fdr: float) -> float:
    """Return the largest p-value that may be published, 0 where none may but an impossible one.

    Raises:
        InvalidInputError: as ``choose_published``.
    """
    if not 0 < fdr < 1:
        raise InvalidInputError(f"false discovery rate was {fdr}: choose one between 0 and 1")
    judged = np.sort(np.array([each for each in p_values if each is not None], dtype=np.float64))
    if not ((judged >= 0) & (judged <= 1)).all():
        raise InvalidInputError(
            f"p-values must lie in [0, 1], were {judged[~((judged >= 0) & (judged <= 1))]}: "
            "pass None for a fit that was not judged"
        )
    allowed = fdr * np.arange(1, len(judged) + 1) / max(len(judged), 1)
    passing = np.flatnonzero(judged <= allowed)
    return float(allowed[passing[-1]]) if len(passing) else 0.0
