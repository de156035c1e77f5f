"""Lines of CSV to typed columns at the speed of Arrow; damaged lines are singled out. Pure.

A block of lines is parsed as a whole. Where Arrow refuses it, it is halved until the damaged lines
stand alone; those are read cell by cell, so one bad cell costs a row its value and not a file its
rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

CellKind = Literal["whole", "number", "truth", "text"]

_TYPES: Final = {
    "whole": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
    "text": pa.string(),
}
_NULLS: Final = ("", "NaN", "nan", "null", "NULL", "None")
_TRUTH: Final = {"True": True, "true": True, "False": False, "false": False}
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """How a line is cut: the names of all its cells in order, and the kind of those to be read.

    A cell of kind ``number`` that is empty or unreadable becomes NaN; a line whose ``whole``,
    ``truth`` or ``text`` cell is unreadable cannot be placed and is set apart.
    """

    names: tuple[str, ...]
    kinds: dict[str, CellKind]
    delimiter: str = ","
    decimal: str = "."
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line with an unreadable cell; ``number`` counts lines of the block from 1.

    ``column`` is None where the line has too few or too many cells. ``placed`` tells whether the
    line is among the rows, with NaN for the cell.
    """

    number: int
    text: bytes
    column: str | None
    cell: str
    placed: bool


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Columns of one block; ``lines`` holds the text of every row."""

    columns: dict[str, Any]
    lines: Sequence[bytes]
    damaged: list[DamagedLine] = field(default_factory=list)

    @property
    def unplaced(self) -> tuple[bytes, ...]:
        """Lines that could not become rows."""
        return tuple(line.text for line in self.damaged if not line.placed)


def read_block(text: bytes, layout: CsvLayout, *, most_damaged: int) -> CsvTable:
    """Return the columns of ``text``, whole lines without a header.

    Reading ends as soon as more than ``most_damaged`` damaged lines are found: the caller must then
    refuse the table, which is incomplete.
    """
    lines = text.rstrip(b"\r\n").splitlines()
    if not lines:
        return CsvTable(_join([], layout), [])
    columns = _parse(text, layout)
    if columns is not None and _length(columns) == len(lines):
        return CsvTable(columns, lines)
    search = _Search(layout, most_damaged)
    search.read(lines, 1)
    return CsvTable(_join(search.parts, layout), search.kept, search.damaged)


class _Search:
    """Reads what can be read of lines among which some are damaged."""

    def __init__(self, layout: CsvLayout, most_damaged: int) -> None:
        self._layout, self._most_damaged = layout, most_damaged
        self.parts: list[dict[str, Any]] = []
        self.kept: list[bytes] = []
        self.damaged: list[DamagedLine] = []

    def read(self, lines: list[bytes], number: int) -> None:
        """Read ``lines``, the first of which is line ``number``."""
        if len(self.damaged) > self._most_damaged:
            return
        columns = _parse(b"\n".join(lines), self._layout)
        if columns is not None and _length(columns) == len(lines):
            self.parts.append(columns)
            self.kept += lines
        elif len(lines) == 1:
            self._read_cells(lines[0], number)
        else:
            half = len(lines) // 2
            self.read(lines[:half], number)
            self.read(lines[half:], number + half)

    def _read_cells(self, line: bytes, number: int) -> None:
        cells = split_line(line, self._layout)
        if len(cells) != len(self._layout.names):
            self.damaged.append(DamagedLine(number, line, None, "", placed=False))
            return
        by_name = dict(zip(self._layout.names, cells, strict=True))
        values = {
            name: _value(by_name[name], kind, self._layout.decimal)
            for name, kind in self._layout.kinds.items()
        }
        bad = [name for name, value in values.items() if value is None]
        placed = all(self._layout.kinds[name] == "number" for name in bad)
        if bad:
            worst = min(bad, key=lambda name: self._layout.kinds[name] == "number")
            self.damaged.append(DamagedLine(number, line, worst, by_name[worst], placed=placed))
        if placed:
            self.parts.append(
                {
                    name: np.array([np.nan if value is None else value])
                    for name, value in values.items()
                }
            )
            self.kept.append(line)


def split_line(line: bytes, layout: CsvLayout) -> list[str]:
    """Return the cells of one line, without the quotes around them."""
    text = line.decode("utf-8", "backslashreplace")
    if not layout.quoted:
        return text.split(layout.delimiter)
    try:
        return next(csv.reader([text], delimiter=layout.delimiter), [])
    except csv.Error:
        return []


def _parse(text: bytes, layout: CsvLayout) -> dict[str, Any] | None:
    """Return the columns, or None where a line or a cell is not as the layout says."""
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            read_options=arrow_csv.ReadOptions(
                column_names=list(layout.names), use_threads=False, block_size=1 << 22
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quoted else False,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: _TYPES[kind] for name, kind in layout.kinds.items()},
                include_columns=list(layout.kinds),
                null_values=_NULLS,
                true_values=["True", "true"],
                false_values=["False", "false"],
                decimal_point=layout.decimal,
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns: dict[str, Any] = {}
    for name, kind in layout.kinds.items():
        column = table.column(name)
        if kind != "number" and column.null_count:
            return None
        values = column.to_numpy()
        if kind == "number" and np.isinf(values).any():
            values = np.where(np.isinf(values), np.nan, values)
        columns[name] = values
    return columns


def _value(cell: str, kind: CellKind, decimal: str) -> Any:
    """Return the cell's value; None where it has none."""
    if kind == "truth":
        return _TRUTH.get(cell)
    if kind == "text":
        return cell if cell and "\\x" not in cell else None
    if kind == "whole":
        return int(cell) if _WHOLE.fullmatch(cell) else None
    if cell in _NULLS:
        return np.nan
    plain = cell.replace(decimal, ".") if decimal != "." else cell
    if not _NUMBER.fullmatch(plain):
        return None
    value = float(plain)
    return value if np.isfinite(value) else np.nan


def _length(columns: dict[str, Any]) -> int:
    return len(next(iter(columns.values())))


def _join(parts: Sequence[dict[str, Any]], layout: CsvLayout) -> dict[str, Any]:
    dtypes = {"whole": np.int64, "number": np.float64, "truth": np.bool_, "text": object}
    return {
        name: np.concatenate([part[name] for part in parts]).astype(dtypes[kind], copy=False)
        if parts
        else np.empty(0, dtype=dtypes[kind])
        for name, kind in layout.kinds.items()
    }
