"""What the contenders of the quantile benchmark share: the problem, and how a fit of it is timed.

A problem is a folder of plain numbers, which R reads as easily: ``values`` (float64), ``design``
(float64, a column after the other, the constant first), ``starts`` (int32: segment ``s`` holds the
rows ``starts[s]`` to ``starts[s + 1]``). Coefficients come back alike: a column after the other,
of a row per segment and level.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TAUS = (0.05, 0.25, 0.5, 0.75, 0.95)
Array = NDArray[np.float64]
Run = Callable[[], tuple[Array, Array | None]]
"""Returns coefficients, (segments, levels, columns), and duality gaps where there are any."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Segments of values, and a design with a row for each of them."""

    values: Array
    design: Array
    starts: NDArray[np.int64]

    def write(self, folder: Path) -> None:
        """Write the problem into a new folder."""
        folder.mkdir()
        self.values.tofile(folder / "values")
        self.design.T.tofile(folder / "design")
        self.starts.astype(np.int32).tofile(folder / "starts")

    def thin(self, step: int) -> Problem:
        """Return every ``step``-th segment."""
        bounds = list(pairwise(self.starts))[::step]
        rows = np.concatenate([np.arange(start, end) for start, end in bounds])
        lengths = [end - start for start, end in bounds]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return Problem(self.values[rows], np.asfortranarray(self.design[rows]), starts)

    def segments(self) -> list[tuple[Array, Array]]:
        """Return values and design of every segment."""
        return [
            (self.values[start:end], np.ascontiguousarray(self.design[start:end]))
            for start, end in pairwise(self.starts)
        ]


Way = Callable[[Problem], Run]


def read_problem(folder: Path) -> Problem:
    """Read what ``Problem.write`` wrote."""
    values = np.fromfile(folder / "values")
    design = np.fromfile(folder / "design").reshape(-1, len(values)).T
    return Problem(values, design, np.fromfile(folder / "starts", dtype=np.int32).astype(np.int64))


def one_by_one(fit: Callable[[Array, Array, float], Any]) -> Way:
    """Return the way that calls ``fit(values, design, tau)`` for every segment and level."""

    def prepare(problem: Problem) -> Run:
        segments = problem.segments()
        return lambda: (
            np.array([[fit(values, design, tau) for tau in TAUS] for values, design in segments]),
            None,
        )

    return prepare


def main(ways: Mapping[str, Way]) -> None:
    """Fit the problem by the way named; write the coefficients, print the quickest run's time.

    Arguments: way, folder of the problem, every how many-th segment, how often, file to write.
    """
    way, folder, step, repeats, out = sys.argv[1:]
    # Solvers that tell of tied optima or of iterations that did not suffice: losses show it.
    warnings.simplefilter("ignore")
    whole = read_problem(Path(folder))
    problem = whole.thin(int(step))
    first = max(len(problem.starts) // 2, 1) if len(problem.starts) > 2 else 1
    small = problem.thin(first)
    if first == 1:
        small = Problem(problem.values[:400], problem.design[:400], np.array([0, 400]))
    ways[way](small)()
    run = ways[way](problem)
    best = spent = float("inf")
    for _ in range(int(repeats)):
        wall, cpu = time.perf_counter(), time.process_time()
        coefficients, gaps = run()
        best = min(best, time.perf_counter() - wall)
        spent = min(spent, time.process_time() - cpu)
    np.asarray(coefficients).reshape(-1, problem.design.shape[1]).T.tofile(out)
    found = {"segments": len(problem.starts) - 1, "wall_s": best, "cpu_s": spent}
    print(json.dumps(found | ({} if gaps is None else {"gap": float(gaps.max())})))
