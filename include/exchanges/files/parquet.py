"""Batches of a Parquet file to candles. Edge."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from include.exchanges.files.folder import FolderPath, open_bytes
from include.exchanges.files.mapping import FileMapping
from include.exchanges.files.parse import Block, as_candles
from include.market.candle import VALUE_COLUMNS
from include.market.errors import InvalidInputError

BATCH_ROWS: Final = 32_768
_PACKED: Final = (".gz", ".zst", ".zip")


def read_parquet(path: FolderPath, mapping: FileMapping) -> Iterator[Block]:
    """Yield the candles of a Parquet file, batch by batch; rows count as lines, from 1.

    Raises:
        InvalidInputError: what the file holds is not what the mapping declares; the message names
            file, row, value and remedy.
        SourceUnavailableError: the store does not answer.
    """
    if path.name.endswith(_PACKED):
        raise InvalidInputError(f"{path}: Parquet is packed by itself: unpack the file")
    with open_bytes(path) as stream:
        stored = pq.ParquetFile(stream)
        columns = _columns(path, mapping, stored.schema_arrow)
        row = 1
        for batch in stored.iter_batches(BATCH_ROWS, columns=columns):
            if batch.num_rows:
                yield Block(_as_rows(path, mapping, batch, row), row)
            row += batch.num_rows


def _columns(path: FolderPath, mapping: FileMapping, schema: Any) -> list[str]:
    columns = [mapping.time.column, *mapping.columns.values()]
    if mapping.close_time is not None:
        columns.append(mapping.close_time.column)
    missing = [str(name) for name in columns if schema.names.count(name) != 1]
    if missing:
        raise InvalidInputError(
            f"{path}: expected each column of the mapping once, was not so for "
            f"{', '.join(missing)}; the file has {', '.join(schema.names)[:200]}"
        )
    return [str(name) for name in columns]


def _as_rows(path: FolderPath, mapping: FileMapping, batch: Any, row: int) -> Any:
    values = np.full((batch.num_rows, len(VALUE_COLUMNS)), np.nan)
    for ours, theirs in mapping.columns.items():
        values[:, VALUE_COLUMNS.index(ours)] = _numbers(path, batch, str(theirs))
    closes = mapping.close_time
    return as_candles(
        path,
        mapping,
        _times(path, mapping, batch, str(mapping.time.column), row),
        None if closes is None else _times(path, mapping, batch, str(closes.column), row),
        values=values,
        raw=_as_text(batch),
        first_line=row,
    )


def _numbers(path: FolderPath, batch: Any, name: str) -> Any:
    column = batch.column(name)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise InvalidInputError(f"{path}, column {name}: expected numbers, was {kind}")
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _times(path: FolderPath, mapping: FileMapping, batch: Any, name: str, row: int) -> Any:
    """Return a time column as whole numbers, or as timestamps or texts for iso."""
    column, unit = batch.column(name), mapping.time.unit
    if column.null_count:
        at = column.is_null().to_pylist().index(True)
        raise InvalidInputError(f"{path}, row {row + at}, column {name}: has no time: remove it")
    if unit == "iso" and pa.types.is_timestamp(column.type):
        return column
    fits = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if unit != "iso":
        fits = pa.types.is_integer(column.type)
    if not fits:
        raise InvalidInputError(
            f"{path}, column {name}: expected {'timestamps' if unit == 'iso' else 'integers'} for "
            f"time.unit {unit}, was {column.type}: correct the mapping or the file"
        )
    return column.to_pylist() if unit == "iso" else column.cast(pa.int64()).to_numpy()


def _as_text(batch: Any) -> list[bytes]:
    """Return every row as a line of CSV: what is shown of a row that is refused later."""
    target = io.BytesIO()
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")
    arrow_csv.write_csv(batch, target, options)
    return target.getvalue().splitlines()
