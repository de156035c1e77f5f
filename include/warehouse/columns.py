"""Candles as arrays, one per column: what frames are checked into before they meet the database.

Absent values stand as they do in a candle frame: NaN, ``ABSENT_COUNT`` in ``trade_count``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.candle import (
    ABSENT_COUNT,
    MAX_FLAGS,
    MAX_PRICE,
    MAX_VOLUME,
    OPTIONAL_COLUMNS,
    PARTIAL,
    PRICE_COLUMNS,
    STATED_COLUMNS,
    VALUE_COLUMNS,
    VOLUME_COLUMNS,
)
from include.market.errors import ContractError
from include.market.span import Span
from include.warehouse.staging import open_times_us

Mask: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]
MIN_PRICE: Final = 1e-12
MAX_TRADE_COUNT: Final = 1_000_000_000_000
_WHOLE: Final = ("trade_count", "flags")


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """Candles of one series: open times as epoch microseconds, every value column, the flags."""

    open_us: Places
    cells: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of candles."""
        return len(self.open_us)

    def take(self, rows: Mask | Places | slice) -> CandleColumns:
        """Return some of the candles."""
        return CandleColumns(
            self.open_us[rows], {name: column[rows] for name, column in self.cells.items()}
        )

    def inside(self, span: Span) -> Mask:
        """Tell which candles open in ``span``, half-open."""
        start_us, end_us = span.start_ms * 1000, span.end_ms * 1000
        return np.asarray((self.open_us >= start_us) & (self.open_us < end_us))

    def are_distinct(self) -> bool:
        """Tell whether no two candles have one key."""
        steps = np.diff(self.open_us)
        return bool((steps > 0).all()) or bool((np.diff(np.sort(self.open_us)) > 0).all())

    def obey_rules(self) -> bool:
        """Tell whether the constraints of the candle tables hold for all candles.

        Only a first look that spares the database a second: where they differ, its word counts.
        """
        opened, high, low, close = (self.cells[name] for name in PRICE_COLUMNS)
        prices = (
            (low >= MIN_PRICE)
            & (high <= MAX_PRICE)
            & (low <= np.minimum(opened, close))
            & (high >= np.maximum(opened, close))
        )
        volumes = all(
            _within(name, self.cells[name], MAX_VOLUME) for name in VOLUME_COLUMNS
        ) and _within("trade_count", self.cells["trade_count"], MAX_TRADE_COUNT)
        flags = self.cells["flags"]
        flagged = bool(((flags & ~(MAX_FLAGS & ~PARTIAL)) == 0).all())
        return bool(prices.all()) and volumes and flagged

    def absent(self) -> tuple[str, ...]:
        """Return the columns their source never states."""
        return tuple(
            name
            for name in OPTIONAL_COLUMNS
            if len(self) and is_absent(name, self.cells[name][:1]).all()
        )


def columns_of(frame: pd.DataFrame) -> CandleColumns:
    """Return the columns of a candle frame, in its order.

    Raises:
        ContractError: a column is missing, of another type, or absent from some rows only, or a
            time is absent.
    """
    for name in STATED_COLUMNS:
        if name not in frame.columns:
            raise ContractError(f"candle frame lacks {name}: has {list(frame.columns)}")
    values = {name: _numbers(frame, name) for name in VALUE_COLUMNS}
    for name in OPTIONAL_COLUMNS:
        mask = is_absent(name, values[name])
        # One landing is one source's word, and a source states a column or does not.
        if mask.any() and not mask.all():
            raise ContractError(
                f"candle frame, {name}: expected a value in all {len(frame)} rows or in none, "
                f"was absent from {int(mask.sum())}; check the landing again"
            )
    values["flags"] = (
        _numbers(frame, "flags")
        if "flags" in frame.columns
        else np.zeros(len(frame), dtype=np.int64)
    )
    return CandleColumns(open_times_us(frame), values)


def unpack(payload: bytes | None, kind: str) -> NDArray[Any]:
    """Return the numbers of a packed column: their bytes, one behind the other, big end first.

    None, the column of no rows, is an empty column.
    """
    return np.frombuffer(payload or b"", dtype=f">{kind}").astype(kind)


def is_absent(name: str, values: NDArray[Any]) -> Mask:
    """Tell which values of a column stand for "never stated"."""
    return np.asarray(values == ABSENT_COUNT if name == "trade_count" else np.isnan(values))


def _within(name: str, values: NDArray[Any], most: float) -> bool:
    stated = (values >= 0) & (values <= most)
    return bool((stated | is_absent(name, values) if name in OPTIONAL_COLUMNS else stated).all())


def _numbers(frame: pd.DataFrame, name: str) -> NDArray[Any]:
    column = frame[name]
    try:
        is_whole = name in _WHOLE
        given = column.to_numpy() if is_whole else column.to_numpy(dtype=np.float64)
        if not is_whole or given.dtype == np.int64:
            return given
        with np.errstate(invalid="ignore"):
            whole = np.asarray(given.astype(np.int64))
        if np.array_equal(whole, given):
            return whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise ContractError(
        f"candle frame, {name}: expected numbers that fit its column, was {column.dtype}"
    )
