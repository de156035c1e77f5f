"""What the quantile engine has to reach, whether it did, and whose lines are how good."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from contenders.quantile_run import TAUS, Array, Problem

OURS, PLANES = "ours", "ours, planes"
STATSMODELS, R_BR = "statsmodels QuantReg", "R quantreg, br"
LARGE = 500_000
WORSE = 1e-6
"""A loss that lies further above the least one, as a share of it, counts as not the optimum."""

Found = Mapping[str, Any]


def losses_of(problem: Problem, coefficients: Array) -> Array:
    """Return the pinball loss of every segment and level, (segments, levels)."""
    lengths = [end - start for start, end in pairwise(problem.starts)]
    columns = []
    for place, tau in enumerate(TAUS):
        planes = np.repeat(coefficients[:, place], lengths, axis=0)
        errors = problem.values - np.einsum("ij,ij->i", problem.design, planes)
        parts = np.maximum(tau * errors, (tau - 1) * errors)
        columns.append(np.add.reduceat(parts, problem.starts[:-1]))
    return np.column_stack(columns)


def compare(losses: Array, least: Array) -> dict[str, float]:
    """Tell how far ``losses`` lie above those of ours, as shares of them, and how often."""
    excess = losses / least - 1
    return {
        "excess_most": float(excess.max()),
        "excess_least": float(excess.min()),
        "share_worse": float(np.mean(~(excess <= WORSE))),
    }


def per_fit(found: Found) -> float:
    """Return the CPU seconds of one segment, all levels."""
    return float(found["cpu_s"]) / int(found["segments"])


def judge(batch: Mapping[str, Found], clouds: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return every goal that was measured, with its value, its target and whether it was met."""
    goals = {}
    for name, target in ((STATSMODELS, 1000.0), (R_BR, 15.0)):
        if name in batch:
            ratio = per_fit(batch[name]) / per_fit(batch[OURS])
            goals[f"batch, CPU of {name} by ours"] = _goal(ratio, target, ratio >= target)
    everyone = [*batch.values(), *clouds.values()]
    gap = max(found["gap"] for found in everyone if "gap" in found)
    goals["largest duality gap of ours"] = _goal(gap, 1e-9, gap <= 1e-9)
    undercut = -min(found["excess_least"] for found in everyone)
    goals["furthest that anyone gets below ours, share of the loss"] = _goal(
        undercut, 1e-9, undercut <= 1e-9
    )
    longest = clouds.get(cloud_name(OURS, LARGE, 2))
    if longest is not None:
        spent = longest["cpu_s"]
        goals["500,000 points, line, five levels, CPU s"] = _goal(spent, 0.1, spent <= 0.1)
    return goals


def cloud_name(contender: str, count: int, width: int) -> str:
    """Return the name of a measurement on one long cloud."""
    return f"{contender}, n = {count:,}, p = {width}"


def _goal(value: float, target: float, met: bool) -> dict[str, Any]:
    return {"value": float(f"{value:.4g}"), "target": target, "met": bool(met)}
