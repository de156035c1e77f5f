"""Sound minutes, and defects planted into them one by one; every row has a number of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import pandas as pd

from include.exchanges.rows import CandleRows
from include.market.candle import VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1
from tests.include.quality.confusion.table import CLEAN

MINUTE_MS: Final = M1.length_ms
APART: Final = 9
"""Minutes between two plants, so that none disturbs its neighbour."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it lands. ``open_ms`` and ``close_ms`` are what the venue says."""

    number: int
    open_ms: int
    close_ms: int
    values: tuple[float, ...]
    kind: str = CLEAN
    expected: str = CLEAN

    def told(self, **changes: float) -> Row:
        """Return the row with other values of some columns."""
        cells = dict(zip(VALUE_COLUMNS, self.values, strict=True)) | changes
        return replace(self, values=tuple(cells[name] for name in VALUE_COLUMNS))

    def of(self, name: str) -> float:
        return self.values[VALUE_COLUMNS.index(name)]

    def moved(self, by_ms: int) -> Row:
        return replace(self, open_ms=self.open_ms + by_ms, close_ms=self.close_ms + by_ms)


Mutate = Callable[[Row], Sequence[Row]]
"""Makes of one row those that land in its place; their numbers are given later."""


@dataclass(frozen=True, slots=True)
class Defect:
    """A kind of defect: how it is made, and what it should be found as.

    ``drops`` is how many of the rows after it do not come. What ``mutate`` returns bears the
    expectation, unless a row of it says otherwise.
    """

    kind: str
    expected: str
    mutate: Mutate
    drops: int = 0


@dataclass(slots=True)
class Planted:
    """Rows ready to land, and the minutes that will then be absent."""

    rows: list[Row] = field(default_factory=list)
    absent_ms: set[int] = field(default_factory=set)

    def candle_rows(self) -> CandleRows:
        return candle_rows(self.rows)


def sound_rows(span: Span, *, seed: int, price: float = 4.0) -> list[Row]:
    """Return plausible minutes of ``span``: every one traded, no rule broken."""
    count = (span.end_ms - span.start_ms) // MINUTE_MS
    draw = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(draw.normal(0, 5e-4, count))).round(6)
    opened = np.concatenate([[price], close[:-1]])
    high = np.maximum(opened, close) * (1 + draw.uniform(1e-4, 1e-3, count))
    low = np.minimum(opened, close) * (1 - draw.uniform(1e-4, 1e-3, count))
    volume = draw.uniform(10, 1000, count).round(2)
    share = draw.uniform(0.1, 0.9, count)
    quote = volume * (high + low) / 2
    columns = (opened, high, low, close, volume, quote, volume * share, quote * share)
    counts = draw.integers(1, 500, count).astype(float)
    cells = np.column_stack([*columns, counts]).tolist()
    return [
        _row(number, span.start_ms + number * MINUTE_MS, values)
        for number, values in enumerate(cells)
    ]


