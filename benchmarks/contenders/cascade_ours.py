"""Candlewick's own roll-up, in memory: arrays of all instruments, or a frame of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from cascade_run import Run, main

from include.cascade.rollup import roll_up, roll_up_series
from include.cascade.series import SeriesCandles
from include.market.candle import VALUE_COLUMNS
from include.market.timeframe import CASCADE

Check = Callable[[Any], dict[str, float]]


def read_series(path: str) -> SeriesCandles:
    """Return the file as the roll-up of many instruments takes it."""
    table = pq.read_table(path)
    cells = {name: table.column(name).to_numpy() for name in VALUE_COLUMNS}
    cells["flags"] = np.zeros(len(table), dtype=np.int64)
    times = table.column("open_time").to_numpy().view(np.int64)
    return SeriesCandles(table.column("instrument_id").to_numpy(), times, cells)


def arrays(path: str) -> tuple[Run, Check, int]:
    """Roll up all instruments at once, as the stages do."""
    candles = read_series(path)

    def run() -> SeriesCandles:
        rolled = candles
        for source, target in CASCADE:
            rolled = roll_up_series(rolled, source, target)
        return rolled

    def check(rolled: SeriesCandles) -> dict[str, float]:
        return {
            "last_rows": len(rolled),
            "high_sum": float(rolled.cells["high"].sum()),
            "volume_sum": float(rolled.cells["volume"].sum()),
            "close_sum": float(rolled.cells["close"].sum()),
        }

    return run, check, len(candles)


def frames(path: str) -> tuple[Run, Check, int]:
    """Roll up a frame of one instrument after another, each value checked first."""
    table = pq.read_table(path).to_pandas()
    parts = [part.reset_index(drop=True) for _, part in table.groupby("instrument_id")]

    def run() -> list[pd.DataFrame]:
        rolled = parts
        for source, target in CASCADE:
            rolled = [roll_up(part, source, target) for part in rolled]
        return rolled

    def check(rolled: list[pd.DataFrame]) -> dict[str, float]:
        return {
            "last_rows": sum(len(part) for part in rolled),
            **{f"{name}_sum": float(sum(part[name].sum() for part in rolled))
               for name in ("high", "volume", "close")},
        }  # fmt: skip

    return run, check, len(table)


if __name__ == "__main__":
    main({"arrays": arrays, "frames": frames})
