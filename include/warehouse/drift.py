"""Verdicts on drift and their episodes: from the first alarm to the last, each told once.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement

DriftKind: TypeAlias = Literal["distribution", "unit"]
Advice: TypeAlias = Literal["refit", "decline"]


class WatchedSeries(NamedTuple):
    """An instrument whose candles are watched."""

    instrument_id: int
    venue: str
    symbol: str


class UnitChange(NamedTuple):
    """A declared change of unit: ``factor`` old units make one new unit from ``at`` on."""

    at: datetime
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    """One row of ``ledger.drift_verdict``; distances are None for units."""

    instrument_id: int
    timeframe: str
    kind: DriftKind
    measure: str
    window_start: datetime
    window_end: datetime
    reference_start: datetime
    candles: int
    psi: float | None = None
    ks: float | None = None
    js: float | None = None
    shift: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    tests: int = 1
    alarm: bool = False
    changed_at: datetime | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftKey:
    """What makes two alarms one episode."""

    instrument_id: int
    timeframe: str
    kind: DriftKind
    measure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEpisode(DriftKey):
    """A drift found now."""

    advice: Advice
    began_at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Episode:
    """A drift in force that nobody accepted."""

    episode_id: int
    instrument_id: int
    timeframe: str
    kind: DriftKind
    measure: str
    advice: Advice
    began_at: datetime
    detail: str
    is_told: bool
    handed_to: list[str]
    name: str


def watched_series(connection: Connection, dataset: str, span: Span) -> list[WatchedSeries]:
    """Return the instruments with proven candles in ``span``, by id."""
    values = {
        "dataset": dataset,
        "span": f"[{span.start_time.isoformat()},{span.end_time.isoformat()})",
    }
    rows = connection.execute(statement("market/watched_series"), values)
    return [WatchedSeries(*row) for row in rows]


def unit_changes(connection: Connection, instrument_id: int) -> list[UnitChange]:
    """Return the declared changes of unit of an instrument, oldest first."""
    values = {"instrument_id": instrument_id}
    rows = connection.execute(statement("market/unit_changes"), values)
    return [UnitChange(*row) for row in rows]


def judged_unit_days(
    connection: Connection, timeframe: Timeframe, *, since: datetime
) -> set[tuple[int, datetime]]:
    """Return instrument and end of each day after ``since`` whose units were judged."""
    values = {"timeframe": timeframe.label, "since": since}
    rows = connection.execute(statement("ledger/judged_unit_days"), values)
    return {(instrument_id, window_end) for instrument_id, window_end in rows}


def write_verdicts(connection: Connection, verdicts: Sequence[StoredVerdict]) -> None:
    """Write verdicts; that of a series and window judged before is replaced."""
    with database_errors("writing verdicts on drift"):
        connection.execute(
            statement("ledger/write_drift_verdicts"), _columns(StoredVerdict, verdicts)
        )


def note_episodes(connection: Connection, found: Sequence[NewEpisode], *, at: datetime) -> None:
    """Begin the episodes of drifts found, or go on with those that are open."""
    with database_errors("noting drifts"):
        connection.execute(
            statement("ledger/note_drift_episodes"), {**_columns(NewEpisode, found), "at": at}
        )


def end_episodes(connection: Connection, quiet: Sequence[DriftKey], *, at: datetime) -> None:
    """End the open episodes of what was judged and no longer drifts."""
    with database_errors("ending drifts"):
        connection.execute(
            statement("ledger/end_drift_episodes"), {**_columns(DriftKey, quiet), "at": at}
        )


def open_episodes(connection: Connection) -> list[Episode]:
    """Return the drifts in force that nobody accepted, oldest first."""
    rows = connection.execute(statement("ledger/open_drift_episodes"))
    return [Episode(*row) for row in rows]


def mark_drift_told(connection: Connection, episodes: Iterable[Episode], *, at: datetime) -> None:
    """Note that somebody was told of ``episodes``."""
    values = {"episode_ids": [episode.episode_id for episode in episodes], "at": at}
    connection.execute(statement("ledger/mark_drift_told"), values)


def drift_of_models(connection: Connection, timeframe: Timeframe) -> dict[int, list[Episode]]:
    """Return by instrument the drifts that concern models of ``timeframe``.

    A drift of units, found in the finest candles, concerns every timeframe.
    """
    found: dict[int, list[Episode]] = {}
    for episode in open_episodes(connection):
        if episode.kind == "unit" or episode.timeframe == timeframe.label:
            found.setdefault(episode.instrument_id, []).append(episode)
    return found


def mark_drift_handed(connection: Connection, episodes: Collection[Episode], stage: str) -> None:
    """Note that ``stage`` has taken notice of ``episodes``, with the caller's results."""
    if episodes:
        values = {"episode_ids": [episode.episode_id for episode in episodes], "stage": stage}
        connection.execute(statement("ledger/mark_drift_handed"), values)


def _columns(kind: type[Any], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Return rows of one dataclass as a list per field."""
    names = [field.name for field in fields(kind)]
    columns = zip(*(astuple(row) for row in rows), strict=True) if rows else [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}
