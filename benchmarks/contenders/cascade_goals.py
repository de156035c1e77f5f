"""What the cascade has to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OURS, FRAMES = "ours, exact sums", "ours, frame by frame, every value checked"
PANDAS = ("pandas resample", "pandas groupby and Grouper")
PEERS = (*PANDAS, "polars group_by_dynamic", "polars truncate and group_by",
         "polars streaming", "DuckDB time_bucket")  # fmt: skip
SQL, BULK, LIVE = "PostgreSQL date_bin", "ours, from and into the warehouse", "500 live instruments"

Found = Mapping[str, Any]


def late_name(millions: int) -> str:
    """Return the name of the measurement of a late minute beside so many million candles."""
    return f"a late minute beside {millions}M candles"


def judge(results: Mapping[str, Found], sizes: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """Return every goal that was measured, with its value, its target and whether it was met."""
    rate = {name: found["rows"] / found["wall_s"] for name, found in results.items()
            if "wall_s" in found}  # fmt: skip
    goals = {}
    others = [rate[name] for name in (*PEERS, SQL) if name in rate]
    if OURS in rate and others:
        goals["in memory, by the best other way"] = at_least(rate[OURS] / max(others), 1.0)
    for name in PANDAS:
        if name in rate:
            goals[f"in memory, by {name}"] = at_least(rate[OURS] / rate[name], 10.0)
    if BULK in results:
        share = results[BULK]["write_share"]
        goals["share of PostgreSQL's own write, from and into the warehouse"] = at_least(share, 0.7)
    late = [results[late_name(size)]["cascade_ms_p50"] for size in sizes
            if late_name(size) in results]  # fmt: skip
    if len(late) > 1:
        name = f"a late minute, by the {late_name(sizes[0]).removeprefix('a late minute ')}"
        goals[name] = at_most(max(late[1:]) / late[0], 1.2)
    if LIVE in results:
        goals["a minute of 500 instruments, all levels, ms p99"] = at_most(
            results[LIVE]["ms_p99"], 150.0
        )
    return goals


def at_least(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met by reaching ``target``."""
    return {"value": round(value, 3), "target": target, "met": value >= target}


def at_most(value: float, target: float) -> dict[str, Any]:
    """Return a goal that is met by staying within ``target``."""
    return {"value": round(value, 3), "target": target, "met": value <= target}
