"""Candlewick's own cuts: seconds, costs, breaks. Everything is compiled before the clock starts."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_data as data
from segmentation_run import Found, score, time_best

from include.channels.online_segmentation import begin_online, extend_online
from include.channels.segmentation import bic_penalty, cut_optimally, segment_lines

MIN_LENGTH = 12


def breaks_of(bounds: tuple[tuple[int, int], ...]) -> list[int]:
    """Return where segments start, but the first."""
    return [start for start, _ in bounds[1:]]


def search(path: str, repeats: int) -> Found:
    """Cut a stored series under unit noise: the search alone."""
    values = np.load(path)
    times, penalty = np.arange(float(len(values))), bic_penalty(len(values))
    cut_optimally(values[:100], times[:100], MIN_LENGTH, penalty)
    found, timing = time_best(lambda: cut_optimally(values, times, MIN_LENGTH, penalty), repeats)
    bounds, objective = found
    return {"values": len(values), **timing, "objective": objective, "breaks": breaks_of(bounds)}


def whole(path: str, repeats: int) -> Found:
    """Cut a stored series as channels do: spikes, noise scale and search."""
    values = np.load(path)
    segment_lines(values[:100], min_length=MIN_LENGTH)
    cut, timing = time_best(lambda: segment_lines(values, min_length=MIN_LENGTH), repeats)
    return {"values": len(values), **timing, "breaks": len(cut.bounds) - 1}


def online(_: str, repeats: int) -> Found:
    """Take one more candle of 500 instruments with 1,500 candles each, and cut them anew."""
    rng = np.random.default_rng(1)
    series = [np.cumsum(rng.normal(size=1500)) + rng.normal(size=1500) for _ in range(500)]
    states = [begin_online(values, min_length=MIN_LENGTH) for values in series]
    more = [values[-1] + rng.normal(size=1) for values in series]

    def step() -> list[int]:
        known = [extend_online(s, new) for s, new in zip(states, more, strict=True)]
        return [len(state.cut().bounds) for state in known]

    step()
    return {"instruments": 500, **time_best(step, repeats)[1]}


def accuracy(_: str, count: int) -> Found:
    """Score the default configuration on simulated trends and on series without a break."""

    def cut(values: Any) -> list[int]:
        return breaks_of(segment_lines(values, min_length=MIN_LENGTH).bounds)

    found = score(cut, count)
    for kind in data.KINDS:
        alarms = [bool(cut(data.draw_one_trend(seed, kind))) for seed in range(count)]
        found[kind]["false_alarms"] = float(np.mean(alarms))
    return found


if __name__ == "__main__":
    way, target, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ways = {"search": search, "whole": whole, "online": online, "accuracy": accuracy}
    started = time.perf_counter()
    result = ways[way](target, number)
    print(f"{way} {Path(target).name} {time.perf_counter() - started:.1f} s", file=sys.stderr)
    print(json.dumps(result))
