"""How a contender is timed: all is read and imported before, and the quickest run counts."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Run = Callable[[], Any]
Way = Callable[[str], tuple[Run, Callable[[Any], dict[str, float]], int]]
"""Reads the file named; returns what to time, what sums the result up, and the number of rows."""


def main(ways: Mapping[str, Way]) -> None:
    """Time the way that is named on the file that is named, so often; print what was found."""
    way, path, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run, check, rows = ways[way](path)
    run()
    best, spent, result = float("inf"), float("inf"), None
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        best = min(best, time.perf_counter() - wall)
        spent = min(spent, time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"rows": rows, "wall_s": best, "cpu_s": spent, "rss_mb": peak, **check(result)}
    print(json.dumps(found))
