"""Rows of a landing for a whole month: looked over, and encoded while earlier ones are copied."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.cascade.buckets import floor_us
from include.market.candle import VALUE_COLUMNS
from include.market.errors import CandlewickError
from include.market.span import Span, subtract_spans
from include.market.timeframe import Timeframe
from include.quality.gaps import find_gaps
from include.warehouse.columns import CandleColumns, columns_of
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing
from include.warehouse.pgbinary import COPY_HEADER, COPY_TRAILER, encode_rows, encode_times

AHEAD: Final = 2
"""Landings held in memory, beside the one that is being stored."""
BLOCK: Final = 4096
"""Rows encoded at a time: so many stay in the processor's cache from column to column."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Member:
    """A landing that may be loaded with its month, and the way to its rows.

    ``read`` gives the candle frame and the reasons for what is absent; it is called once, in
    another thread, and may be slow.
    """

    landing: Landing
    fencing_token: int
    read: Callable[[], tuple[pd.DataFrame, Sequence[Gap]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a member belong: one instrument, one span of whole candles, one load."""

    member: Member
    timeframe: Timeframe
    instrument_id: int
    span: Span
    load_id: int


@dataclass(frozen=True, slots=True)
class MonthRows:
    """The rows of one place in COPY format; ``runs`` are the spans they fill, without a break."""

    place: Place
    names: tuple[str, ...]
    payload: bytes | bytearray
    count: int
    runs: Sequence[Span]
    holes: Sequence[Span]
    gaps: Sequence[Gap]

    def without_payload(self) -> MonthRows:
        """Return the same without the bytes, which are needed once."""
        return replace(self, payload=b"")


def encode_ahead(places: Iterable[Place]) -> Iterator[MonthRows]:
    """Yield the rows of each place that is beyond doubt, encoding the next ones meanwhile."""
    for rows in read_ahead(partial(encode_place, place) for place in places):
        if rows is not None:
            yield rows


def read_ahead(reads: Iterable[Callable[[], Item]]) -> Iterator[Item]:
    """Yield what each of ``reads`` returns, in order, while a thread works on the next ones."""
    with ThreadPoolExecutor(1, thread_name_prefix="read ahead") as pool:
        waiting: deque[Future[Item]] = deque()
        try:
            for read in reads:
                waiting.append(pool.submit(read))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def encode_place(place: Place) -> MonthRows | None:
    """Return the encoded rows of a place, or None when they must be judged one by one."""
    try:
        frame, gaps = place.member.read()
        columns = columns_of(frame)
    except (CandlewickError, OSError):
        # The careful way reads it again, and tells what is wrong with it.
        return None
    if not _is_beyond_doubt(columns, place):
        return None
    holes = find_gaps(columns.open_us // 1000, place.timeframe, place.span)
    names, payload = _encode(columns, place)
    runs = subtract_spans(place.span, holes)
    return MonthRows(place, names, payload, len(columns), runs, holes, gaps)


def _is_beyond_doubt(columns: CandleColumns, place: Place) -> bool:
    return bool(
        len(columns)
        and (np.diff(columns.open_us) > 0).all()
        and columns.inside(place.span).all()
        and (floor_us(columns.open_us, place.timeframe) == columns.open_us).all()
        and columns.obey_rules()
    )


def _encode(columns: CandleColumns, place: Place) -> tuple[tuple[str, ...], bytearray]:
    absent = columns.absent()
    cells: dict[str, NDArray[Any]] = {
        "instrument_id": np.array([place.instrument_id], dtype=np.int32),
        "load_id": np.array([place.load_id], dtype=np.int64),
        "open_time": encode_times(columns.open_us.view("datetime64[us]")),
        **{name: columns.cells[name] for name in VALUE_COLUMNS if name not in absent},
    }
    if columns.cells["flags"].any():
        cells["flags"] = columns.cells["flags"].astype(np.int16)
    return tuple(cells), _encode_cells(list(cells.values()), len(columns))


def _encode_cells(cells: Sequence[NDArray[Any]], count: int) -> bytearray:
    """Return rows in COPY format: the first one repeated, then overwritten where others differ.

    That is half the work of writing every cell of every row; a column of one cell stays as it is.
    """
    first = encode_rows([column[:1] for column in cells], 1)
    start, end = len(COPY_HEADER), len(first) - len(COPY_TRAILER)
    payload = bytearray().join([first[:start], first[start:end] * count, first[end:]])
    record = np.dtype(
        [("fields", ">i2")]
        + [
            part
            for place, column in enumerate(cells)
            for part in ((f"length_{place}", ">i4"), (f"{place}", f">{column.dtype.str[1:]}"))
        ]
    )
    rows = np.frombuffer(payload, dtype=record, count=count, offset=start)
    varying = [(str(place), column) for place, column in enumerate(cells) if len(column) == count]
    for at in range(0, count, BLOCK):
        for place, column in varying:
            rows[place][at : at + BLOCK] = column[at : at + BLOCK]
    return payload
