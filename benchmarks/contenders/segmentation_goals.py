"""What segmentation has to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Found = Mapping[str, Any]
LONG = 10_000
"""Growth is read off from this length on: below it fixed costs speak."""
YEAR = 525_600
REAL = "ours, a year of real minutes, spikes and noise included"
ONLINE = "ours, one more candle of 500 instruments"
TARGETS = {"normal": 0.9, "t3": 0.9, "t2": 0.9, "outliers": 0.9, "ar": 0.7}
PUBLISHED = {"f1": 0.698, "covering": 0.672}
"""Best published defaults on TCPDBench's univariate series (binseg)."""


def growth(times: Mapping[int, float]) -> float | None:
    """Return the exponent of the power law through seconds by length; None for one length."""
    long = {count: seconds for count, seconds in times.items() if count >= LONG}
    if len(long) < 2:
        return None
    return float(np.polyfit(np.log(list(long)), np.log(list(long.values())), 1)[0])


def judge(results: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return every goal that was measured, with its value, its target and whether it was met."""
    return judge_speed(results) | judge_accuracy(results)


def judge_speed(results: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return the goals of exactness, seconds and growth. Seconds are CPU seconds of one process."""
    goals: dict[str, dict[str, Any]] = {}
    seconds = {name: found["cpu_s"] for name, found in results.items() if "cpu_s" in found}
    for count in (1000, 3000):
        ours, peer = f"ours, trends, {count}", f"ruptures Pelt, {count}"
        if ours in seconds and peer in seconds:
            goals[f"times {peer} values"] = at_least(seconds[peer] / seconds[ours], 1000)
    for name, found in results.items():
        if "excess" in found:
            goals[f"cost beyond ours, {name} values"] = at_least(found["excess"], -1e-9)
    trends = {
        found["values"]: found["cpu_s"]
        for name, found in results.items()
        if name.startswith("ours, trends, ")
    }
    exponent = growth(trends)
    if exponent is not None:
        goals["growth exponent on trends"] = at_most(exponent, 1.2)
    limits = {REAL: 1.0, f"ours, no change, {YEAR}": 20.0, ONLINE: 1.0}
    return goals | {
        f"{name}, s": at_most(seconds[name], limit)
        for name, limit in limits.items()
        if name in seconds
    }


def judge_accuracy(results: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return the goals of found breaks and false alarms."""
    goals: dict[str, dict[str, Any]] = {}
    if "accuracy, ours" in results:
        for kind, target in TARGETS.items():
            found = results["accuracy, ours"][kind]
            goals[f"F1, {kind} noise"] = at_least(found["f1"], target)
            goals[f"false alarms, {kind} noise"] = at_most(found["false_alarms"], 0.05)
    if "TCPD" in results:
        for score, best in PUBLISHED.items():
            name = f"TCPD {score}, the best published default being {best}"
            goals[name] = at_least(results["TCPD"]["ours"][score], best)
            same = [means[score] for way, means in results["TCPD"].items()
                    if way not in ("ours", "series", "by_series") and score in means]  # fmt: skip
            name = f"TCPD {score}, by the best published default on the same series"
            goals[name] = at_least(results["TCPD"]["ours"][score] / max(same), 1.0)
    return goals


def at_least(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met by reaching ``target``."""
    return {"value": float(f"{value:.4g}"), "target": target, "met": value >= target}


def at_most(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met by staying within ``target``."""
    return {"value": float(f"{value:.4g}"), "target": target, "met": value <= target}
