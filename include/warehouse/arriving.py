"""Rows as they arrive, in pandas or Arrow, brought to the types of their table.

A value that cannot be held by its column's type (a NUL character in text, a number of 5,000 digits,
words where a number belongs) refuses its own row only: whole columns are converted at once, and
cell by cell where that fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.market.errors import ContractError
from include.market.span import Span
from include.warehouse.cells import as_python, printable, read_cell
from include.warehouse.schema import LoadableColumn, LoadableTable

Rows: TypeAlias = pd.DataFrame | pa.Table

_TYPES: Final[dict[str, pa.DataType]] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
_NUMBERS: Final = ("smallint", "integer", "bigint", "double precision")
# Years 1 to 9999, which is what Python can read back.
_FIRST_US: Final = -62_135_596_800_000_000
_END_US: Final = 253_402_300_800_000_000


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that no column can hold: its place among those handed in, and why; ``raw`` is JSON."""

    position: int
    column: str
    detail: str
    raw: str

    @property
    def rule(self) -> str:
        """The rule it broke, as the judge names it."""
        return f"{self.column}_unreadable"


@dataclass(frozen=True, slots=True)
class ArrivedRows:
    """Columns of the table's types by name, with the place of each row, and the refused rows."""

    columns: dict[str, pa.Array]
    refused: tuple[RefusedRow, ...]

    @property
    def count(self) -> int:
        """How many rows were not refused."""
        return len(self.columns["position"])

    def span_of(self, name: str) -> Span | None:
        """Return the shortest span of whole milliseconds with every time of a column in it."""
        ends = pc.min_max(self.columns[name].cast(pa.int64())).as_py()
        if ends["min"] is None:
            return None
        return Span(ends["min"] // 1000, ends["max"] // 1000 + 1)


def arrange_rows(table: LoadableTable, rows: Rows, constants: Mapping[str, str]) -> ArrivedRows:
    """Bring ``rows`` to the types of ``table``; ``constants`` are names all rows share.

    Raises:
        ContractError: a column is unknown, or one the rows cannot do without is missing.
    """
    given = list(rows.column_names if isinstance(rows, pa.Table) else rows.columns)
    _require_columns(table, [*given, *constants])
    count = len(rows)
    columns: dict[str, pa.Array] = {"position": pa.array(np.arange(count, dtype=np.int32))}
    faults: dict[int, tuple[str, str]] = {}
    for column in table.arriving:
        if column.name in given:
            array, found = _convert(_series(rows, column.name), column)
            columns[column.name] = array
            faults = found | faults
        elif column.name in constants:
            columns[column.name] = pa.repeat(pa.scalar(constants[column.name]), count)
    if not faults:
        return ArrivedRows(columns, ())
    keep = np.ones(count, dtype=bool)
    keep[list(faults)] = False
    kept = {name: array.filter(pa.array(keep)) for name, array in columns.items()}
    refused = tuple(
        RefusedRow(at, *faults[at], raw=_as_raw(rows, at, constants)) for at in sorted(faults)
    )
    return ArrivedRows(kept, refused)


def _require_columns(table: LoadableTable, names: list[Any]) -> None:
    known = {column.name for column in table.arriving}
    if unknown := sorted(str(name) for name in names if name not in known):
        raise ContractError(
            f"rows of {table.full_name} have {', '.join(unknown)}: expected some of "
            f"{', '.join(sorted(known))}"
        )
    needed = {one.name for one in table.columns if not (one.nullable or one.has_default)}
    needed |= {name for name in table.key if name not in {one.column for one in table.references}}
    for reference in table.references:
        if reference.column not in names and not reference.nullable:
            needed |= set(reference.arrives_as)
        if reference.column not in names and reference.dated_by:
            needed.add(reference.dated_by)
    if missing := sorted(needed - set(names)):
        raise ContractError(f"rows of {table.full_name} lack {', '.join(missing)}")


def _series(rows: Rows, name: str) -> pd.Series[Any] | pa.Array:
    if isinstance(rows, pa.Table):
        column = rows.column(name).combine_chunks()
        return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    return rows[name]


def _convert(
    values: pd.Series[Any] | pa.Array, column: LoadableColumn
) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    """Return the values in the column's type, and by place what no value of it can be."""
    kind = column.sent_as
    _require_zone(values, column)
    try:
        array = _at_once(values, column)
        faults: dict[int, tuple[str, str]] = {}
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        array, faults = _cell_by_cell(values, column)
    return array, faults | _beyond(array, kind, column.name)


def _require_zone(values: pd.Series[Any] | pa.Array, column: LoadableColumn) -> None:
    if isinstance(values, pd.Series):
        is_naive = values.dtype.kind == "M" and not isinstance(values.dtype, pd.DatetimeTZDtype)
    else:
        is_naive = pa.types.is_timestamp(values.type) and values.type.tz is None
    if is_naive:
        raise ContractError(f"{column.name}: expected times with a time zone, had none")


def _at_once(values: pd.Series[Any] | pa.Array, column: LoadableColumn) -> pa.Array:
    wanted = _TYPES[column.sent_as]
    if isinstance(values, pd.Series):
        if values.dtype == object and column.sent_as in _NUMBERS:
            raise TypeError("numbers that are objects are looked at one by one")
        # What pandas calls NaN is an absent value only where a value may be absent.
        array = pa.Array.from_pandas(values) if column.nullable else pa.array(values.to_numpy())
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            array = pa.Array.from_pandas(values)
    else:
        array = values
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    is_time = pa.types.is_timestamp(array.type)
    if pa.types.is_null(array.type) or array.type == wanted:
        return array.cast(wanted)
    if is_time != (column.sent_as == "timestamp with time zone"):
        raise TypeError(f"{array.type} for {column.sent_as}")
    if pa.types.is_string(wanted) and column.kind == "text" and not _is_text(array.type):
        raise TypeError(f"{array.type} for text")
    if _is_text(array.type) and not pa.types.is_string(wanted):
        raise TypeError(f"text for {column.sent_as}")
    if pa.types.is_boolean(array.type) != pa.types.is_boolean(wanted):
        raise TypeError(f"{array.type} for {column.sent_as}")
    if is_time:
        # Finer than a microsecond nothing is kept.
        return array.cast(wanted, safe=False)
    return array.cast(wanted)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _cell_by_cell(
    values: pd.Series[Any] | pa.Array, column: LoadableColumn
) -> tuple[pa.Array, dict[int, tuple[str, str]]]:
    cells: list[Any] = []
    faults: dict[int, tuple[str, str]] = {}
    for at, value in enumerate(_cells(values)):
        try:
            cells.append(read_cell(value, column))
        except (TypeError, ValueError, OverflowError) as error:
            cells.append(None)
            faults[at] = (column.name, f"{column.name} is no {column.kind}: {error}"[:300])
    return pa.array(cells, type=_TYPES[column.sent_as]), faults


def _cells(values: pd.Series[Any] | pa.Array) -> Iterator[Any]:
    cells: Any = values if isinstance(values, pd.Series) else values.to_pylist()
    return iter(cells)


def _beyond(array: pa.Array, kind: str, name: str) -> dict[int, tuple[str, str]]:
    """Return what Arrow holds and PostgreSQL does not: NUL characters, times of no calendar."""
    if kind == "text":
        found = pc.match_substring(array, "\x00")
        detail = f"{name} holds a NUL character"
    elif kind == "timestamp with time zone":
        ticks = array.cast(pa.int64())
        found = pc.or_(pc.less(ticks, _FIRST_US), pc.greater_equal(ticks, _END_US))
        detail = f"{name} is beyond the years 1 to 9999"
    else:
        return {}
    places = np.flatnonzero(found.fill_null(False).to_numpy(zero_copy_only=False))
    return {int(at): (name, detail) for at in places}


def _as_raw(rows: Rows, at: int, constants: Mapping[str, str]) -> str:
    row: dict[Any, Any] = (
        {name: as_python(rows.column(name)[at]) for name in rows.column_names}
        if isinstance(rows, pa.Table)
        else rows.iloc[at].to_dict()
    )
    cells = {str(name): printable(value) for name, value in (dict(constants) | row).items()}
    return json.dumps(cells, default=str)
