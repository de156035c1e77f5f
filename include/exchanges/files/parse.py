"""Blocks of a mapped file to candles, with the file and line of everything that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from include.exchanges.csv_columns import (
    CellKind,
    CsvLayout,
    CsvTable,
    DamagedLine,
    read_block,
    split_line,
)
from include.exchanges.files.folder import FolderPath, open_bytes, whole_lines
from include.exchanges.files.mapping import Column, FileMapping, TimeUnit
from include.exchanges.rows import NOT_STATED, CandleRows, Ints
from include.market.candle import VALUE_COLUMNS
from include.market.errors import InvalidInputError

_FEW_DAMAGED: Final = 10
_EXPONENT: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BOM: Final = b"\xef\xbb\xbf"
_LOST: Final = "\ufffd"
# Epoch numbers of the years 1973 to 5138 by unit; the ranges do not meet.
_RANGES: Final[dict[TimeUnit, tuple[int, int]]] = {
    "s": (10**8, 10**11),
    "ms": (10**11, 10**14),
    "us": (10**14, 10**17),
    "ns": (10**17, 10**19),
}
_PER_MS: Final[dict[TimeUnit, int]] = {"ms": 1, "us": 1000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True)
class Block:
    """Candles of one block, in the file's order; ``first_line`` is the line of the first one."""

    rows: CandleRows
    first_line: int


def read_csv(path: FolderPath, mapping: FileMapping) -> Iterator[Block]:
    """Yield the candles of a CSV file, block by block.

    A value that is no number becomes NaN; a time that is none, or a line cut short, is refused.

    Raises:
        InvalidInputError: what the file holds is not what the mapping declares; the message names
            file, line, value and remedy.
        SourceUnavailableError: the store does not answer.
    """
    with open_bytes(path) as stream:
        header: list[str] = []
        line = 1
        for text in whole_lines(stream, path):
            if line == 1:
                header, text = _header(path, mapping, text)
                line += mapping.has_header
            table = _read_table(path, mapping, header, text, line)
            if len(table.lines):
                yield Block(_as_rows(path, mapping, table, line), line)
            line += text.count(b"\n")


def time_to_ms(cells: Any, unit: TimeUnit, offset: timedelta) -> Ints:
    """Return times in epoch milliseconds, rounded down; ``cells`` are numbers or ISO 8601 texts.

    Raises:
        BadTimeError: one of them is no time of that unit.
    """
    if unit == "iso":
        return _iso_to_ms(cells, offset)
    lowest, beyond = _RANGES[unit]
    strange = np.flatnonzero((cells < lowest) | (cells >= beyond))
    if len(strange):
        raise BadTimeError(int(strange[0]), str(cells[strange[0]]), _looks_like(cells[strange[0]]))
    times: Ints = cells
    return times * 1000 if unit == "s" else times // _PER_MS[unit]


class BadTimeError(Exception):
    """Raised when a cell is no time of the declared unit; never leaves this package."""

    def __init__(self, position: int, cell: str, remedy: str) -> None:
        """Keep the row's position in its block, the cell, and what may help."""
        super().__init__(cell)
        self.position, self.cell, self.remedy = position, cell, remedy


def _header(path: FolderPath, mapping: FileMapping, text: bytes) -> tuple[list[str], bytes]:
    """Return the names of the columns, positions where there is no header, and the lines."""
    if text.startswith(_UTF16) or b"\0" in text[:1000]:
        raise InvalidInputError(f"{path}, line 1: is UTF-16 or binary: save it as UTF-8")
    text = text.removeprefix(_BOM)
    first, _, rest = text.partition(b"\n")
    layout = CsvLayout((), {}, mapping.delimiter, mapping.decimal, quoted=True)
    if not mapping.has_header:
        return [str(position + 1) for position in range(len(split_line(first, layout)))], text
    try:
        shown = first.decode("utf-8")
    except UnicodeDecodeError:
        shown = _LOST
    if _LOST in shown:
        raise InvalidInputError(
            f"{path}, line 1: the header {first[:120]!r} is not UTF-8: save the file as UTF-8, "
            "or from its source once more if letters are lost"
        )
    names = split_line(first.rstrip(b"\r"), layout)
    wanted = _columns_of(mapping)
    missing = [name for name in wanted if names.count(name) != 1]
    if missing:
        raise InvalidInputError(
            f"{path}, line 1: expected each column of the mapping once, was not so for "
            f"{', '.join(missing)}; the header is {shown[:200].rstrip()!r}"
        )
    return names, rest


def _columns_of(mapping: FileMapping) -> list[str]:
    columns: list[Column] = [mapping.time.column, *mapping.columns.values()]
    if mapping.close_time is not None:
        columns.append(mapping.close_time.column)
    return [str(column) for column in columns]


