"""Families of absences: planted at a venue, loaded, and the reasons the ledger then gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from include.exchanges.traits import VenueTraits
from include.jobs.explain_gaps import explain_venue
from include.market.span import Span, from_ms
from include.market.timeframe import DAY_MS, M1
from include.quality.gaps import find_gaps
from include.quality.outages import (
    SeriesKnowledge,
    find_venue_silences,
    rare_silences,
)
from include.warehouse.reference import sync_instruments
from tests.include.quality.confusion.planting import MINUTE_MS, Row, sound_rows
from tests.include.quality.confusion.row_families import START_MS, OpenWorld
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.include.quality.confusion.world import World
from tests.include.quality.recorded import recorded_path
from tests.support.warehouse import VENUE, instrument

DAY: Final = Span(START_MS, START_MS + DAY_MS)
HALT_MS: Final = 1_470_160_920_000
"""2016-08-02 18:02 UTC, when Bitfinex stopped trading for eight days."""
QUIET: Final = VenueTraits(page_limit=1000, absent_means="no_trade")
"""A venue that leaves out minutes without trades."""


def at_a_flat_venue(open_world: OpenWorld) -> list[Observation]:
    """A venue out for an hour, one instrument silent alone, a row refused, one not yet listed."""
    symbols = ("AUSDT", "BUSDT", "CUSDT", "DUSDT")
    planted: dict[str, dict[int, tuple[str, str]]] = {symbol: {} for symbol in symbols}
    for symbol in symbols:
        _plan(planted[symbol], range(600, 660), "venue out", "outage")
        _plan(planted[symbol], range(900, 903), "venue out for minutes", "outage")
    _plan(planted["AUSDT"], range(200, 212), "one instrument silent", "unknown")
    _plan(planted["BUSDT"], range(700, 701), "one instrument silent", "unknown")
    # The venue's own reference data say so.
    _plan(planted["DUSDT"], range(0, 360), "not yet listed", "pre_listing")
    _plan(planted["CUSDT"], range(1100, 1440), "delisted", "delisted")
    refused = set(range(50, 1000, 100))
    with open_world(*symbols) as world:
        listed = START_MS + 360 * MINUTE_MS
        gone = START_MS + 1100 * MINUTE_MS
        _restate(world, "DUSDT", listed_at=from_ms(listed))
        _restate(world, "CUSDT", delisted_at=from_ms(gone), status="BREAK")
        for seed, symbol in enumerate(symbols):
            rows = [
                row for row in sound_rows(DAY, seed=seed) if _minute(row) not in planted[symbol]
            ]
            if symbol == "BUSDT":
                rows = [_broken(row) if _minute(row) in refused else row for row in rows]
            world.land(symbol, rows, DAY)
        _plan(planted["BUSDT"], refused, "refused", "unknown")
        assert not world.settle()["held"]
        return [one for symbol in symbols for one in _observe(world, symbol, planted[symbol])]


def at_a_quiet_venue(open_world: OpenWorld) -> list[Observation]:
    """A venue that leaves out minutes without trades: most absences are just that."""
    symbols = ("AUSDT", "BUSDT")
    planted: dict[str, dict[int, tuple[str, str]]] = {symbol: {} for symbol in symbols}
    draw = np.random.default_rng(3)
    for symbol in symbols:
        quiet = draw.choice(np.arange(10, 600), size=200, replace=False).tolist()
        _plan(planted[symbol], quiet, "nothing traded", "no_trade")
        _plan(planted[symbol], range(800, 980), "quiet venue out", "outage")
    with open_world(*symbols) as world:
        for seed, symbol in enumerate(symbols):
            rows = [
                row for row in sound_rows(DAY, seed=seed) if _minute(row) not in planted[symbol]
            ]
            world.land(symbol, rows, DAY, traits=QUIET)
        world.settle()
        # The daily second look, when all that is to come of the time has come.
        explain_venue(
            world.river.conn,
            world.river.venue,
            DAY,
            run_id="second look",
            at=from_ms(DAY.end_ms + DAY_MS),
            thorough=True,
        )
        return [one for symbol in symbols for one in _observe(world, symbol, planted[symbol])]


def recorded_halt() -> list[Observation]:
    """A recorded year of Bitfinex: short silences, and the halt after its theft of 2016-08-02."""
    table = pd.read_csv(recorded_path("bitfinex_1m/LTCUSD-1m-2016.csv.gz"))
    opens = np.sort(table.iloc[:, 0].to_numpy(dtype=np.int64))
    # Five weeks on both sides; later that year the recording itself has a hole of two months.
    opens = opens[np.abs(opens - HALT_MS) < 35 * DAY_MS]
    life = Span(int(opens[0]), int(opens[-1]) + MINUTE_MS)
    idle = find_gaps(opens, M1, life)
    traded = [Span(int(opened), int(opened) + MINUTE_MS) for opened in opens.tolist()]
    known = SeriesKnowledge(1, [life], traded, idle)
    # One instrument stands for its venue here: there is no other in the recording.
    found = {one.span.start_ms for one in rare_silences(find_venue_silences([known], quorum=1))}
    [halt] = [span for span in idle if span.start_ms <= HALT_MS < span.end_ms]
    return [
        Observation(
            "halt of 2016" if span == halt else CLEAN,
            "outage" if span == halt else CLEAN,
            "outage" if span.start_ms in found else CLEAN,
        )
        for span in idle
    ]


def _plan(
    planted: dict[int, tuple[str, str]], places: Iterable[int], kind: str, reason: str
) -> None:
    for place in places:
        planted.setdefault(int(place), (kind, reason))


def _minute(row: Row) -> int:
    return (row.open_ms - START_MS) // MINUTE_MS


def _broken(row: Row) -> Row:
    return replace(row.told(high=row.of("low") * 0.99), kind="refused")


def _restate(world: World, symbol: str, **changes: object) -> None:
    base = symbol.removesuffix("USDT")
    with world.river.conn.transaction():
        sync_instruments(
            world.river.conn,
            VENUE,
            [instrument(symbol, base_asset=base, **changes)],
            observed_at=from_ms(DAY.end_ms),
        )


def _observe(world: World, symbol: str, planted: dict[int, tuple[str, str]]) -> list[Observation]:
    reasons = world.gap_minutes(symbol)
    found = []
    for place in range(DAY_MS // MINUTE_MS):
        kind, expected = planted.get(place, (CLEAN, CLEAN))
        said = reasons.get(START_MS + place * MINUTE_MS, CLEAN)
        found.append(Observation(kind, expected, said))
    return found
