"""CSV of the archive to columns. Pure.

Columns: https://github.com/binance/binance-public-data (README). Files of the spot market carry no
header, those of USD-M futures do since 2022 or 2023, so the first byte decides. Times are epoch
milliseconds, on spot microseconds since 2025-01-01; the magnitude of the numbers decides, and a
file that mixes units is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

import numpy as np

from include.exchanges.binance_archive.layout import ArchiveFile, Market
from include.exchanges.binance_archive.plain_lines import read_plain_klines
from include.exchanges.csv_columns import CellKind, CsvLayout, CsvTable, read_block, split_line
from include.exchanges.pages import (
    require_one_value_each,
    require_plausible,
    require_unshifted,
)
from include.exchanges.rows import Bools, CandleRows, FundingRows, Ints, TradeRows
from include.market.candle import VALUE_COLUMNS
from include.market.errors import ContractError, SourceUnavailableError
from include.market.timeframe import M1

KLINE_NAMES: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
TRADE_NAMES: Final[dict[Market, tuple[str, ...]]] = {
    "um": (
        "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
        "is_buyer_maker",
    ),
    "spot": (
        "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
        "is_buyer_maker", "is_best_match",
    ),
}  # fmt: skip
FUNDING_NAMES: Final = ("calc_time", "funding_interval_hours", "last_funding_rate")
HOUR_MS: Final = 60 * M1.length_ms

_TRADE_KINDS: Final[dict[str, CellKind]] = {
    "agg_trade_id": "whole",
    "price": "number",
    "quantity": "number",
    "first_trade_id": "whole",
    "last_trade_id": "whole",
    "transact_time": "whole",
    "is_buyer_maker": "truth",
}
_MS_LOWEST, _US_LOWEST, _US_BEYOND = 10**11, 10**14, 10**17
"""Milliseconds from 1973 to 5138 lie below microseconds from 1973 to 5138; seconds lie below
both and nanoseconds above."""
_FEW_DAMAGED: Final = 10

Rows = TypeVar("Rows", CandleRows, TradeRows, FundingRows)


@dataclass(frozen=True, slots=True)
class Published:
    """A file as it was downloaded: ``sha256`` and ``size_bytes`` are those of the zip."""

    file: ArchiveFile
    sha256: str
    size_bytes: int
    text: bytes


@dataclass(frozen=True, slots=True)
class ArchiveRows(Generic[Rows]):
    """The rows of one file, in order, inside the file's own span.

    ``outside`` counts rows dropped because they lie beyond that span, ``repeated`` those dropped
    because the same line comes twice. ``unplaced`` are lines whose time, id or number of cells
    cannot be read, so that they belong nowhere; a row with another damaged cell has NaN there.
    """

    file: ArchiveFile
    rows: Rows
    sha256: str
    size_bytes: int
    outside: int
    repeated: int
    unplaced: tuple[bytes, ...]


ArchiveCandles: TypeAlias = ArchiveRows[CandleRows]
ArchiveTrades: TypeAlias = ArchiveRows[TradeRows]
ArchiveFunding: TypeAlias = ArchiveRows[FundingRows]


def parse_candles(published: Published) -> ArchiveCandles:
    """Return the candles of a kline file, by open time; ``close_ms`` is rounded down.

    Raises:
        ContractError: other columns, units, or candles than the file's name promises.
    """
    file = published.file
    if file.timeframe is None:
        raise ContractError(f"{file.path} holds no candles: plan it with plan_files")
    numbers: dict[str, CellKind] = dict.fromkeys(KLINE_NAMES[1:-1], "number")
    kinds: dict[str, CellKind] = {**numbers, "open_time": "whole", "close_time": "whole"}
    table = _read(published, KLINE_NAMES, kinds, quickly=read_plain_klines)
    open_ms, close_ms = _as_ms(file, table, "open_time", "close_time")
    values = np.empty((len(VALUE_COLUMNS), len(table.lines)))
    for position, name in enumerate(VALUE_COLUMNS):
        values[position] = table.columns["count" if name == "trade_count" else name]
    rows = CandleRows(open_ms, close_ms, values.T, table.lines)
    try:
        require_unshifted(open_ms, file.span, file.timeframe)
        require_plausible(rows, file.timeframe)
        found = _arranged(published, table, rows, open_ms, open_ms)
        require_one_value_each(found.rows)
    except (ContractError, SourceUnavailableError) as error:
        raise ContractError(f"{file.path}: {error}") from None
    return found


def parse_trades(published: Published) -> ArchiveTrades:
    """Return the aggregate trades of a file, by rising id.

    Raises:
        ContractError: other columns or units than agreed, or two trades under one id.
    """
    file = published.file
    table = _read(published, TRADE_NAMES[file.market], _TRADE_KINDS)
    cells = table.columns
    (time_ms,) = _as_ms(file, table, "transact_time")
    rows = TradeRows(
        cells["agg_trade_id"],
        cells["price"],
        cells["quantity"],
        cells["first_trade_id"],
        cells["last_trade_id"],
        time_ms,
        cells["is_buyer_maker"],
        table.lines,
    )
    laws = {
        "price and quantity above zero": (rows.price > 0) & (rows.quantity > 0),
        "first_trade_id <= last_trade_id": rows.first_trade_id <= rows.last_trade_id,
    }
    _require(file, table, laws)
    found = _arranged(published, table, rows, rows.agg_id, time_ms)
    twice = np.flatnonzero(np.diff(found.rows.agg_id) == 0)
    if len(twice):
        raise ContractError(
            f"{file.path}: two trades have the id {found.rows.agg_id[int(twice[0])]}: take this "
            "span from the venue's REST"
        )
    return found


def parse_funding(published: Published) -> ArchiveFunding:
    """Return the funding payments of a file, by time; the archive states no mark price.

    Raises:
        ContractError: other columns or units than agreed.
    """
    file = published.file
    kinds: dict[str, CellKind] = {
        "calc_time": "whole",
        "funding_interval_hours": "whole",
        "last_funding_rate": "number",
    }
    table = _read(published, FUNDING_NAMES, kinds)
    (time_ms,) = _as_ms(file, table, "calc_time")
    hours: Ints = table.columns["funding_interval_hours"]
    rate = table.columns["last_funding_rate"]
    laws = {
        "a funding interval of 1 to 24 hours": (hours >= 1) & (hours <= 24),
        "a funding rate below 1 in size": np.abs(rate) < 1,
    }
    _require(file, table, laws)
    rows = FundingRows(time_ms, rate, np.full(len(time_ms), np.nan), hours * HOUR_MS, table.lines)
    return _arranged(published, table, rows, time_ms, time_ms)


def _read(
    published: Published,
    names: tuple[str, ...],
    kinds: dict[str, CellKind],
    *,
    quickly: Callable[[bytes], CsvTable | None] = lambda text: None,
) -> CsvTable:
    path = published.file.path
    layout = CsvLayout(names, kinds)
    text = _without_header(published.text, layout, path)
    plain = quickly(text)
    if plain is not None:
        return plain
    first, _, _ = text.partition(b"\n")
    cells = len(split_line(first, layout))
    if text and cells != len(names):
        raise ContractError(
            f"{path}: expected {len(names)} columns ({', '.join(names)}), was {cells}: "
            f"{_shown(first)}"
        )
    lines = text.count(b"\n") + 1
    most_damaged = min(max(_FEW_DAMAGED, lines // 100), lines // 2)
    table = read_block(text, layout, most_damaged=most_damaged)
    if len(table.damaged) > most_damaged:
        worst = table.damaged[0]
        raise ContractError(
            f"{path}: over {most_damaged} lines cannot be read, the first is line {worst.number}, "
            f"column {worst.column or 'count'}: {_shown(worst.text)}"
        )
    return table


def _without_header(text: bytes, layout: CsvLayout, path: str) -> bytes:
    if not text or text[:1].isdigit():
        return text
    header, _, rest = text.partition(b"\n")
    found = split_line(header.rstrip(b"\r"), layout)
    for position, name in enumerate(layout.names):
        was = found[position] if position < len(found) else "nothing"
        if was != name:
            raise ContractError(
                f"{path}: expected column {position + 1} to be {name}, was {was[:80]!r}"
            )
    if len(found) > len(layout.names):
        raise ContractError(
            f"{path}: expected {len(layout.names)} columns, was {len(found)}: "
            f"{found[len(layout.names)][:80]!r} is new"
        )
    return rest


def _as_ms(file: ArchiveFile, table: CsvTable, *names: str) -> tuple[Ints, ...]:
    """Return the named time columns in epoch milliseconds, rounded down."""
    columns = [table.columns[name] for name in names]
    if not len(table.lines):
        return tuple(columns)
    lowest = min(int(column.min()) for column in columns)
    highest = max(int(column.max()) for column in columns)
    if lowest >= _MS_LOWEST and highest < _US_LOWEST:
        return tuple(columns)
    if lowest >= _US_LOWEST and highest < _US_BEYOND:
        return tuple(column // 1000 for column in columns)
    raise ContractError(
        f"{file.path}: expected {' and '.join(names)} in milliseconds, or all in microseconds, "
        f"were from {lowest} to {highest}: neither, or a mixture; nothing of it is stored"
    )


def _require(file: ArchiveFile, table: CsvTable, laws: dict[str, Bools]) -> None:
    """Refuse a table of which most rows break a law: its columns have changed places."""
    for law, kept in laws.items():
        broken = np.flatnonzero(~kept)
        if len(broken) > len(kept) // 2:
            raise ContractError(
                f"{file.path}: expected {law}, but {len(broken)} of {len(kept)} rows break it, for "
                f"example {_shown(table.lines[int(broken[0])])}: did the columns change places?"
            )


def _arranged(
    published: Published, table: CsvTable, rows: Rows, key: Ints, time_ms: Ints
) -> ArchiveRows[Rows]:
    """Return ``rows`` by ``key``, without those out of the file's span and lines sent twice."""
    span = published.file.span
    inside = np.flatnonzero((time_ms >= span.start_ms) & (time_ms < span.end_ms))
    order = inside
    if (np.diff(key[inside]) <= 0).any():
        order = inside[np.argsort(key[inside], kind="stable")]
        again = np.flatnonzero(np.diff(key[order]) == 0) + 1
        twice = [at for at in again.tolist() if rows.raw[order[at]] == rows.raw[order[at - 1]]]
        order = np.delete(order, twice)
    untouched = len(order) == len(rows) and order is inside
    return ArchiveRows(
        file=published.file,
        rows=rows if untouched else rows.take(order),
        sha256=published.sha256,
        size_bytes=published.size_bytes,
        outside=len(rows) - len(inside),
        repeated=len(inside) - len(order),
        unplaced=table.unplaced,
    )


def _shown(line: bytes) -> str:
    return line[:160].decode("ascii", "backslashreplace")
