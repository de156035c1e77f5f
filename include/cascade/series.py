"""Candles of many instruments as arrays: what the roll-up of a live minute is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from include.cascade.fold import IntArray

Cells: TypeAlias = Mapping[str, NDArray[Any]]
Rows: TypeAlias = NDArray[np.bool_] | IntArray | slice


@dataclass(frozen=True, slots=True)
class SeriesCandles:
    """Candles sorted by instrument, then by time; all arrays have one length.

    ``owners`` are instrument ids, ``open_us`` epoch microseconds, UTC; ``cells`` holds a column per
    name: floats, and as int64 ``trade_count``, ``flags`` and, of coarse candles,
    ``children_present`` and ``children_expected``. What is absent stands as in a candle frame.
    """

    owners: IntArray
    open_us: IntArray
    cells: Cells

    def __len__(self) -> int:
        """Return the number of candles."""
        return len(self.open_us)

    def take(self, rows: Rows) -> SeriesCandles:
        """Return some of the candles, in their order."""
        cells = {name: column[rows] for name, column in self.cells.items()}
        return SeriesCandles(self.owners[rows], self.open_us[rows], cells)
