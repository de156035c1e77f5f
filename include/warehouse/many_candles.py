"""Reads spans of many series in one statement, for work that is about a few candles of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from include.cascade.series import SeriesCandles
from include.market.candle import PRICE_COLUMNS, VOLUME_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1, Timeframe
from include.warehouse.columns import unpack
from include.warehouse.engine import Connection, database_errors
from include.warehouse.merge import candle_table
from include.warehouse.multiranges import as_array
from include.warehouse.pgbinary import decode_times
from include.warehouse.statements import statement

OwnedSpan: TypeAlias = tuple[int, Span]
"""A span of one series: its instrument_id, and when."""

_CHILDREN: Final = "children_present::integer, children_expected::integer"
_NO_CHILDREN: Final = "0 AS children_present, 0 AS children_expected"
MOST_ALIKE: Final = 16
"""Different spans up to which each is a statement of its own, or a part of one: all its instruments
together are several times as fast as one by one, but each span costs a little planning."""


def read_many(
    connection: Connection, timeframe: Timeframe, wanted: Sequence[OwnedSpan]
) -> SeriesCandles:
    """Return the newest revisions of the candles that open in the ``wanted`` spans, half-open.

    The spans of one instrument are disjoint. ``children_present`` and ``children_expected`` are 0
    for 1m. Instruments that share a span are read together, which makes a live minute of hundreds
    of them one small statement.
    """
    groups = group_by_span(wanted)
    action = f"reading {timeframe.label} candles of {len(wanted)} spans"
    with database_errors(action):
        if len(groups) > MOST_ALIKE:
            return _read_scattered(connection, timeframe, wanted)
        parts = _read_alike(connection, timeframe, groups) if groups else []
    if len(parts) == 1:
        return parts[0]
    return _join(parts) if parts else _unpack([b""] * 6)


def group_by_span(owned: Iterable[OwnedSpan]) -> dict[Span, list[int]]:
    """Return the instruments of each span, both in the order they first come."""
    groups: dict[Span, list[int]] = {}
    before: Span | None = None
    group: list[int] = []
    for instrument_id, span in owned:
        # Mostly the very span of the one before, which need not be hashed again.
        if span is not before:
            before, group = span, groups.setdefault(span, [])
        group.append(instrument_id)
    return groups


def _read_alike(
    connection: Connection, timeframe: Timeframe, groups: Mapping[Span, list[int]]
) -> list[SeriesCandles]:
    pieces, values = [], dict[str, object]()
    for place, (span, instrument_ids) in enumerate(groups.items()):
        named = {
            f"instruments_{place}": as_array(instrument_ids),
            f"start_{place}": span.start_time,
            f"end_{place}": span.end_time,
        }
        whose, start, end = map(sql.Placeholder, named)
        candles = statement("market/read_many_candles").format(
            table=candle_table(timeframe),
            children=_children_of(timeframe),
            instrument_ids=whose,
            span_start=start,
            span_end=end,
        )
        pieces.append(statement("market/pack_many_candles").format(candles=candles))
        values |= named
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(sql.SQL(" UNION ALL ").join(pieces), values).fetchall()
    return [_unpack(row) for row in rows if row[0] is not None]


def _read_scattered(
    connection: Connection, timeframe: Timeframe, wanted: Sequence[OwnedSpan]
) -> SeriesCandles:
    starts = [span.start_time for _, span in wanted]
    ends = [span.end_time for _, span in wanted]
    candles = statement("market/read_scattered_candles").format(
        table=candle_table(timeframe), children=_children_of(timeframe)
    )
    values = {
        "instrument_ids": as_array(instrument_id for instrument_id, _ in wanted),
        "span_starts": starts,
        "span_ends": ends,
        "from_time": min(starts),
        "to_time": max(ends),
    }
    query = statement("market/pack_many_candles").format(candles=candles)
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(query, values).fetchone()
    return _unpack([part or b"" for part in row or [b""] * 6])


def _children_of(timeframe: Timeframe) -> sql.SQL:
    return sql.SQL(_NO_CHILDREN if timeframe == M1 else _CHILDREN)


def _join(parts: Sequence[SeriesCandles]) -> SeriesCandles:
    owners = np.concatenate([part.owners for part in parts])
    open_us = np.concatenate([part.open_us for part in parts])
    order = np.lexsort((open_us, owners))
    cells = {
        name: np.concatenate([part.cells[name] for part in parts])[order] for name in parts[0].cells
    }
    return SeriesCandles(owners[order], open_us[order], cells)


def _unpack(packed: Sequence[bytes]) -> SeriesCandles:
    owners, times, prices, volumes, counts, children = packed
    counted, held = unpack(counts, "i8"), unpack(children, "i4").astype(np.int64)
    return SeriesCandles(
        unpack(owners, "i4").astype(np.int64),
        decode_times(unpack(times, "i8")).view(np.int64),
        {
            **_unpack_fours(prices, PRICE_COLUMNS),
            **_unpack_fours(volumes, VOLUME_COLUMNS),
            "trade_count": counted >> 16,
            "flags": counted & 0xFFFF,
            "children_present": held >> 16,
            "children_expected": held & 0xFFFF,
        },
    )


def _unpack_fours(packed: bytes, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    numbers = np.frombuffer(packed, dtype=">f8").reshape(-1, len(names))
    return {name: numbers[:, place].astype(np.float64) for place, name in enumerate(names)}
