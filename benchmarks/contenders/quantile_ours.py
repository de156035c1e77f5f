"""Our own quantile engines: lines in one call for all, planes of any number of columns."""

from __future__ import annotations

import numpy as np
from quantile_run import TAUS, Problem, Run, main

from include.channels.quantile import fit_many
from include.channels.quantile_planes import fit_planes


def lines(problem: Problem) -> Run:
    """Fit lines over the second column, which is time."""
    times = np.ascontiguousarray(problem.design[:, 1])
    reaches = times[problem.starts[:-1]]

    def run() -> tuple[np.ndarray, np.ndarray]:
        found, gaps = fit_many(problem.values, times, problem.starts, TAUS)
        # From the height at the first time to the one at time 0.
        found[..., 0] -= found[..., 1] * reaches[:, None]
        return found, gaps

    return run


def planes(problem: Problem) -> Run:
    """Fit planes over all columns."""
    return lambda: fit_planes(problem.values, problem.design, problem.starts, TAUS)


if __name__ == "__main__":
    main({"lines": lines, "planes": planes})
