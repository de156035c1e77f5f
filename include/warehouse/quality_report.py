"""Reads the summary of quality: one line per instrument and day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from include.warehouse.engine import Connection, database_errors
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityDay:
    """How an instrument's UTC day stands, in minutes of 1m candles.

    ``minutes`` (those over) = ``present`` + ``not_loaded`` + all of ``explained`` + all of
    ``unexplained``, by reason. ``quarantined`` are rows by rule, ``revisions`` candles that were
    replaced, ``gate_blocks`` batches held back, ``drift_alarms`` those of windows that ended,
    ``differences`` candles that another source tells otherwise. ``noticed_after`` is how long
    after its end the slowest gap was noticed, ``open_for`` how long the oldest unexplained one is
    known, ``repaired_after`` how long the slowest repair took; None where there was none.
    """

    instrument_id: int
    venue: str
    symbol: str
    day: date
    minutes: int
    present: int
    not_loaded: int
    explained: Mapping[str, int]
    unexplained: Mapping[str, int]
    quarantined: Mapping[str, int]
    revisions: int
    gate_blocks: int
    drift_alarms: int
    differences: int
    noticed_after: timedelta | None
    open_for: timedelta | None
    repaired_after: timedelta | None


def read_quality_report(
    connection: Connection, *, from_day: date, to_day: date, at: datetime
) -> list[QualityDay]:
    """Return the days [from_day, to_day) up to the instant ``at``, by day, venue and symbol."""
    asked = {"from_day": from_day, "to_day": to_day, "at": at}
    names = [one.name for one in fields(QualityDay)]
    with database_errors(f"reading the quality of {from_day} to {to_day}"):
        found = connection.execute(statement("report/read_quality_report"), asked).fetchall()
    return [QualityDay(**dict(zip(names, row, strict=True))) for row in found]
