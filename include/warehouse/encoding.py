"""Arrow columns to PostgreSQL's binary COPY, nulls and text included, without an object per cell.

Every field of every row is a length and its bytes, big-endian; a null is the length -1 and no bytes
(PostgreSQL manual, COPY, section "Binary Format"). The places of all fields are sums of lengths, so
a column is written by one scatter of its bytes to its places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.warehouse.pgbinary import COPY_HEADER, COPY_TRAILER, encode_times

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# The places of a part's bytes are held as integers: 8 bytes for one.
_ROWS_AT_ONCE: Final = 25_000
_NULL: Final = -1


@dataclass(frozen=True, slots=True)
class _Field:
    """One column of a part: the length of each field, -1 for null, and all their bytes in order."""

    lengths: Ints
    content: Bytes


def encode_copy(columns: Sequence[pa.Array]) -> Iterator[bytes]:
    """Yield columns of equal length as one binary COPY, part by part.

    They are of int16, int32, int64, float64, bool, string and timestamp[us, UTC].
    """
    yield COPY_HEADER
    count = len(columns[0]) if columns else 0
    for start in range(0, count, _ROWS_AT_ONCE):
        part = [_field(column.slice(start, _ROWS_AT_ONCE)) for column in columns]
        yield _rows(part).tobytes()
    yield COPY_TRAILER


def _rows(fields: Sequence[_Field]) -> Bytes:
    sizes = 2 + sum(4 + np.maximum(field.lengths, 0) for field in fields)
    ends = np.cumsum(sizes)
    rows = np.empty(int(ends[-1]), dtype=np.uint8)
    places = ends - sizes
    _write_fixed(rows, places, np.full(len(ends), len(fields), dtype=">i2"))
    places = places + 2
    for field in fields:
        _write_fixed(rows, places, field.lengths.astype(">i4"))
        places = places + 4
        held = np.maximum(field.lengths, 0)
        begins = np.cumsum(held) - held
        # Byte k of the content goes to the place of its field, plus its place within the field.
        rows[np.repeat(places - begins, held) + np.arange(len(field.content))] = field.content
        places = places + held
    return rows


def _write_fixed(rows: Bytes, places: Ints, values: NDArray[Any]) -> None:
    width = values.dtype.itemsize
    rows[places[:, None] + np.arange(width)] = values.view(np.uint8).reshape(-1, width)


def _field(column: pa.Array) -> _Field:
    is_null = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type):
        return _text_field(column.fill_null("") if is_null.any() else column, is_null)
    values = _values(column)
    lengths = np.where(is_null, _NULL, values.dtype.itemsize).astype(np.int64)
    return _Field(lengths, np.ascontiguousarray(values[~is_null]).view(np.uint8))


def _values(column: pa.Array) -> NDArray[Any]:
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.uint8)
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        return encode_times(ticks.view("datetime64[us]")).astype(">i8")
    values = column.fill_null(0).to_numpy(zero_copy_only=False)
    return np.asarray(values.astype(values.dtype.newbyteorder(">")))


def _text_field(column: pa.Array, is_null: NDArray[np.bool_]) -> _Field:
    _, places, content = column.buffers()
    bounds = np.frombuffer(places, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(bounds).astype(np.int64)
    held = np.frombuffer(content or b"", dtype=np.uint8)[bounds[0] : bounds[-1]]
    return _Field(np.where(is_null, _NULL, lengths), held)
