"""ruptures and skchange on the same series. Runs in the peers' environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import ruptures
from segmentation_run import Cut, Found, score, time_best

MIN_LENGTH = 12
DIFFERENCE = np.sqrt(6.0)
"""Deviation of the second difference of noise with deviation 1."""


def line_signal(values: Any) -> Any:
    """Return the values with the columns that ruptures' CostLinear regresses them on."""
    return np.column_stack([values, np.ones(len(values)), np.arange(len(values))])


def search(name: str, values: Any, breaks: int, penalty: float) -> Callable[[], list[int]]:
    """Return a peer's search of the best cut of one series under unit noise."""
    signal = line_signal(values)
    settings = {"model": "linear", "min_size": MIN_LENGTH, "jump": 1}
    if name == "ruptures Pelt":
        return lambda: ruptures.Pelt(**settings).fit(signal).predict(pen=penalty)[:-1]
    if name == "ruptures Dynp":
        return lambda: ruptures.Dynp(**settings).fit(signal).predict(n_bkps=breaks)[:-1]
    if name == "ruptures Binseg":
        return lambda: ruptures.Binseg(**settings).fit(signal).predict(pen=penalty)[:-1]
    if name == "ruptures KernelCPD, means":
        # Finds changes of the mean: lines are not to be had; the time alone is comparable.
        kernel = ruptures.KernelCPD(kernel="linear", min_size=MIN_LENGTH)
        return lambda: kernel.fit(values).predict(pen=penalty)[:-1]
    return skchange_pelt(values, penalty)


def skchange_pelt(values: Any, penalty: float) -> Callable[[], list[int]]:
    """Return skchange's exact search with its cost of a linear trend."""
    from skchange.detectors import PELT
    from skchange.interval_scorers import LinearTrendCost

    column = values[:, None]
    detector = PELT(LinearTrendCost(), penalty=penalty, min_segment_length=MIN_LENGTH)
    return lambda: [int(place) for place in detector.fit(column).predict(column)]


def timed(name: str, path: str, breaks: int, penalty: float) -> Found:
    """Time one peer on a stored series; the first run, on a hundred values, does not count."""
    values = np.load(path)
    search(name, values[:100], 1, penalty)()
    found, timing = time_best(search(name, values, breaks, penalty), 1)
    return {"values": len(values), **timing, "breaks": [int(place) for place in found]}


def scored(name: str, count: int) -> Found:
    """Score a peer with lines, the usual penalty and a robust scale of second differences."""
    kind = {"ruptures Pelt": ruptures.Pelt, "ruptures Binseg": ruptures.Binseg}[name]

    def cut(values: Any) -> list[int]:
        scale = 1.4826 * float(np.median(np.abs(np.diff(values, 2)))) / DIFFERENCE
        detector = kind(model="linear", min_size=MIN_LENGTH).fit(line_signal(values))
        return list(detector.predict(pen=3 * np.log(len(values)) * scale**2)[:-1])

    used: Cut = cut
    return score(used, count)


if __name__ == "__main__":
    if sys.argv[1] == "score":
        print(json.dumps(scored(sys.argv[2], int(sys.argv[3]))))
    else:
        _, who, where, wanted, price = sys.argv[1:]
        print(json.dumps(timed(who, where, int(wanted), float(price))))
