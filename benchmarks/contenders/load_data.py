"""The candles that everyone loads: landed Parquet as the jobs write it, and files ready for peers.

Candles are drawn at random but keep a venue's habits: prices of 2 decimals, volumes of 5, no minute
left out. One landing is one instrument's month, as the archive has it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.exchanges.binance_spot.client import TRAITS
from include.exchanges.row_texts import RowTexts
from include.exchanges.rows import CandleRows
from include.jobs.storage import payload_sha256, write_frame, write_rows
from include.market.candle import FLOAT_COLUMNS, STATED_COLUMNS, VALUE_COLUMNS
from include.warehouse.pgbinary import encode_rows, encode_times

MINUTE_MS = 60_000
YEAR = 2025
REVISED_SHARE = 0.01
HEADER_BYTES, TRAILER_BYTES = 19, 2


@dataclass(frozen=True)
class Landed:
    """One landing: ``turn`` is when it is loaded, one of first, again, revised, year."""

    turn: str
    symbol: str
    start_ms: int
    end_ms: int
    path: str
    clean_path: str
    rows: int
    sha256: str


def months_of(rows: int) -> tuple[int, int]:
    """Return how many instruments and months make about ``rows`` candles: 20 where it can be."""
    months = min(6, max(1, round(rows / (20 * 43_800))))
    return max(2, round(rows / (months * 43_800))), months


def month_bounds(month: int) -> tuple[int, int]:
    """Return where a month begins and ends, epoch milliseconds; January is 1."""
    firsts = [datetime(YEAR + at // 12, at % 12 + 1, 1, tzinfo=UTC) for at in (month - 1, month)]
    start, end = (int(first.timestamp()) * 1000 for first in firsts)
    return start, end


def draw(instrument: int, month: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the open times (epoch ms) and the values, a row per column of ``VALUE_COLUMNS``."""
    start, end = month_bounds(month)
    open_ms = np.arange(start, end, MINUTE_MS)
    random, count = np.random.default_rng([instrument, month]), len(open_ms)
    close = (1000 * np.exp(np.cumsum(random.normal(0, 1e-4, count)))).round(2)
    opened = np.concatenate([close[:1], close[:-1]])
    spread = random.exponential(0.2, (2, count)).round(2)
    volumes = random.exponential((30, 30_000, 15, 15_000), (count, 4)).T.round(5)
    values = np.empty((len(VALUE_COLUMNS), count))
    values[0], values[3] = opened, close
    values[1] = (np.maximum(opened, close) + spread[0]).round(2)
    values[2] = (np.minimum(opened, close) - spread[1]).round(2)
    values[4:8] = volumes
    values[8] = random.integers(1, 5000, count)
    return open_ms, values


def revise(values: np.ndarray, instrument: int, month: int) -> np.ndarray:
    """Return ``values`` with another volume in one row of a hundred, anywhere."""
    random = np.random.default_rng([7, instrument, month])
    changed = values.copy()
    changed[4, random.random(values.shape[1]) < REVISED_SHARE] += 1
    return changed


def as_rows(open_ms: np.ndarray, values: np.ndarray) -> CandleRows:
    """Return candles as the archive's reader does, with a line of text for each."""
    cells = [pa.array(column).cast(pa.string()) for column in (open_ms, *values)]
    count = len(open_ms)
    ends = [pa.array(["0\n"]).take(pa.array(np.zeros(count, dtype=np.int32)))]
    lines = pc.binary_join_element_wise(*cells, *ends, ",")
    _, places, text = lines.buffers()
    starts = np.frombuffer(places, dtype=np.int32)[: count + 1].astype(np.int64)
    raw = RowTexts(text.to_pybytes()[: starts[-1]], starts)
    return CandleRows(open_ms, open_ms + MINUTE_MS - 1, values.T, raw)


