"""How a folder of files is to be read: what a person declares about it, checked. Pure.

A mapping is a JSON object::

    {
      "url": "file:///data/bybit",
      "format": "csv",
      "pattern": "{symbol}_{timeframe}*.csv.gz",
      "time": {"column": "timestamp", "unit": "iso", "timezone": "UTC"},
      "columns": {"open": "open", "high": "high", "low": "low", "close": "close",
                  "volume": "volume"},
      "assets": {"ADAUSDT": ["ADA", "USDT"]}
    }

A column of theirs is called by its name in the header, or by its position from 1 where
``has_header`` is false. Of ours, the prices and ``volume`` are needed; what else is missing counts
as never stated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from include.exchanges.traits import Absence
from include.market.candle import PRICE_COLUMNS, VALUE_COLUMNS
from include.market.errors import InvalidInputError

Column: TypeAlias = str | int
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
FileFormat = Literal["csv", "parquet"]

REQUIRED_COLUMNS: Final = (*PRICE_COLUMNS, "volume")
# A symbol becomes part of a path: no slash, no leading dot, no two dots in a row.
_NAME: Final = re.compile(r"(?=.{1,40}$)[A-Z0-9_:-]+(\.[A-Z0-9_:-]+)*")
_OFFSET: Final = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "format": ("csv", "parquet"),
    "unit": ("s", "ms", "us", "ns", "iso"),
    "absent_means": ("outage", "no_trade", "unknown"),
    "decimal": (".", ","),
    "delimiter": (",", ";", "\t", "|"),
    "kind": ("spot", "perpetual", "future", "index"),
}


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """Where a candle's open time stands; ``offset`` is what its clock is ahead of UTC."""

    column: Column
    unit: TimeUnit
    offset: timedelta


