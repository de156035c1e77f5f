"""PostgreSQL's binary formats to and from columns, without a Python object per cell.

Rows go in as binary COPY: with columns of fixed width and no nulls each row is one record of a
numpy array (field count, then length and big-endian bytes of every field; PostgreSQL manual, COPY,
section "Binary Format"). ``encoding`` is for rows of other shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"
# PostgreSQL counts time from the year 2000.
_EPOCH_US: Final = 946_684_800_000_000


def encode_times(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return microsecond UTC times as PostgreSQL's timestamptz integers."""
    return times.astype("datetime64[us]").astype(np.int64) - _EPOCH_US


def decode_times(stored: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Return PostgreSQL's timestamptz integers as naive UTC ``datetime64[us]``."""
    return (stored + _EPOCH_US).view("datetime64[us]")


def encode_rows(columns: Sequence[Column], count: int) -> bytes:
    """Return ``count`` rows in binary COPY format.

    A column is int16, int32, int64 or float64; a bytes scalar array (shape ``()``) repeats.
    """
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for index, column in enumerate(columns):
        layout += [(f"length_{index}", ">i4"), (f"value_{index}", _big_endian(column.dtype.str))]
    records = np.empty(count, dtype=layout)
    records["fields"] = len(columns)
    for index, column in enumerate(columns):
        records[f"length_{index}"] = column.dtype.itemsize
        records[f"value_{index}"] = column
    return COPY_HEADER + records.tobytes() + COPY_TRAILER


def _big_endian(kind: str) -> str:
    return kind if kind.startswith("|") else f">{kind.lstrip('<>=')}"
