"""What the load benchmark is to reach: ratios of one run, absolute figures only where agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIRST, AGAIN, REVISED, IN_USE = (
    "ours, empty months", "ours, the same again", "ours, 1 % revised", "ours, a month in use",
)  # fmt: skip
READ = "ours, a year to pandas"
LIMIT, LIMIT_WHOLE, LIMIT_FROZEN, LIMIT_TWICE = (
    "limit: ready bytes, bare table", "limit with lineage columns", "limit with FREEZE",
    "limit over two sessions",
)  # fmt: skip
COPY_TO, COPY_TO_ORDERED = "limit: COPY TO, in any order", "limit: COPY TO, in order of time"
TO_SQL = "pandas to_sql"
DLT = ("dlt, its default", "dlt, CSV", "dlt, Parquet by ADBC")

Found = Mapping[str, Any]


def judge(results: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """Return each goal with its value, target and whether it is met."""

    def speed(name: str) -> float:
        return float(results[name]["rows_per_s"])

    first = speed(FIRST)
    goals = {
        "empty months: share of COPY of ready bytes into a bare table": least(
            first / speed(LIMIT), 0.6
        ),
        "the same again: rows per second": least(speed(AGAIN), 400_000),
        "the same again: share of the WAL of a logged first load": most(
            results[AGAIN]["wal_mb"] / results[LIMIT]["wal_mb"], 0.01
        ),
        "1 % revised: share of the speed of the first load": least(speed(REVISED) / first, 0.5),
        "most memory of a loading process, MB": most(
            max(results[name]["rss_mb"] for name in (FIRST, AGAIN, REVISED, IN_USE)), 600
        ),
        "empty months: times pandas to_sql": least(first / speed(TO_SQL), 50),
    }
    for name in DLT:
        goals[f"empty months: times {name}"] = least(first / speed(name), 10)
    for name in (COPY_TO, COPY_TO_ORDERED):
        share = f"a year to pandas: share of {name.removeprefix('limit: ')}, to nowhere"
        goals[share] = least(speed(READ) / speed(name), 0.8)
    return goals


def least(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met from ``target`` on."""
    return {"value": round(value, 4), "target": target, "met": value >= target}


def most(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met up to ``target``."""
    return {"value": round(value, 5), "target": target, "met": value <= target}
