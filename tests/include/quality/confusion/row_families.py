"""Families of defects of rows and their times: planted, taken through the gate, looked up again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from include.exchanges.traits import VenueTraits
from include.market.span import Span
from include.market.timeframe import DAY_MS
from tests.include.quality.confusion.planting import (
    ABSENCES,
    MINUTE_MS,
    REPETITIONS,
    TIME_DEFECTS,
    VALUE_DEFECTS,
    Defect,
    Planted,
    Row,
    counted_once_more,
    plant,
    recorded_rows,
    sound_rows,
)
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.include.quality.confusion.world import World
from tests.include.quality.recorded import read_binance_csv

START_MS: Final = 20_000 * DAY_MS
DEFECTS: Final = (*VALUE_DEFECTS, *TIME_DEFECTS, *REPETITIONS, *ABSENCES)
OpenWorld: TypeAlias = Callable[..., AbstractContextManager[World]]


def generated(open_world: OpenWorld) -> list[Observation]:
    """Plant every defect of a row 12 times into a made-up week."""
    span = Span(START_MS, START_MS + 7 * DAY_MS)
    return _through_the_gate(open_world, sound_rows(span, seed=11), span, each=12)


def recorded(open_world: OpenWorld, symbol: str) -> list[Observation]:
    """Plant every defect of a row 12 times into a recorded week of Binance."""
    table = read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-08.csv.gz").iloc[: 7 * 1440]
    rows = recorded_rows(table)
    span = Span(rows[0].open_ms, rows[0].open_ms + 7 * DAY_MS)
    return _through_the_gate(open_world, rows, span, each=12)


def _through_the_gate(
    open_world: OpenWorld, rows: Sequence[Row], span: Span, *, each: int
) -> list[Observation]:
    planted = plant(rows, DEFECTS, each=each)
    with open_world("AUSDT", listed_ms=span.start_ms) as world:
        world.land("AUSDT", planted.rows, span)
        said = world.settle()
        assert not said["held"], "a few bad rows must not hold a week back"
        assert said["accepted"] + said["refused"] == len(planted.rows)
        return [
            *world.observe_rows("AUSDT", planted.rows),
            *world.observe_minutes("AUSDT", planted, span),
        ]


def edges(open_world: OpenWorld) -> list[Observation]:
    """Plant rows outside the span, in the future, still forming, and undeclared values."""
    found: list[Observation] = []
    with open_world("AUSDT", "BUSDT") as world:
        found += _beyond_the_ends(world)
        found += _undeclared(world)
    return found


def _beyond_the_ends(world: World) -> list[Observation]:
    # The venue's clock stands in the midst of the last hour asked for.
    span = Span(START_MS, START_MS + DAY_MS)
    clock_ms = span.end_ms - 30 * MINUTE_MS + 20_000
    forming = clock_ms // MINUTE_MS * MINUTE_MS
    around = sound_rows(Span(span.start_ms - 5 * MINUTE_MS, span.end_ms), seed=5)
    rows: list[Row] = []
    planted = Planted()
    for row in around:
        if row.open_ms < span.start_ms:
            rows.append(replace(row, kind="before the span", expected="outside_span"))
        elif row.open_ms < forming:
            rows.append(row)
        elif row.open_ms == forming:
            rows.append(replace(row, kind="still forming", expected="unfinished"))
        elif row.open_ms > forming + MINUTE_MS and row.number % 3:
            rows.append(replace(row, kind="in the future", expected="in_future"))
        if row.open_ms >= forming:
            planted.absent_ms.add(row.open_ms)
    planted.rows = [replace(row, number=number) for number, row in enumerate(rows)]
    world.land("AUSDT", planted.rows, span, server_time_ms=clock_ms)
    assert not world.settle()["held"]
    return [
        *world.observe_rows("AUSDT", planted.rows),
        *world.observe_minutes("AUSDT", planted, span),
    ]


def _undeclared(world: World) -> list[Observation]:
    """A source that never states what takers bought, and does so in ten rows."""
    span = Span(START_MS, START_MS + DAY_MS)
    absent = ("taker_buy_volume", "taker_buy_quote_volume")
    silent = dict.fromkeys(absent, np.nan)
    rows = [
        row.told(**silent)
        if row.number % 144
        else replace(row, kind="value never stated", expected="undeclared_value")
        for row in sound_rows(span, seed=6)
    ]
    world.land("BUSDT", rows, span, traits=VenueTraits(page_limit=1000, absent_columns=absent))
    assert not world.settle()["held"]
    return world.observe_rows("BUSDT", rows)


def units(open_world: OpenWorld) -> list[Observation]:
    """Slips of the unit of time, and batches that change it halfway."""
    found: list[Observation] = []
    span = Span(START_MS, START_MS + DAY_MS)
    # Two slips a batch are slips; more are another format.
    slips = (
        Defect("seconds for ms", "time_unit", lambda row: [_scaled(row, 1 / 1000)]),
        Defect("us for ms", "time_unit", lambda row: [_scaled(row, 1000)]),
    )
    with open_world("AUSDT", "BUSDT", "CUSDT", "DUSDT") as world:
        for symbol, seed in (("AUSDT", 1), ("BUSDT", 2)):
            planted = plant(sound_rows(span, seed=seed), slips, each=1)
            world.land(symbol, planted.rows, span)
            assert not world.settle()["held"]
            found += world.observe_rows(symbol, planted.rows)
        for symbol, factor in (("CUSDT", 1 / 1000), ("DUSDT", 1000)):
            rows = [
                replace(
                    row if row.number < 700 else _scaled(row, factor),
                    kind="units mixed",
                    expected="mixed_units",
                )
                for row in sound_rows(span, seed=3)
            ]
            world.land(symbol, rows, span)
            assert world.settle()["held"] == 1
            found += world.observe_rows(symbol, rows)
    return found


def _scaled(row: Row, factor: float) -> Row:
    return replace(row, open_ms=int(row.open_ms * factor), close_ms=int(row.close_ms * factor))


def revisions(open_world: OpenWorld) -> list[Observation]:
    """Load a day with holes, then again: some values other, some of what was absent there."""
    span = Span(START_MS, START_MS + DAY_MS)
    rows = sound_rows(span, seed=21)
    late = {row.open_ms for row in rows[50:1400:90]}
    first = [row for row in rows if row.open_ms not in late]
    second = [
        replace(counted_once_more(row), kind="revised", expected="revised")
        if row.number % 60 == 7
        else replace(row, kind="late", expected="late")
        if row.open_ms in late
        else row
        for row in rows
    ]
    with open_world("AUSDT") as world:
        world.land("AUSDT", first, span)
        world.settle()
        world.land("AUSDT", second, span)
        world.settle()
        labels = _history(world)
    assert Counter(labels.values()).keys() == {"revised", "late"}
    return [Observation(row.kind, row.expected, labels.get(row.open_ms, CLEAN)) for row in second]


def _history(world: World) -> dict[int, str]:
    """Return what the ledger tells of minutes that did not simply come once."""
    revised = world.river.conn.execute(
        "SELECT extract(epoch FROM open_time)::bigint * 1000 FROM market.candle_revision "
        "WHERE timeframe = '1m'"
    )
    labels = {int(open_ms): "revised" for (open_ms,) in revised}
    repaired = world.river.conn.execute(
        "SELECT extract(epoch FROM minute)::bigint * 1000 FROM ledger.change "
        "CROSS JOIN LATERAL generate_series(span_start, span_end - interval '1 minute', "
        "'1 minute') AS minute WHERE dataset = 'candle_1m' AND reason = 'repaired'"
    )
    return labels | {int(open_ms): "late" for (open_ms,) in repaired}