@dataclass(frozen=True, slots=True)
class CloseColumn:
    """Where a candle's close time stands, in the unit of the open time.

    ``exclusive`` tells that it is the open time of the next candle, not the last instant.
    """

    column: Column
    exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMapping:
    """What a person declared about a folder of files; see the module for the JSON."""

    url: str
    format: FileFormat
    pattern: str
    columns: Mapping[str, Column]
    time: TimeColumn
    assets: Mapping[str, tuple[str, str]]
    close_time: CloseColumn | None = None
    delimiter: str = ","
    decimal: str = "."
    has_header: bool = True
    kind: str = "spot"
    tick_size: str = "0"
    lot_size: str = "0"
    title: str = ""
    absent_means: Absence = "unknown"
    absent_columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Work out which candle columns the files never state."""
        absent = tuple(name for name in VALUE_COLUMNS if name not in self.columns)
        if self.close_time is None:
            absent = (*absent, "close_time")
        object.__setattr__(self, "absent_columns", absent)


def parse_mapping(text: str) -> FileMapping:
    """Read a mapping from its JSON text.

    Raises:
        InvalidInputError: not a JSON object, a key unknown or missing, or a value of another form
            than it must have; the message names the key.
    """
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInputError(f"mapping of files is not JSON ({error})") from None
    return mapping_from(document)


def mapping_from(document: object) -> FileMapping:
    """Check a mapping that was read from JSON already; see :func:`parse_mapping`."""
    keys = _object(
        document, "the mapping", _READERS, ("url", "format", "pattern", "columns", "time", "assets")
    )
    values: dict[str, Any] = {key: _READERS[key](key, value) for key, value in keys.items()}
    mapping = FileMapping(**values)
    theirs = [*mapping.columns.values(), mapping.time.column]
    if mapping.close_time is not None:
        theirs.append(mapping.close_time.column)
    by_position = not mapping.has_header
    if by_position and mapping.format == "parquet":
        raise InvalidInputError("mapping of files, has_header: Parquet always names its columns")
    for column in theirs:
        if isinstance(column, int) != by_position:
            wanted = "its position from 1" if by_position else "its name in the header"
            raise InvalidInputError(
                f"mapping of files: with has_header {json.dumps(mapping.has_header)} a column is "
                f"called by {wanted}, was {column!r}"
            )
    if len(set(theirs)) != len(theirs):
        raise InvalidInputError(f"mapping of files: a column is used twice among {theirs}")
    return mapping


def _object(
    value: object, what: str, known: Mapping[str, Any] | tuple[str, ...], needed: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInputError(f"mapping of files: {what} must be an object, was {value!r:.80}")
    for key in value:
        if key not in known:
            raise InvalidInputError(
                f"mapping of files: {what} has unknown key {key!r}: choose from "
                f"{', '.join(sorted(known))}"
            )
    missing = [key for key in needed if key not in value]
    if missing:
        raise InvalidInputError(f"mapping of files: {what} lacks {', '.join(missing)}")
    return value


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 500:
        raise InvalidInputError(f"mapping of files, {key}: expected text, was {value!r:.80}")
    return value


def _truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"mapping of files, {key}: expected true or false, was {value!r}")
    return value


def _choice(key: str, value: object) -> str:
    if value not in _CHOICES[key]:
        known = ", ".join(repr(choice) for choice in _CHOICES[key])
        raise InvalidInputError(f"mapping of files, {key}: choose one of {known}, was {value!r}")
    return str(value)


def _decimal(key: str, value: object) -> str:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise InvalidInputError(
            f'mapping of files, {key}: expected decimal text like "0.01", was {value!r:.80}'
        )
    return value


def _column(key: str, value: object) -> Column:
    if type(value) is int and 1 <= value <= 1000:
        return value
    if isinstance(value, str) and 1 <= len(value) <= 200:
        return value
    raise InvalidInputError(
        f"mapping of files, {key}: expected a column's name or its position from 1, was "
        f"{value!r:.80}"
    )


def _columns(key: str, value: object) -> dict[str, Column]:
    columns = _object(value, key, VALUE_COLUMNS, REQUIRED_COLUMNS)
    return {ours: _column(f"{key}.{ours}", theirs) for ours, theirs in columns.items()}


def _time(key: str, value: object) -> TimeColumn:
    time = _object(value, key, ("column", "unit", "timezone"), ("column", "unit"))
    unit: Any = _choice("unit", time["unit"])
    offset = _offset(time.get("timezone", "UTC"))
    if offset and unit != "iso":
        raise InvalidInputError(
            f"mapping of files, time: unit {unit} counts from 1970 UTC, remove the timezone"
        )
    return TimeColumn(_column(f"{key}.column", time["column"]), unit, offset)


def _offset(value: object) -> timedelta:
    if value in ("UTC", "Z"):
        return timedelta(0)
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidInputError(
            f"mapping of files, time.timezone: expected UTC or an offset like +02:00, was "
            f"{value!r:.80}; a zone with summer time makes an hour of every year ambiguous"
        )
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -ahead if found[1] == "-" else ahead


def _close(key: str, value: object) -> CloseColumn:
    close = _object(value, key, ("column", "exclusive"), ("column",))
    exclusive = _truth(f"{key}.exclusive", close.get("exclusive", False))
    return CloseColumn(_column(f"{key}.column", close["column"]), exclusive)


def _pattern(key: str, value: object) -> str:
    pattern = _text(key, value)
    parts = pattern.split("/")
    rest = re.sub(r"\{(symbol|timeframe)\}", "", pattern)
    if "\\" in pattern or any(part in ("", ".", "..") for part in parts) or "**" in pattern:
        raise InvalidInputError(
            f"mapping of files, {key}: expected a path below the url without '..' or '**', was "
            f"{pattern!r}"
        )
    if "{symbol}" not in pattern or "{" in rest or "}" in rest:
        raise InvalidInputError(
            f"mapping of files, {key}: expected {{symbol}}, and {{timeframe}} if the name holds "
            f"it, was {pattern!r}"
        )
    return pattern


def _assets(key: str, value: object) -> dict[str, tuple[str, str]]:
    if not isinstance(value, dict) or not value:
        raise InvalidInputError(
            f'mapping of files, {key}: expected {{"SYMBOL": ["BASE", "QUOTE"]}}, was {value!r:.80}'
        )
    assets: dict[str, tuple[str, str]] = {}
    for symbol, pair in value.items():
        good = isinstance(pair, list) and len(pair) == 2
        names = [symbol, *pair] if good else [symbol]
        if not good or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
            raise InvalidInputError(
                f'mapping of files, {key}: expected names like "BTCUSDT": ["BTC", "USDT"] of '
                f"A-Z 0-9 _ : - and single dots, was {symbol!r:.80}: {pair!r:.80}"
            )
        assets[symbol] = (pair[0], pair[1])
    return assets


_READERS: Final = {
    "url": _text,
    "format": _choice,
    "pattern": _pattern,
    "columns": _columns,
    "time": _time,
    "close_time": _close,
    "delimiter": _choice,
    "decimal": _choice,
    "has_header": _truth,
    "assets": _assets,
    "tick_size": _decimal,
    "lot_size": _decimal,
    "kind": _choice,
    "title": _text,
    "absent_means": _choice,
}