def _read_table(
    path: FolderPath, mapping: FileMapping, header: list[str], text: bytes, line: int
) -> CsvTable:
    time_kind: CellKind = "text" if mapping.time.unit == "iso" else "whole"
    numbers: dict[str, CellKind] = {str(name): "number" for name in mapping.columns.values()}
    kinds: dict[str, CellKind] = {str(mapping.time.column): time_kind, **numbers}
    if mapping.close_time is not None:
        kinds[str(mapping.close_time.column)] = time_kind
    lost = [name for name in kinds if name not in header]
    if lost:
        raise InvalidInputError(
            f"{path}, line {line}: has {len(header)} columns, the mapping uses number "
            f"{', '.join(lost)}"
        )
    # Columns nobody reads may share a name; Arrow wants every name once.
    names = tuple(name if name in kinds else f"\0{at}" for at, name in enumerate(header))
    layout = CsvLayout(names, kinds, mapping.delimiter, mapping.decimal, quoted=b'"' in text)
    most_damaged = max(_FEW_DAMAGED, text.count(b"\n") // 100)
    table = read_block(text, layout, most_damaged=most_damaged)
    fatal = [damage for damage in table.damaged if not damage.placed]
    if fatal:
        raise _refusal(path, mapping, fatal[0], line)
    if len(table.damaged) > most_damaged:
        raise _refusal(path, mapping, table.damaged[0], line)
    return table


def _refusal(path: FolderPath, mapping: FileMapping, damage: DamagedLine, line: int) -> Exception:
    where = f"{path}, line {line + damage.number - 1}"
    if damage.column is None:
        shown = damage.text[:120].decode("utf-8", "backslashreplace")
        return InvalidInputError(
            f"{where}: has another number of cells than the first line: {shown!r}; is the "
            f"delimiter {mapping.delimiter!r} right, is the file whole?"
        )
    if damage.placed:
        return InvalidInputError(
            f"{where}, column {damage.column}: {damage.cell[:80]!r} is no number, and over "
            f"{_FEW_DAMAGED} lines are like it: is decimal {mapping.decimal!r} right?"
        )
    remedy = f"expected a time in {mapping.time.unit}: correct the mapping or the file"
    if _EXPONENT.fullmatch(damage.cell):
        remedy = "a spreadsheet has rounded it and the time is lost: take the original file"
    return InvalidInputError(f"{where}, column {damage.column}: {damage.cell[:80]!r}: {remedy}")


def _as_rows(path: FolderPath, mapping: FileMapping, table: CsvTable, line: int) -> CandleRows:
    cells = table.columns
    values = np.full((len(table.lines), len(VALUE_COLUMNS)), np.nan)
    for ours, theirs in mapping.columns.items():
        values[:, VALUE_COLUMNS.index(ours)] = cells[str(theirs)]
    return as_candles(
        path,
        mapping,
        cells[str(mapping.time.column)],
        None if mapping.close_time is None else cells[str(mapping.close_time.column)],
        values=values,
        raw=table.lines,
        first_line=line,
    )


def as_candles(
    path: FolderPath,
    mapping: FileMapping,
    opens: Any,
    closes: Any,
    *,
    values: Any,
    raw: Sequence[bytes],
    first_line: int,
) -> CandleRows:
    """Return columns of a block as candles, times converted.

    Raises:
        InvalidInputError: a time is none of the declared unit, or earlier than the one before.
    """
    column, unit, offset = mapping.time.column, mapping.time.unit, mapping.time.offset
    try:
        open_ms = time_to_ms(opens, unit, offset)
        close_ms = np.full(len(raw), NOT_STATED, dtype=np.int64)
        if mapping.close_time is not None:
            column = mapping.close_time.column
            close_ms = time_to_ms(closes, unit, offset) - int(mapping.close_time.exclusive)
    except BadTimeError as error:
        raise InvalidInputError(
            f"{path}, line {first_line + error.position}, column {column}: {error.cell!r} is no "
            f"time in {unit}: {error.remedy}"
        ) from None
    back = np.flatnonzero(np.diff(open_ms) < 0)
    if len(back):
        raise InvalidInputError(
            f"{path}, line {first_line + int(back[0]) + 1}: opens before the line above it: sort "
            "the file by time, oldest first"
        )
    return CandleRows(open_ms, close_ms, values, raw)


def _iso_to_ms(cells: Any, offset: timedelta) -> Ints:
    if isinstance(cells, pa.Array):
        # A Parquet timestamp: an instant where its type has a zone, a clock's reading where not.
        zone = cells.type.tz
        found = cells.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64()).to_numpy()
        return _from_us(found, timedelta(0) if zone else offset)
    texts = list(cells)
    zoned = bool(texts) and _has_zone(texts[0])
    kind = pa.timestamp("us", tz="UTC") if zoned else pa.timestamp("us")
    try:
        found = pa.array(texts, pa.string()).cast(kind).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return np.array([_one_iso(at, text, offset) for at, text in enumerate(texts)])
    return _from_us(found, timedelta(0) if zoned else offset)


def _from_us(found: Ints, offset: timedelta) -> Ints:
    return (found - offset // timedelta(microseconds=1)) // 1000


def _one_iso(position: int, text: str, offset: timedelta) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadTimeError(position, text, "write times like 2024-01-31 23:59:00+00:00") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC) - offset
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _looks_like(number: int) -> str:
    for unit, (lowest, beyond) in _RANGES.items():
        if lowest <= number < beyond:
            return f"it looks like {unit}; correct time.unit in the mapping"
    return "no unit makes a time of our age of it; correct the file"
