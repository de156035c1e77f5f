"""Roll-up 1m → 5m → 30m → 4h in memory: ours against pandas and polars, in one run.

    make bench NAME=cascade

Peers that Candlewick itself does not use live in a virtual environment made here. Each engine
rolls up the same year of one instrument, repeated; the best of several runs counts, and ratios are
the result.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from include.cascade.rollup import roll_up
from include.market.candle import CANDLE_COLUMNS, FLOAT_COLUMNS, VOLUME_COLUMNS
from include.market.timeframe import CASCADE

HERE = Path(__file__).parent
RESULT = HERE / "results" / "cascade.json"
ROWS = 525_600
REPEATS = 5
PEERS = ("polars==2.1.0", "pyarrow==26.0.1")
RULES = ("5min", "30min", "4h")
PEER_SCRIPT = """
import sys, time
import polars as pl
frame = pl.read_parquet(sys.argv[1])
sums = ["volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume", "trade_count"]
def roll(frame, rule):
    return frame.group_by(pl.col("open_time").dt.truncate(rule)).agg(
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        *[pl.col(name).sum() for name in sums]).sort("open_time")
best = 9e9
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    rolled = frame
    for rule in ("5m", "30m", "4h"):
        rolled = roll(rolled, rule)
    best = min(best, time.perf_counter() - started)
print(best)
"""


def make_candles(rows: int) -> pd.DataFrame:
    """Return a year of plausible 1m candles."""
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, rows)))
    opened = np.concatenate([[100.0], close[:-1]])
    columns = {
        "open_time": pd.date_range("2025-01-01", periods=rows, freq="min", tz="UTC", unit="us"),
        "open": opened,
        "high": np.maximum(opened, close) * 1.0001,
        "low": np.minimum(opened, close) * 0.9999,
        "close": close,
        **{name: random.exponential(10, rows).round(3) for name in VOLUME_COLUMNS},
        "trade_count": random.integers(1, 500, rows),
    }
    return pd.DataFrame(columns)[list(CANDLE_COLUMNS)]


def roll_up_ours(candles: pd.DataFrame) -> pd.DataFrame:
    """Roll up through every level with the project's own cascade."""
    for source, target in CASCADE:
        candles = roll_up(candles, source, target)
    return candles


def roll_up_pandas(candles: pd.DataFrame) -> pd.DataFrame:
    """Roll up through every level with ``DataFrame.resample``."""
    ways = dict.fromkeys((*VOLUME_COLUMNS, "trade_count"), "sum") | {
        "open": "first",
        "high": "max",
        "low": "min",
        "close": "last",
    }
    rolled = candles.set_index("open_time")
    for rule in RULES:
        rolled = rolled.resample(rule).agg(ways)
    return rolled


def best_of(roll: Callable[[pd.DataFrame], pd.DataFrame], candles: pd.DataFrame) -> float:
    """Return the seconds of the fastest of several runs."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        roll(candles)
        times.append(time.perf_counter() - started)
    return min(times)


def time_polars(candles: pd.DataFrame) -> float:
    """Return polars' seconds, measured in its own virtual environment."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", str(python.parents[1])], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), *PEERS], check=True)
        data = Path(folder) / "candles.parquet"
        candles.to_parquet(data)
        done = subprocess.run(
            [str(python), "-c", PEER_SCRIPT, str(data), str(REPEATS)],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(done.stdout)


def main() -> None:
    """Measure, print ratios, write the result file."""
    candles = make_candles(ROWS)
    ours, plain = roll_up_ours(candles), roll_up_pandas(candles)
    for name in FLOAT_COLUMNS:
        np.testing.assert_allclose(ours[name], plain[name], rtol=1e-12)
    seconds = {
        "ours (exact sums)": best_of(roll_up_ours, candles),
        "pandas resample": best_of(roll_up_pandas, candles),
        "polars group_by": time_polars(candles),
    }
    mine = seconds["ours (exact sums)"]
    rows = [
        {"engine": name, "rows_per_s": round(ROWS / value), "ours_is_faster": value / mine}
        for name, value in seconds.items()
    ]
    for row in rows:
        print(f"{row['engine']:20} {row['rows_per_s']:>12,} rows/s  x{row['ours_is_faster']:.2f}")
    ratio = seconds["pandas resample"] / mine
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            {
                "machine": machine,
                "goals": {
                    "not slower than pandas": {"value": ratio, "target": 1.0, "met": ratio >= 1}
                },
                "rows": rows,
            },
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
