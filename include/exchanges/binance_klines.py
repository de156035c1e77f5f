"""Binance's kline arrays, alike on spot and futures, to columns. Pure.

Source: Binance spot API documentation, "Kline/Candlestick data":
``[open time, open, high, low, close, volume, close time, quote volume, trades, taker buy base
volume, taker buy quote volume, unused]``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

import msgspec
import numpy as np

from include.exchanges.drift import DriftKind
from include.exchanges.fixed_cells import FixedLayout, FixedReader
from include.exchanges.row_texts import RowTexts
from include.exchanges.rows import CandleRows, Floats, no_candles
from include.exchanges.strict_json import parse_strict
from include.market.errors import ContractError

FIELDS = 12
# Where the kline array holds each of our value columns.
POSITIONS = (1, 2, 3, 4, 5, 7, 9, 10, 8)
OPEN_TIME, CLOSE_TIME = 0, 6
EARLIEST_MS, LATEST_MS = 10**11, 10**13
"""Times outside are no epoch milliseconds: seconds lie below, microseconds above."""

# Lax, so that a price may come as text or as a number; msgspec reads both to the nearest double.
_DECODER = msgspec.json.Decoder(list[tuple[(float,) * FIELDS]], strict=False)  # type: ignore[misc]

# How every kline of the documented venues is written; POSITIONS in order but for the count.
_PLAIN = FixedReader(
    FixedLayout(
        builds=("whole", *("decimal",) * 5, "whole", "decimal", "whole", "decimal", "decimal"),
        last=b'"0"]',
        opening=b"[",
        quoted=True,
    )
)


class NoteField(Protocol):
    """Told of a field that changed: one nobody asked for, one we need, or one's unit."""

    def __call__(self, endpoint: str, field: str, kind: DriftKind = "added", /) -> None:
        """Note how ``field`` of the answers of ``endpoint`` changed."""
        ...


def parse_klines(body: bytes, note_field: NoteField | None = None) -> CandleRows:
    """Return the klines of one answer.

    A value that is not a number becomes NaN here and is refused, with its raw row, by the gate. A
    field more than we know is ignored and told to ``note_field``, and so is what makes us refuse
    the answer.

    Raises:
        SourceUnavailableError: the body is damaged; ask again.
        ContractError: the document is no list of 12-field arrays, or times are not epoch
            milliseconds: the format changed, and nothing of it may be stored.
    """
    rows = _parse_plain(body)
    if rows is None:
        rows = _parse_quickly(body)
    return _checked(_parse_carefully(body, note_field) if rows is None else rows, note_field)


def _parse_plain(body: bytes) -> CandleRows | None:
    """Return the klines of an answer written exactly as documented, None for every other."""
    if not (body.startswith(b"[[") and body.endswith(b"]]")):
        return None
    found = _PLAIN.read(memoryview(body)[1:-1], b",")
    if found is None:
        return None
    open_ms, close_ms, count = found.wholes
    values = np.concatenate((found.decimals, count[np.newaxis]))
    # Commas between rows become the ends of lines.
    lines = bytearray(memoryview(body)[1:])
    np.frombuffer(lines, dtype=np.uint8)[found.ends] = ord("\n")
    raw = RowTexts(bytes(lines), np.append(0, found.ends + 1))
    return CandleRows(open_ms, close_ms, values.T, raw)


def _parse_quickly(body: bytes) -> CandleRows | None:
    """Return the klines of an answer without any surprise, None for every other."""
    if body == b"[]":
        return no_candles()
    raw = body[2:-2].split(b"],[")
    try:
        decoded = _DECODER.decode(body)
    except msgspec.MsgspecError:
        return None
    count = len(decoded)
    if len(raw) != count or not (body.startswith(b"[[") and body.endswith(b"]]")):
        return None
    cells: Floats = np.fromiter(
        chain.from_iterable(decoded), dtype=np.float64, count=count * FIELDS
    ).reshape(count, FIELDS)
    if not np.isfinite(cells).all():
        return None
    return _as_rows(cells, [b"[%b]" % text for text in raw])


def _parse_carefully(body: bytes, note_field: NoteField | None) -> CandleRows:
    rows = parse_strict(body)
    if not isinstance(rows, list):
        raise ContractError(f"klines: expected a list of arrays, was {type(rows).__name__}")
    for row in rows:
        if isinstance(row, list) and len(row) < FIELDS and note_field is not None:
            note_field("klines", f"[{len(row)}]", "removed")
        if not isinstance(row, list) or len(row) < FIELDS:
            raise ContractError(f"klines: expected {FIELDS} fields, was {str(row)[:120]}")
        if len(row) > FIELDS and note_field is not None:
            note_field("klines", f"[{FIELDS}]")
    if not rows:
        return no_candles()
    cells = np.array([[as_float(value) for value in row[:FIELDS]] for row in rows])
    raw = [json.dumps(row, separators=(",", ":")).encode() for row in rows]
    return _as_rows(cells, raw)


def as_float(value: Any) -> float:
    """Return a JSON number or numeric text as a float, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def _as_rows(cells: Floats, raw: Sequence[bytes]) -> CandleRows:
    times = cells[:, (OPEN_TIME, CLOSE_TIME)]
    # A part of a millisecond, or what no integer holds, is as wrong as another unit.
    whole = np.where(np.isfinite(times) & (times == np.floor(times)), times, 0.0)
    open_ms, close_ms = np.clip(whole, 0, LATEST_MS).astype(np.int64).T
    return CandleRows(open_ms, close_ms, np.asfortranarray(cells[:, POSITIONS]), raw)


def _checked(rows: CandleRows, note_field: NoteField | None) -> CandleRows:
    for name, times in (("open_time", rows.open_ms), ("close_time", rows.close_ms)):
        strange = np.flatnonzero((times <= EARLIEST_MS) | (times >= LATEST_MS))
        if len(strange):
            if note_field is not None:
                note_field("klines", name, "unit")
            shown = rows.raw[int(strange[0])][:80].decode("ascii", "backslashreplace")
            raise ContractError(f"klines: expected epoch milliseconds, was {shown}")
    return rows