def as_frame(open_ms: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """Return the candle frame that the gate accepts."""
    times = pd.DatetimeIndex((open_ms * 1000).view("datetime64[us]")).tz_localize("UTC")
    columns = dict(zip(VALUE_COLUMNS, values, strict=True))
    frame = pd.DataFrame({"open_time": times, **columns})[list(STATED_COLUMNS)]
    return frame.astype({"trade_count": np.int64})


def land(
    folder: Path, turn: str, instrument: int, month: int, values: np.ndarray, open_ms: np.ndarray
) -> Landed:
    """Write a landing's two files: what came, and what the gate accepted of it."""
    symbol = symbol_of(instrument)
    path = folder / turn / f"{symbol}-{month:02}.parquet"
    clean = path.with_suffix(".clean.parquet")
    rows = as_rows(open_ms, values)
    write_rows(path, rows, server_time_ms=month_bounds(13)[1], traits=TRAITS)
    write_frame(clean, as_frame(open_ms, values))
    bounds = month_bounds(month)
    return Landed(turn, symbol, *bounds, str(path), str(clean), len(rows), payload_sha256(rows))


def land_again(folder: Path, landed: Landed) -> Landed:
    """Return the same files under the names that a second fetch would give them."""
    paths = []
    for path in (Path(landed.path), Path(landed.clean_path)):
        target = folder / "again" / path.name
        target.parent.mkdir(exist_ok=True)
        target.hardlink_to(path)
        paths.append(str(target))
    return Landed(
        "again", landed.symbol, landed.start_ms, landed.end_ms, *paths, landed.rows, landed.sha256
    )


def symbol_of(instrument: int) -> str:
    """Return an instrument's symbol; instruments count from 1."""
    return f"C{instrument:02}USDT"


def ready_columns(instrument: int, open_ms: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Return the columns of the bare table, ready to be encoded."""
    times = encode_times((open_ms * 1000).view("datetime64[us]"))
    owner = np.array(instrument, dtype=np.int32)
    return [owner, times, *values[:-1], values[-1].astype(np.int64)]


def lineage_columns(instrument: int) -> list[np.ndarray]:
    """Return what the warehouse adds to each candle: source, revision, load, time of storing."""
    parts = [np.array(b"archive"), np.array(1, dtype=np.int32)]
    return [*parts, np.array(instrument), np.array(800_000_000_000_000)]


class Ready:
    """Files that peers and the limit read: COPY's own format, and one Parquet file."""

    def __init__(self, folder: Path) -> None:
        """Open the files."""
        self.bare = (folder / "bare.pgcopy").open("wb")
        self.whole = (folder / "whole.pgcopy").open("wb")
        names = [("instrument_id", pa.int32()), ("open_time", pa.timestamp("us", tz="UTC"))]
        names += [(name, pa.float64()) for name in FLOAT_COLUMNS] + [("trade_count", pa.int64())]
        schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in names])
        self.arrow = pq.ParquetWriter(
            folder / "candles.parquet", schema, compression="none", use_dictionary=False
        )
        encoded = encode_rows([np.array(1, dtype=np.int32)], 0)
        self.ends = encoded[:HEADER_BYTES], encoded[-TRAILER_BYTES:]
        for file in (self.bare, self.whole):
            file.write(self.ends[0])

    def add(self, instrument: int, open_ms: np.ndarray, values: np.ndarray) -> None:
        """Append one landing's rows to each file."""
        columns = ready_columns(instrument, open_ms, values)
        self._write(self.bare, columns, len(open_ms))
        self._write(self.whole, [*columns, *lineage_columns(instrument)], len(open_ms))
        owner = np.full(len(open_ms), instrument, dtype=np.int32)
        arrays = [pa.array(owner), pa.array(open_ms * 1000).cast(self.arrow.schema.types[1])]
        arrays += [pa.array(column) for column in columns[2:]]
        self.arrow.write_table(pa.Table.from_arrays(arrays, schema=self.arrow.schema))

    def close(self) -> None:
        """Finish the files."""
        for file in (self.bare, self.whole):
            file.write(self.ends[1])
            file.close()
        self.arrow.close()

    def _write(self, file: IO[bytes], columns: list[np.ndarray], count: int) -> None:
        file.write(memoryview(encode_rows(columns, count))[HEADER_BYTES:-TRAILER_BYTES])


def main() -> None:
    """Write everything below a folder, and its list of landings."""
    folder, wanted = Path(sys.argv[1]), int(sys.argv[2])
    instruments, months = months_of(wanted)
    landings, ready = [], Ready(folder)
    for month in range(1, 13):
        for instrument in range(1, instruments + 1 if month <= months else 2):
            open_ms, values = draw(instrument, month)
            turn = "first" if month <= months else "year"
            first = land(folder, turn, instrument, month, values, open_ms)
            landings.append(first)
            if turn == "year":
                continue
            changed = revise(values, instrument, month)
            landings.append(land_again(folder, first))
            landings.append(land(folder, "revised", instrument, month, changed, open_ms))
            ready.add(instrument, open_ms, values)
    ready.close()
    listed = json.dumps([asdict(landed) for landed in landings])
    (folder / "landings.json").write_text(listed)


if __name__ == "__main__":
    main()
