"""Judge the units candles are told in: each day once, and again while it is in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from include.market.candle import FOREIGN, PRICE_COLUMNS
from include.market.span import Span, from_ms, subtract_spans, to_ms
from include.market.timeframe import DAY_MS, M1
from include.quality.unit_drift import LEAST_CANDLES, UnitDrift, find_unit_drift
from include.warehouse.candles import read_candles
from include.warehouse.drift import (
    DriftKey,
    NewEpisode,
    StoredVerdict,
    UnitChange,
    WatchedSeries,
    judged_unit_days,
    open_episodes,
    unit_changes,
)
from include.warehouse.engine import Connection
from include.warehouse.ledger import coverage

UNIT_DAYS: Final = 7
"""So many days back units are judged that no earlier run has judged."""
BEFORE_DAYS: Final = 3
"""Days before a day that its units are held against."""
QUIET: Final = "units"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be written: verdicts, drifts that began or go on, and what is quiet again."""

    verdicts: list[StoredVerdict]
    drifts: list[NewEpisode]
    quiet: list[DriftKey]


def judge_units(conn: Connection, watched: Sequence[WatchedSeries], end_ms: int) -> Outcome:
    """Judge the units of every proven day that no run has judged."""
    since = from_ms(end_ms - UNIT_DAYS * DAY_MS)
    done = judged_unit_days(conn, M1, since=since)
    outcome = Outcome([], [], [])
    begun: dict[tuple[int, str], NewEpisode] = {}
    for series in watched:
        covered = coverage(conn, M1.dataset, series.instrument_id)
        for day_end_ms in range(end_ms - (UNIT_DAYS - 1) * DAY_MS, end_ms + 1, DAY_MS):
            day = Span(day_end_ms - DAY_MS, day_end_ms)
            if (series.instrument_id, day.end_time) in done or subtract_spans(day, covered):
                continue
            judged = _units_of(conn, series.instrument_id, day)
            if judged is None:
                continue
            faults, candles = judged
            outcome.verdicts.extend(_unit_verdicts(series, day, candles, faults))
            for fault in faults:
                # A later day may still stand out from days before the change: the first counts.
                begun.setdefault((series.instrument_id, fault.fault), _episode(series, fault, day))
    outcome.drifts.extend(begun.values())
    return outcome


def judge_again(conn: Connection, watched: Sequence[WatchedSeries]) -> Outcome:
    """End drifts of units whose day, read again, shows none: repaired, or declared since."""
    known = {series.instrument_id for series in watched}
    outcome = Outcome([], [], [])
    for episode in open_episodes(conn):
        if episode.kind != "unit" or episode.instrument_id not in known:
            continue
        start_ms = to_ms(episode.began_at)
        judged = _units_of(conn, episode.instrument_id, Span(start_ms, start_ms + DAY_MS))
        if judged is not None and episode.measure not in {fault.fault for fault in judged[0]}:
            outcome.quiet.append(_unit_key(episode.instrument_id, episode.measure))
    return outcome


def own_candles(frame: pd.DataFrame) -> pd.DataFrame:
    """Return candles without those that rest on another venue's, whose volumes are its own."""
    lent = (frame["flags"].to_numpy(dtype=np.int64) & FOREIGN) > 0
    return frame[~lent] if lent.any() else frame


def in_todays_units(frame: pd.DataFrame, changes: Sequence[UnitChange]) -> pd.DataFrame:
    """Return candles with what was told before declared changes of unit in the newest units."""
    for change in changes:
        before = frame["open_time"] < change.at
        prices = {
            name: frame[name].where(~before, frame[name] * change.factor) for name in PRICE_COLUMNS
        }
        volumes = {
            name: frame[name].where(~before, frame[name] / change.factor)
            for name in ("volume", "taker_buy_volume")
        }
        frame = frame.assign(**prices, **volumes)
    return frame


def _units_of(
    conn: Connection, instrument_id: int, day: Span
) -> tuple[list[UnitDrift], int] | None:
    """Return the faults of a day's units and how many candles it has; None if nobody can tell."""
    reach = Span(day.start_ms - BEFORE_DAYS * DAY_MS, day.end_ms)
    frame = own_candles(read_candles(conn, M1, instrument_id, reach))
    frame = in_todays_units(frame, unit_changes(conn, instrument_id))
    is_before = frame["open_time"] < day.start_time
    before, candles = frame[is_before], frame[~is_before]
    if min(len(before), len(candles)) < LEAST_CANDLES:
        return None
    return find_unit_drift(before, candles, M1), len(candles)


def _unit_key(instrument_id: int, measure: str) -> DriftKey:
    return DriftKey(instrument_id=instrument_id, timeframe=M1.label, kind="unit", measure=measure)


def _unit_verdicts(
    series: WatchedSeries, day: Span, candles: int, faults: Sequence[UnitDrift]
) -> Iterator[StoredVerdict]:
    """Yield a verdict per fault, or one that all is well."""
    told: list[tuple[str, str | None]] = [(fault.fault, fault.detail) for fault in faults]
    for measure, detail in told or [(QUIET, None)]:
        yield StoredVerdict(
            instrument_id=series.instrument_id,
            timeframe=M1.label,
            kind="unit",
            measure=measure,
            window_start=day.start_time,
            window_end=day.end_time,
            reference_start=from_ms(day.start_ms - BEFORE_DAYS * DAY_MS),
            candles=candles,
            alarm=detail is not None,
            changed_at=day.start_time if detail is not None else None,
            detail=detail,
        )


def _episode(series: WatchedSeries, fault: UnitDrift, day: Span) -> NewEpisode:
    return NewEpisode(
        instrument_id=series.instrument_id,
        timeframe=M1.label,
        kind="unit",
        measure=fault.fault,
        advice="decline",
        began_at=day.start_time,
        detail=fault.detail,
    )
