"""Stores channel fits; older fits stay as history.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from psycopg.rows import TupleRow

from include.market.timeframe import Timeframe, parse_timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import fetch_value, statement


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One quantile line; value = intercept + slope * hours since the segment's start_time."""

    tau: float
    intercept: float
    slope: float
    pinball_loss_in: float | None = None
    pinball_loss_out: float | None = None


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """The channel over a segment; ``declined_reason`` is None exactly when it is published."""

    published: bool
    declined_reason: str | None = None
    baseline_loss: float | None = None
    model_loss: float | None = None
    lines: tuple[StoredLine, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A straight trend over [start_time, end_time), aware UTC, in fitted price units."""

    start_time: datetime
    end_time: datetime
    slope_per_hour: float
    intercept: float
    candles: int
    residual_scale: float
    channel: StoredChannel | None = None


@dataclass(frozen=True, slots=True)
class StoredFit:
    """One fit of an instrument and timeframe, segments oldest first.

    ``data_xid`` is the ``upto_xid`` of the changes it has seen. ``parameters`` is JSON-able.
    ``fit_run_id`` and ``recorded_at`` are None until it is stored.
    """

    instrument_id: int
    timeframe: Timeframe
    data_xid: int
    code_version: str
    parameters: Mapping[str, Any]
    segments: tuple[StoredSegment, ...]
    fit_run_id: int | None = None
    recorded_at: datetime | None = None


def store_fit(connection: Connection, fit: StoredFit) -> int:
    """Store ``fit`` as the current one of its instrument and timeframe; return its fit_run_id.

    Raises:
        ContractError: a number is not finite, segments overlap, or a reason is missing.
        RetryableError: the database was lost or too busy; roll back.
    """
    values = {
        "instrument_id": fit.instrument_id,
        "timeframe": fit.timeframe.label,
        "data_xid": str(fit.data_xid),
        "code_version": fit.code_version,
        "parameters": finite_json(dict(fit.parameters)),
    }
    with database_errors(f"storing the fit of instrument {fit.instrument_id}"):
        connection.execute(statement("model/lock_fit"), values)
        connection.execute(statement("model/retire_fit"), values)
        fit_run_id = int(fetch_value(connection, statement("model/write_fit_run"), values))
        for segment in fit.segments:
            _store_segment(connection, fit_run_id, segment)
    return fit_run_id


def latest_fit(
    connection: Connection, instrument_id: int, timeframe: Timeframe
) -> StoredFit | None:
    """Return the current fit of an instrument and timeframe, None when there is none."""
    values = {"instrument_id": instrument_id, "timeframe": timeframe.label}
    row = connection.execute(statement("model/current_fit"), values).fetchone()
    if row is None:
        return None
    fit_run_id, data_xid, code_version, parameters, recorded_at = row
    return StoredFit(
        instrument_id=instrument_id,
        timeframe=parse_timeframe(timeframe.label),
        data_xid=int(data_xid),
        code_version=code_version,
        parameters=parameters,
        segments=_read_segments(connection, fit_run_id),
        fit_run_id=fit_run_id,
        recorded_at=recorded_at,
    )


def _store_segment(connection: Connection, fit_run_id: int, segment: StoredSegment) -> None:
    values = {
        "fit_run_id": fit_run_id,
        "start_time": segment.start_time,
        "end_time": segment.end_time,
        "slope_per_hour": segment.slope_per_hour,
        "intercept": segment.intercept,
        "candles": segment.candles,
        "residual_scale": segment.residual_scale,
    }
    segment_id = int(fetch_value(connection, statement("model/write_segment"), values))
    if segment.channel is not None:
        _store_channel(connection, segment_id, segment.channel)


def _store_channel(connection: Connection, segment_id: int, channel: StoredChannel) -> None:
    values = {
        "segment_id": segment_id,
        "published": channel.published,
        "declined_reason": channel.declined_reason,
        "baseline_loss": channel.baseline_loss,
        "model_loss": channel.model_loss,
    }
    channel_id = int(fetch_value(connection, statement("model/write_channel"), values))
    with connection.cursor() as cursor:
        cursor.executemany(
            statement("model/write_coefficient"),
            [
                {
                    "channel_id": channel_id,
                    "tau": line.tau,
                    "intercept": line.intercept,
                    "slope": line.slope,
                    "pinball_loss_in": line.pinball_loss_in,
                    "pinball_loss_out": line.pinball_loss_out,
                }
                for line in channel.lines
            ],
        )
        cursor.executemany(
            "INSERT INTO model.channel_score (channel_id, metric, value) VALUES (%s, %s, %s)",
            [(channel_id, metric, value) for metric, value in channel.scores.items()],
        )


def _read_segments(connection: Connection, fit_run_id: int) -> tuple[StoredSegment, ...]:
    lines: dict[int, list[StoredLine]] = {}
    values = {"fit_run_id": fit_run_id}
    for channel_id, *line in connection.execute(statement("model/read_coefficients"), values):
        lines.setdefault(channel_id, []).append(StoredLine(*line))
    return tuple(
        _as_segment(row, lines)
        for row in connection.execute(statement("model/read_segments"), values)
    )


def _as_segment(row: TupleRow, lines: Mapping[int, list[StoredLine]]) -> StoredSegment:
    *trend, channel_id, published, reason, baseline_loss, model_loss, scores = row
    segment = StoredSegment(*trend)
    if channel_id is None:
        return segment
    channel = StoredChannel(
        published,
        reason,
        baseline_loss,
        model_loss,
        tuple(lines.get(channel_id, ())),
        scores or {},
    )
    return replace(segment, channel=channel)
