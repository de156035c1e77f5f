"""How cuts are timed and scored; runs in every environment."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_data as data

Found = dict[str, Any]
Cut = Callable[[Any], list[int]]


def load_metrics() -> Any:
    """Return ours of F1 and covering, which need nothing but the standard library."""
    root = str(Path(__file__).parents[2])
    if root not in sys.path:
        sys.path.append(root)
    return importlib.import_module("include.channels.segmentation_metrics")


def time_best(run: Callable[[], Any], repeats: int) -> tuple[Any, Found]:
    """Return what ``run`` returns, and the seconds of the quickest run."""
    wall, cpu, found = float("inf"), float("inf"), None
    for _ in range(repeats):
        started, spent = time.perf_counter(), time.process_time()
        found = run()
        wall = min(wall, time.perf_counter() - started)
        cpu = min(cpu, time.process_time() - spent)
    return found, {"wall_s": wall, "cpu_s": cpu}


def score(cut: Cut, count: int) -> Found:
    """Return mean F1 and covering of the first ``count`` simulated series of every noise."""
    metrics = load_metrics()
    found: Found = {}
    for kind in data.KINDS:
        scores = []
        for seed in range(count):
            values, breaks = data.draw_trends(seed, kind)
            own = cut(values)
            scores.append(
                (
                    metrics.f1_score([breaks], own, data.MARGIN),
                    metrics.covering([breaks], own, len(values)),
                )
            )
        means = np.mean(scores, axis=0)
        found[kind] = {"f1": float(means[0]), "covering": float(means[1]), "series": count}
    return found
