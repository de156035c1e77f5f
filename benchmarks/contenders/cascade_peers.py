"""The usual ways to roll candles up: pandas, polars, DuckDB. Runs in the peers' environment."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
from cascade_run import Run, main

SUMS = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume", "trade_count")
WAYS = dict.fromkeys(SUMS, "sum") | {
    "open": "first", "high": "max", "low": "min", "close": "last",
}  # fmt: skip
RULES = ("5min", "30min", "4h")
DUCKDB_LEVEL = """
CREATE OR REPLACE TEMP TABLE {target} AS
SELECT instrument_id, time_bucket(INTERVAL '{length}', open_time) AS open_time,
    {first} AS open, max(high) AS high, min(low) AS low, {last} AS close, {sums}
FROM {source} GROUP BY ALL {order}
"""


def sum_up(rolled: Any) -> dict[str, float]:
    """Return what all ways must agree on."""
    return {
        "last_rows": len(rolled),
        **{f"{name}_sum": float(rolled[name].sum()) for name in ("high", "volume", "close")},
    }


def pandas_resample(path: str) -> tuple[Run, Any, int]:
    """Call ``DataFrame.resample`` for one instrument after another."""
    table = pd.read_parquet(path)
    parts = {
        key: part.drop(columns="instrument_id").set_index("open_time")
        for key, part in table.groupby("instrument_id")
    }

    def run() -> list[pd.DataFrame]:
        rolled = list(parts.values())
        for rule in RULES:
            rolled = [part.resample(rule).agg(WAYS) for part in rolled]
        return rolled

    return run, lambda rolled: sum_up(pd.concat(rolled)), len(table)


def pandas_groupby(path: str) -> tuple[Run, Any, int]:
    """Group by instrument and bucket at once."""
    table = pd.read_parquet(path)

    def run() -> pd.DataFrame:
        rolled = table
        for rule in RULES:
            keys = ["instrument_id", pd.Grouper(key="open_time", freq=rule)]
            rolled = rolled.groupby(keys).agg(WAYS).reset_index()
        return rolled

    return run, sum_up, len(table)


def _polars(path: str, *, dynamic: bool) -> tuple[Run, Any, int]:
    pl = importlib.import_module("polars")
    table = pl.read_parquet(path).with_columns(pl.col("open_time").set_sorted())
    values = [
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        *[pl.col(name).sum() for name in SUMS],
    ]  # fmt: skip

    def level(frame: Any, every: str) -> Any:
        if dynamic:
            grouped = frame.group_by_dynamic("open_time", every=every, group_by="instrument_id")
            return grouped.agg(values)
        keys = ["instrument_id", pl.col("open_time").dt.truncate(every)]
        return frame.group_by(keys).agg(values).sort("instrument_id", "open_time")

    def run() -> Any:
        rolled = table
        for every in ("5m", "30m", "4h"):
            rolled = level(rolled, every)
        return rolled

    return run, sum_up, len(table)


def polars_dynamic(path: str) -> tuple[Run, Any, int]:
    """Call ``group_by_dynamic``."""
    return _polars(path, dynamic=True)


def polars_truncate(path: str) -> tuple[Run, Any, int]:
    """Truncate the time, group by it, sort."""
    return _polars(path, dynamic=False)


def polars_streaming(path: str) -> tuple[Run, Any, int]:
    """Truncate and group in polars' streaming engine, all levels in one query."""
    pl = importlib.import_module("polars")
    table = pl.read_parquet(path)
    values = [
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        *[pl.col(name).sum() for name in SUMS],
    ]  # fmt: skip

    def run() -> Any:
        rolled = table.lazy()
        for every in ("5m", "30m", "4h"):
            keys = ["instrument_id", pl.col("open_time").dt.truncate(every)]
            rolled = rolled.group_by(keys).agg(values).sort("instrument_id", "open_time")
        return rolled.collect(engine="streaming")

    return run, sum_up, len(table)


def duckdb_sql(path: str) -> tuple[Run, Any, int]:
    """Group by ``time_bucket`` in DuckDB, in memory, from a table of its own."""
    duckdb = importlib.import_module("duckdb")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE candles AS SELECT * FROM read_parquet(?)", [path])
    rows = connection.execute("SELECT count(*) FROM candles").fetchone()[0]
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)

    def run() -> Any:
        source = "candles"
        for target, length in (("l1", "5 minutes"), ("l2", "30 minutes"), ("l3", "4 hours")):
            connection.execute(
                DUCKDB_LEVEL.format(
                    source=source, target=target, length=length, sums=sums, order="",
                    first="arg_min(open, open_time)", last="arg_max(close, open_time)",
                )
            )  # fmt: skip
            source = target
        return source

    return run, lambda name: sum_up(connection.execute(f"SELECT * FROM {name}").df()), rows  # noqa: S608


if __name__ == "__main__":
    main(
        {
            "pandas_resample": pandas_resample,
            "pandas_groupby": pandas_groupby,
            "polars_dynamic": polars_dynamic,
            "polars_truncate": polars_truncate,
            "polars_streaming": polars_streaming,
            "duckdb": duckdb_sql,
        }
    )
