"""One pass over the files of a symbol, oldest candle first."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Final

import numpy as np

from include.exchanges.files.folder import FolderPath
from include.exchanges.files.mapping import FileMapping
from include.exchanges.files.parquet import read_parquet
from include.exchanges.files.parse import Block, read_csv
from include.exchanges.pages import require_plausible
from include.exchanges.row_texts import join_texts
from include.exchanges.rows import CandleRows, no_candles
from include.market.errors import ContractError, InvalidInputError
from include.market.span import Span
from include.market.timeframe import Timeframe

_ENOUGH_ROWS: Final = 20
"""So many 1m candles that all open on full five minutes are no chance but 5m candles."""


class Tape:
    """The candles of some files; it winds forward only, one block in memory at a time."""

    def __init__(self, paths: list[FolderPath], mapping: FileMapping, timeframe: Timeframe) -> None:
        """Start before the first candle; no file is opened yet."""
        self.position_ms = 0
        self._blocks = _read_all(paths, mapping, timeframe)
        self._rest = no_candles()
        self._last = no_candles()

    def play(self, span: Span) -> Iterator[tuple[CandleRows, int]]:
        """Yield rows that open in ``span``, each time with how many equal lines were dropped.

        ``span`` must not begin before ``position_ms``, which then moves to its end.
        """
        rest = self._rest
        while True:
            first, end = np.searchsorted(rest.open_ms, [span.start_ms, span.end_ms]).tolist()
            if first < end:
                yield self._unique(rest.take(slice(first, end)))
            self._rest = rest.take(slice(end, None))
            following = None if len(self._rest) else next(self._blocks, None)
            if following is None:
                break
            rest = following
        self.position_ms = span.end_ms

    def close(self) -> None:
        """Close the file that is open."""
        self._blocks.close()

    def _unique(self, rows: CandleRows) -> tuple[CandleRows, int]:
        """Drop lines that say once more what the line above them says."""
        opens = np.concatenate([self._last.open_ms, rows.open_ms])
        texts = join_texts([self._last.raw, rows.raw])
        twice = (np.flatnonzero(np.diff(opens) == 0) + 1).tolist()
        same = [at - len(self._last) for at in twice if texts[at] == texts[at - 1]]
        self._last = rows.take(slice(-1, None))
        if not same:
            return rows, 0
        return rows.take(np.delete(np.arange(len(rows)), same)), len(same)


def first_open_ms(path: FolderPath, mapping: FileMapping) -> int | None:
    """Return when the first candle of a file opens, None when the file holds none.

    Raises:
        InvalidInputError: its first block holds something else than is declared.
    """
    with closing(_read(path, mapping)) as blocks:
        for block in blocks:
            return int(block.rows.open_ms[0])
    return None


def _read(path: FolderPath, mapping: FileMapping) -> Generator[Block]:
    yield from (read_csv if mapping.format == "csv" else read_parquet)(path, mapping)


def _read_all(
    paths: list[FolderPath], mapping: FileMapping, timeframe: Timeframe
) -> Generator[CandleRows]:
    last_ms, last_path = 0, None
    for path in paths:
        for block in _read(path, mapping):
            first_ms = int(block.rows.open_ms[0])
            if first_ms < last_ms:
                raise InvalidInputError(
                    f"{path}, line {block.first_line}: opens before the last candle read of "
                    f"{last_path}: sort the file by time, and let files not overlap"
                )
            _require_candles(path, block, timeframe)
            yield block.rows
            last_ms, last_path = int(block.rows.open_ms[-1]), path


def _require_candles(path: FolderPath, block: Block, timeframe: Timeframe) -> None:
    where = f"{path}, from line {block.first_line}"
    try:
        require_plausible(block.rows, timeframe)
    except ContractError as error:
        raise InvalidInputError(f"{where}: {error} Compare the mapping's columns") from None
    step_ms = int(np.gcd.reduce(block.rows.open_ms))
    if len(block.rows) >= _ENOUGH_ROWS and step_ms > timeframe.length_ms:
        raise InvalidInputError(
            f"{where}: expected {timeframe.label} candles, but every one opens on full "
            f"{step_ms // 60_000} minutes: put {{timeframe}} into the mapping's pattern"
        )
