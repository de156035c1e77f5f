"""Stores channel fits and reads them back; older fits stay as history.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg.rows import TupleRow

from include.market.errors import InvalidInputError, StaleFenceError
from include.market.span import Span, to_ms
from include.market.timeframe import Timeframe, parse_timeframe
from include.warehouse.engine import Connection
from include.warehouse.model_rows import write_fits
from include.warehouse.model_values import (
    SEGMENT_FEATURES,
    Provenance,
    StoredChannel,
    StoredFit,
    StoredLine,
    StoredSegment,
)
from include.warehouse.statements import statement


def store_fit(connection: Connection, fit: StoredFit) -> int:
    """Store ``fit`` as the current one of its instrument and timeframe; return its fit_run_id.

    Raises:
        ContractError: a number is not finite, segments overlap, or a reason is missing.
        StaleFenceError: the current fit has seen more changes than this one.
        RetryableError: the database was lost or too busy; roll back.
    """
    [fit_run_id] = write_fits(connection, [fit])
    if fit_run_id is None:
        raise StaleFenceError(
            f"the {fit.timeframe.label} fit of instrument {fit.instrument_id} has seen changes "
            f"below {fit.data_xid} only, the current one more; end this try"
        )
    return fit_run_id


def latest_fit(
    connection: Connection, instrument_id: int, timeframe: Timeframe
) -> StoredFit | None:
    """Return the current fit of an instrument and timeframe, None when there is none."""
    values = {"instrument_id": instrument_id, "timeframe": timeframe.label}
    row = connection.execute(statement("model/current_fit"), values).fetchone()
    return None if row is None else _as_fit(connection, row)


def read_fit(connection: Connection, fit_run_id: int) -> StoredFit:
    """Return one fit, current or not.

    Raises:
        InvalidInputError: there is none of that id.
    """
    row = connection.execute(statement("model/read_fit"), {"fit_run_id": fit_run_id}).fetchone()
    if row is None:
        raise InvalidInputError(
            f"fit {fit_run_id} is not stored: see model.fit_run for those that are"
        )
    return _as_fit(connection, row)


def read_p_values(connection: Connection, timeframe: Timeframe) -> dict[int, float]:
    """Return the p-values of the current fits of ``timeframe`` that were judged, by instrument."""
    rows = connection.execute(statement("model/read_p_values"), {"timeframe": timeframe.label})
    return dict(rows.fetchall())


def loads_before(connection: Connection, timeframe: Timeframe, at: datetime) -> list[datetime]:
    """Return when candles of ``timeframe`` were loaded in the hour up to ``at``, newest first."""
    values = {"dataset": timeframe.dataset, "at": at}
    return [row[0] for row in connection.execute(statement("model/loads_before"), values)]


def prune_segments(connection: Connection, *, before: datetime) -> int:
    """Drop the segments of replaced fits made ``before`` and never shown; return how many.

    The fits stay, and can be made again from what they were made of.
    """
    return connection.execute(statement("model/prune_segments"), {"before": before}).rowcount


def _as_fit(connection: Connection, row: Sequence[Any]) -> StoredFit:
    fit_run_id, instrument_id, label, data_xid, code_version, parameters, recorded_at = row[:7]
    start, end, read_at, sha256, parent_fit_run_id, states, seed, p_value = row[7:]
    made = None
    if sha256 is not None:
        span = Span(to_ms(start), to_ms(end))
        made = Provenance(span, read_at, sha256, parent_fit_run_id, tuple(states), seed)
    return StoredFit(
        instrument_id=instrument_id,
        timeframe=parse_timeframe(label),
        data_xid=int(data_xid),
        code_version=code_version,
        parameters=parameters,
        segments=_read_segments(connection, fit_run_id),
        fit_run_id=fit_run_id,
        recorded_at=recorded_at,
        p_value=p_value,
        provenance=made,
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
    trend, judged, features = row[:6], row[6:14], row[14:]
    known = {
        name: value
        for name, value in zip(SEGMENT_FEATURES, features, strict=True)
        if value is not None
    }
    segment = replace(StoredSegment(*trend), features=known)
    channel_id, published, reason, baseline_loss, model_loss, scores, losses, foretold = judged
    if channel_id is None:
        return segment
    channel = StoredChannel(
        published,
        reason,
        baseline_loss,
        model_loss,
        tuple(lines.get(channel_id, ())),
        scores or {},
        losses,
        foretold,
    )
    return replace(segment, channel=channel)