def recorded_rows(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a landed frame (see ``tests.include.quality.recorded``)."""
    opens = table["open_time"].astype("int64").to_numpy() // 1000
    cells = table[list(VALUE_COLUMNS)].to_numpy(dtype=np.float64).tolist()
    return [
        _row(number, open_ms, values)
        for number, (open_ms, values) in enumerate(zip(opens.tolist(), cells, strict=True))
    ]


def plant(rows: Sequence[Row], defects: Sequence[Defect], *, each: int) -> Planted:
    """Plant every defect ``each`` times, in turn, all over ``rows``."""
    found, wanted = Planted(), _in_turn(defects, each)
    defect, skip, since = next(wanted, None), 0, APART
    for row in rows:
        if skip:
            skip -= 1
            found.absent_ms.add(row.open_ms)
            continue
        since += 1
        # A minute without trades has too few values of its own to plant anything into.
        if defect is None or since < APART or row.of("trade_count") < 2:
            found.rows.append(row)
            continue
        made = [
            one if one.kind != CLEAN else replace(one, kind=defect.kind, expected=defect.expected)
            for one in defect.mutate(row)
        ]
        found.rows += made
        if not any(_lands_on(one, row.open_ms) for one in made):
            found.absent_ms.add(row.open_ms)
        skip, since, defect = defect.drops, 0, next(wanted, None)
    if defect is not None:
        raise AssertionError(f"too few rows: {defect.kind} was not planted often enough")
    found.rows = [replace(row, number=number) for number, row in enumerate(found.rows)]
    return found


def candle_rows(rows: Sequence[Row]) -> CandleRows:
    """Return the rows as a source hands them on; the text of each is its number."""
    return CandleRows(
        np.array([row.open_ms for row in rows], dtype=np.int64),
        np.array([row.close_ms for row in rows], dtype=np.int64),
        np.array([row.values for row in rows], dtype=np.float64).reshape(-1, len(VALUE_COLUMNS)),
        [json.dumps([row.number]).encode() for row in rows],
    )


def counted_once_more(row: Row) -> Row:
    """Return the row as a venue might revise it: sound, and certainly another one."""
    return row.told(trade_count=row.of("trade_count") + 1)


def _row(number: int, open_ms: int, values: Sequence[float]) -> Row:
    return Row(number, open_ms, open_ms + MINUTE_MS - 1, tuple(values))


def _in_turn(defects: Sequence[Defect], each: int) -> Iterator[Defect]:
    return (defect for _ in range(each) for defect in defects)


def _lands_on(row: Row, open_ms: int) -> bool:
    return row.expected == CLEAN or (
        row.expected.startswith("flag_") and (abs(row.open_ms - open_ms) < MINUTE_MS // 2)
    )


def _told(**changes: Callable[[Row], float]) -> Mutate:
    return lambda row: [row.told(**{name: change(row) for name, change in changes.items()})]


def _sound(row: Row, kind: str) -> Row:
    return replace(row, kind=kind, expected=CLEAN)


VALUE_DEFECTS: Final = (
    Defect("price not a number", "not_a_number", _told(close=lambda _: math.nan)),
    Defect("volume infinite", "not_a_number", _told(volume=lambda _: math.inf)),
    Defect("price zero", "price_range", _told(low=lambda _: 0.0)),
    Defect("price negative", "price_range", _told(open=lambda row: -row.of("open"))),
    Defect("price absurd", "price_range", _told(high=lambda _: 1e30)),
    Defect("volume negative", "volume_range", _told(volume=lambda row: -row.of("volume"))),
    Defect("volume absurd", "volume_range", _told(volume=lambda _: 1e30)),
    Defect("high below low", "ohlc_order", _told(high=lambda row: row.of("low") * 0.99)),
    Defect("close outside", "ohlc_order", _told(close=lambda row: row.of("high") * 1.01)),
    Defect("open outside", "ohlc_order", _told(open=lambda row: row.of("low") * 0.99)),
    Defect(
        "takers bought more than all",
        "taker_volume",
        _told(taker_buy_volume=lambda row: row.of("volume") * 1.01),
    ),
    Defect(
        "quote volume in other unit",
        "quote_volume_unit",
        _told(quote_volume=lambda row: row.of("quote_volume") * 1000),
    ),
    Defect(
        "volume in contracts",
        "quote_volume_unit",
        _told(
            volume=lambda row: row.of("volume") / 10,
            taker_buy_volume=lambda row: row.of("taker_buy_volume") / 10,
        ),
    ),
    Defect(
        "half a trade", "trade_count", _told(trade_count=lambda row: row.of("trade_count") + 0.5)
    ),
    Defect("volume without trades", "trade_count", _told(trade_count=lambda _: 0.0)),
    Defect(
        "trades without volume",
        "trade_count",
        _told(
            volume=lambda _: 0.0,
            quote_volume=lambda _: 0.0,
            taker_buy_volume=lambda _: 0.0,
            taker_buy_quote_volume=lambda _: 0.0,
        ),
    ),
)

TIME_DEFECTS: Final = (
    Defect("14 s late", "flag_snapped", lambda row: [row.moved(14_837)]),
    Defect("20 s early", "flag_snapped", lambda row: [row.moved(-20_000)]),
    Defect(
        "begins late after a halt",
        "flag_snapped",
        lambda row: [replace(row, open_ms=row.open_ms + 14_838)],
    ),
    Defect("half a minute late", "off_grid", lambda row: [row.moved(30_000)]),
    Defect(
        "place taken",
        "snap_conflict",
        lambda row: [
            _sound(row, "place taken"),
            row.moved(9_000).told(close=row.of("open")),
        ],
    ),
    Defect(
        "two for one place",
        "snap_conflict",
        lambda row: [row.moved(-10_000), row.moved(11_000).told(close=row.of("open"))],
    ),
    Defect(
        "cut off by a halt",
        "flag_truncated",
        lambda row: [replace(row, close_ms=row.open_ms + 23_456)],
        drops=3,
    ),
    Defect(
        "cut off in the midst",
        "truncated_candle",
        lambda row: [replace(row, close_ms=row.open_ms + 23_456)],
    ),
    Defect(
        "two minutes long",
        "truncated_candle",
        lambda row: [replace(row, close_ms=row.open_ms + 2 * MINUTE_MS - 1)],
    ),
)

REPETITIONS: Final = (
    Defect("sent twice", "duplicate_row", lambda row: [row, _sound(row, "sent twice")]),
    Defect(
        "sent twice, other values",
        "duplicate_key",
        lambda row: [row, _sound(counted_once_more(row), "sent twice, other values")],
    ),
    Defect(
        "broken repetition",
        "ohlc_order",
        lambda row: [_sound(row, "broken repetition"), row.told(high=row.of("low") * 0.99)],
    ),
)

ABSENCES: Final = (Defect("5 minutes absent", CLEAN, lambda row: [_sound(row, CLEAN)], drops=5),)
