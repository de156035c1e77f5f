"""PostgreSQL's binary formats to and from columns, without a Python object per cell.

Rows go in as binary COPY: with columns of fixed width and no nulls each row is one record of a
numpy array (field count, then length and big-endian bytes of every field; PostgreSQL manual, COPY,
section "Binary Format"). Columns come out as arrays in the format of ``array_send``: a header of
five int4 (dimensions, flags, element type, length, lower bound), then length and bytes of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from include.market.errors import ContractError

Column = NDArray[Any]

_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"
_ARRAY_HEADER_BYTES: Final = 20
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
    return _COPY_HEADER + records.tobytes() + _COPY_TRAILER


def decode_array(payload: bytes | None, kind: str) -> Column:
    """Return what ``array_send`` gave for an array of int8 (``i8``) or float8 (``f8``).

    None, the array of no rows, is an empty column.

    Raises:
        ContractError: more than one dimension, a null, or elements of another width.
    """
    if payload is None:
        return np.empty(0, dtype=kind)
    dimensions, has_nulls, _, length, _ = np.frombuffer(payload, dtype=">i4", count=5).tolist()
    elements = np.frombuffer(
        payload, dtype=[("bytes", ">i4"), ("value", f">{kind}")], offset=_ARRAY_HEADER_BYTES
    )
    width = np.dtype(kind).itemsize
    if dimensions != 1 or has_nulls or len(elements) != length:
        raise ContractError(
            f"expected one row of {kind} without nulls, was {dimensions} x {length}"
        )
    if not (elements["bytes"] == width).all():
        raise ContractError(f"expected elements of {width} bytes, was {set(elements['bytes'])}")
    return elements["value"].astype(kind)


def _big_endian(kind: str) -> str:
    return kind if kind.startswith("|") else f">{kind.lstrip('<>=')}"
