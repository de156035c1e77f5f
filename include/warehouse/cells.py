"""Single values of foreign rows: read as what their column holds, or shown to people."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from include.warehouse.schema import LoadableColumn

_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
# Python prints no longer whole numbers in decimal unless told to.
_PRINTABLE_BITS: Final = 14_000


def read_cell(value: Any, column: LoadableColumn) -> Any:
    """Return ``value`` as the column holds it, None where it is absent.

    Raises:
        TypeError: it is of another kind.
        ValueError: no value of the column's type is just that.
        OverflowError: it is too large.
    """
    if _is_absent(value, column):
        return None
    if column.sent_as == "text":
        return _read_text(value) if column.kind == "text" else str(value)
    read = _READERS[column.sent_as](value)
    bits = _BITS.get(column.sent_as)
    if bits is not None and not -(1 << (bits - 1)) <= read < 1 << (bits - 1):
        raise OverflowError(f"beyond {column.kind}")
    return read


def printable(value: Any) -> Any:
    """Return ``value`` as something JSON can show."""
    if isinstance(value, int) and value.bit_length() > _PRINTABLE_BITS:
        return hex(value)
    if isinstance(value, str):
        return value.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
    return value.item() if isinstance(value, np.generic) else value


def as_python(cell: pa.Scalar) -> Any:
    """Return an Arrow value as Python's; a time of no calendar as its number of ticks."""
    try:
        return cell.as_py()
    except (ValueError, OverflowError):
        return cell.cast(pa.int64()).as_py()


def _is_absent(value: Any, column: LoadableColumn) -> bool:
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    return column.nullable and isinstance(value, float) and math.isnan(value)


def _read_whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | np.number):
        raise TypeError(f"expected a whole number, was {type(value).__name__}")
    whole = int(value)
    if whole != value:
        raise ValueError("expected a whole number, had a fraction")
    return whole


def _read_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | np.number):
        raise TypeError(f"expected a number, was {type(value).__name__}")
    number = float(value)
    if (number == 0 and value != 0) or (math.isinf(number) and abs(value) != math.inf):
        raise ValueError("a double cannot hold a number of that size")
    return number


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"expected true or false, was {type(value).__name__}")
    return bool(value)


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, was {type(value).__name__}")
    value.encode()
    return value


def _read_time(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"expected a time with a time zone, was {type(value).__name__}")
    return value


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "smallint": _read_whole,
    "integer": _read_whole,
    "bigint": _read_whole,
    "double precision": _read_float,
    "boolean": _read_flag,
    "timestamp with time zone": _read_time,
}
