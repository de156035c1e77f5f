"""Kline lines written exactly as the archive writes them, to columns. Pure.

Source: https://github.com/binance/binance-public-data (README), "Klines".
"""

from __future__ import annotations

from typing import Final

import numpy as np

from include.exchanges.csv_columns import CsvTable
from include.exchanges.fixed_cells import FixedLayout, FixedReader
from include.exchanges.row_texts import RowTexts

_WHOLES: Final = ("open_time", "close_time", "count")
_DECIMALS: Final = (
    "open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume",
    "taker_buy_quote_volume",
)  # fmt: skip
_READER: Final = FixedReader(
    FixedLayout(
        builds=("whole", *("decimal",) * 5, "whole", "decimal", "whole", "decimal", "decimal"),
        last=b"0",
    )
)
_BLOCK_BYTES: Final = 1 << 18
"""What is made of a block while it is read stays in the processor's cache."""


def read_plain_klines(text: bytes) -> CsvTable | None:
    """Return the columns of a kline file without a header, None where a line is written otherwise.

    Whatever is returned equals what :func:`include.exchanges.csv_columns.read_block` returns.
    """
    lines = text if text.endswith(b"\n") else text + b"\n"
    wholes, decimals, ends = [], [], [np.full(1, -1)]
    begin = 0
    while begin < len(lines):
        end = lines.find(b"\n", begin + _BLOCK_BYTES) + 1 or len(lines)
        block = lines[begin:end]
        found = _READER.read(block.replace(b"\n", b","))
        if found is None:
            return None
        # A comma in the place of an end of line would be no comma: lines must have ended there.
        if not np.array_equal(np.flatnonzero(np.frombuffer(block, np.uint8) == 10), found.ends):
            return None
        wholes.append(found.wholes)
        decimals.append(found.decimals)
        ends.append(found.ends + begin)
        begin = end
    if not wholes:
        return None
    columns = dict(zip(_WHOLES, np.concatenate(wholes, axis=1), strict=True))
    columns |= dict(zip(_DECIMALS, np.concatenate(decimals, axis=1), strict=True))
    # As wide as the cells of other files are read: a count may be missing there.
    columns["count"] = columns["count"].astype(np.float64)
    return CsvTable(columns, RowTexts(lines, np.concatenate(ends) + 1))
