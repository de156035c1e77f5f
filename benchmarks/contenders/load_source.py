"""What the peers have in common: the candles as Arrow or as Python's values, and the clock."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 50_000
COLUMNS = (
    "instrument_id", "open_time", "open", "high", "low", "close", "volume", "quote_volume",
    "taker_buy_volume", "taker_buy_quote_volume", "trade_count",
)  # fmt: skip

Way = Callable[[str, Path, int], int | None]
"""Takes the database, the folder and the most rows; may tell how many rows there were."""


def schema(folder: Path) -> pa.Schema:
    """Return what the columns are."""
    return pq.read_schema(folder / "candles.parquet")


def batches(folder: Path, limit: int) -> Iterator[pa.RecordBatch]:
    """Yield the candles, ``limit`` at most."""
    left = limit
    for batch in pq.ParquetFile(folder / "candles.parquet").iter_batches(BATCH_ROWS):
        if left > 0:
            yield batch.slice(0, left)
        left -= len(batch)


def records(folder: Path, limit: int) -> Iterator[tuple[Any, ...]]:
    """Yield the candles one by one, as Python's own values."""
    for batch in batches(folder, limit):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def run(ways: Mapping[str, Way], repeats: Mapping[str, int] | None = None) -> None:
    """Run the way that the command line names; print rows, seconds and the peak of memory.

    A way with ``repeats`` runs as often, and the quickest counts.
    """
    way, dsn, folder, limit = sys.argv[1:]
    best: dict[str, float] = {}
    times = (repeats or {}).get(way, 1)
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = ways[way](dsn, Path(folder), int(limit))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if not best or wall < best["wall_s"]:
            best = {"rows": int(limit) if rows is None else rows, "wall_s": wall, "cpu_s": cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**best, "rss_mb": peak, "repeats": times}))
