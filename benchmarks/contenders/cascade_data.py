"""A year of 1m candles of several instruments in one Parquet file, for everyone alike.

The candles are those of the load benchmark: drawn at random, prices of 2 decimals, volumes of 5, no
minute left out; by instrument, then by time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from load_data import MINUTE_MS, draw, month_bounds

from include.market.candle import FLOAT_COLUMNS, VALUE_COLUMNS

MINUTES = 525_600
NAMES = ("instrument_id", "open_time", *VALUE_COLUMNS)


def draw_year(instrument: int, minutes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first ``minutes`` of a year: open times (epoch ms), a row of values per column.

    The quote volume is what the volume cost, and takers bought a part of each.
    """
    months = [draw(instrument, month) for month in range(1, 13)]
    open_ms = np.concatenate([times for times, _ in months])[:minutes]
    values = np.concatenate([found for _, found in months], axis=1)[:, :minutes]
    middle = (values[1] + values[2]) / 2
    values[5] = (values[4] * middle).round(5)
    values[6] = (values[4] * 0.45).round(5)
    values[7] = (values[6] * middle).round(5)
    return open_ms, values


def write(path: Path, instruments: int, minutes: int) -> None:
    """Write ``minutes`` of each instrument; they count from 1."""
    kinds = [pa.int64(), pa.timestamp("us", tz="UTC")]
    kinds += [pa.float64()] * len(FLOAT_COLUMNS) + [pa.int64()]
    fields = [pa.field(name, kind) for name, kind in zip(NAMES, kinds, strict=True)]
    with pq.ParquetWriter(path, pa.schema(fields), compression="none") as writer:
        for instrument in range(1, instruments + 1):
            open_ms, values = draw_year(instrument, minutes)
            columns = [np.full(len(open_ms), instrument), open_ms * 1000, *values[:-1]]
            arrays = [
                pa.array(column).cast(kind)
                for column, kind in zip(columns, kinds[:-1], strict=True)
            ]
            arrays.append(pa.array(values[-1].astype(np.int64)))
            writer.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)))


def main() -> None:
    """Write the file that is named, for so many instruments and minutes of each."""
    start_ms, _ = month_bounds(1)
    if start_ms % (4 * 60 * MINUTE_MS):
        raise SystemExit("the year does not begin with a bucket")
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
