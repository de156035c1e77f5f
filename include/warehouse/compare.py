"""Compares a landing with what is stored, so that only rows that say something new are sent.

The stored values of the landing's span are read as packed columns and compared in memory; a row
that is new or differs goes on to be judged by the database, which alone decides its fate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from include.market.candle import OPTIONAL_COLUMNS
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.quality.gaps import find_gaps
from include.warehouse.candles import read_columns
from include.warehouse.columns import CandleColumns, Mask, Places
from include.warehouse.engine import Connection


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which rows of a landing must be staged, and what will be stored once they are merged.

    ``new`` is how many of them have no stored row under their key. ``present_us`` holds, per
    instrument, the open times stored in the landing's span if all of these enter.
    """

    staged: Mask
    same: int
    new: int
    present_us: Mapping[int, Places]

    def holes(self, timeframe: Timeframe, instrument_id: int, span: Span) -> list[Span]:
        """Return the spans inside ``span`` without candles, sorted."""
        return find_gaps(self.present_us[instrument_id] // 1000, timeframe, span)


def compare_with_stored(
    connection: Connection,
    timeframe: Timeframe,
    columns: CandleColumns,
    series: Mapping[int, Sequence[Span]],
) -> Comparison | None:
    """Compare rows with the stored ones of ``series``; the caller holds the series' locks.

    None when two rows have one key: which of them counts is for the database to judge.
    """
    if not columns.are_distinct():
        return None
    staged = np.ones(len(columns), dtype=np.bool_)
    new, present_us = 0, {}
    for instrument_id, spans in series.items():
        found = [np.empty(0, dtype=np.int64)]
        for span in spans:
            inside = np.flatnonzero(columns.inside(span))
            stored = read_columns(connection, timeframe, instrument_id, span)
            arrived = columns.take(inside)
            known, same = _match(arrived, stored)
            staged[inside[same]] = False
            new += len(known) - int(known.sum())
            found += [stored.open_us, arrived.open_us[~known]]
        present_us[instrument_id] = np.concatenate(found)
    return Comparison(staged, len(columns) - int(staged.sum()), new, present_us)


def _match(arrived: CandleColumns, stored: CandleColumns) -> tuple[Mask, Mask]:
    """Tell which arrived rows have a stored row under their key, and which equal it."""
    if np.array_equal(arrived.open_us, stored.open_us):
        return np.ones(len(arrived), dtype=np.bool_), _equal(arrived, stored)
    known = same = np.zeros(len(arrived), dtype=np.bool_)
    if not len(stored):
        return known, same
    places = np.searchsorted(stored.open_us, arrived.open_us)
    places[places == len(stored)] = 0
    known = np.asarray(stored.open_us[places] == arrived.open_us)
    same = known.copy()
    same[known] = _equal(arrived.take(known), stored.take(places[known]))
    return known, same


def _equal(arrived: CandleColumns, stored: CandleColumns) -> Mask:
    """Tell which rows have equal values; two absent ones are equal, as in SQL's DISTINCT."""
    same = np.ones(len(arrived), dtype=np.bool_)
    for name, column in arrived.cells.items():
        other = stored.cells[name]
        equal = column == other
        if name in OPTIONAL_COLUMNS and column.dtype.kind == "f":
            equal |= np.isnan(column) & np.isnan(other)
        same &= equal
    return same
