"""Writes fits, many at once: their ids are drawn first, then each table takes one COPY.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import sql

from include.warehouse.engine import Connection, database_errors
from include.warehouse.model_values import SEGMENT_FEATURES, StoredChannel, StoredFit, StoredSegment
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import statement

Row = tuple[Any, ...]

FIT_COLUMNS: Final = (
    "fit_run_id", "instrument_id", "timeframe", "data_xid", "code_version", "parameters",
    "range_start", "range_end", "read_at", "input_sha256", "parent_fit_run_id", "parent_states",
    "seed", "p_value",
)  # fmt: skip
SEGMENT_COLUMNS: Final = (
    "segment_id", "fit_run_id", "start_time", "end_time", "slope_per_hour", "intercept", "candles",
    "residual_scale", *SEGMENT_FEATURES,
)  # fmt: skip
CHANNEL_COLUMNS: Final = (
    "channel_id", "segment_id", "published", "declined_reason", "baseline_loss", "model_loss",
    "baseline_losses", "baseline_lines",
)  # fmt: skip
LINE_COLUMNS: Final = (
    "channel_id", "tau", "intercept", "slope", "pinball_loss_in", "pinball_loss_out", "calibration",
)  # fmt: skip
SCORE_COLUMNS: Final = ("channel_id", "metric", "value")


def write_fits(connection: Connection, fits: Sequence[StoredFit]) -> list[int | None]:
    """Store each fit as the current one of its instrument and timeframe; return their ids.

    None for a fit that is not stored, because one that has seen more changes already is. At most
    one of an instrument and timeframe may be among ``fits``.

    Raises:
        ContractError: a number is not finite, segments overlap, or a reason is missing.
        RetryableError: the database was lost or too busy; roll back.
    """
    with database_errors(f"storing fits of {len(fits)} instruments"):
        values = {
            "instrument_ids": [fit.instrument_id for fit in fits],
            "timeframes": [fit.timeframe.label for fit in fits],
            "data_xids": [str(fit.data_xid) for fit in fits],
        }
        connection.execute(statement("model/lock_fits"), values)
        rows = connection.execute(statement("model/retire_fits"), values).fetchall()
        stale = {(instrument_id, timeframe) for instrument_id, timeframe in rows}
        chosen = [fit for fit in fits if (fit.instrument_id, fit.timeframe.label) not in stale]
        drawn = dict(zip(map(id, chosen), _draw(connection, "fit_run", len(chosen)), strict=True))
        _write_rows(connection, chosen, list(drawn.values()))
    return [drawn.get(id(fit)) for fit in fits]


def _write_rows(connection: Connection, fits: Sequence[StoredFit], ids: Sequence[int]) -> None:
    _copy(
        connection,
        "fit_run",
        FIT_COLUMNS,
        (_fit_row(fit, fit_run_id) for fit, fit_run_id in zip(fits, ids, strict=True)),
    )
    segments = [
        (fit_run_id, segment)
        for fit, fit_run_id in zip(fits, ids, strict=True)
        for segment in fit.segments
    ]
    segment_ids = _draw(connection, "segment", len(segments))
    _copy(
        connection,
        "segment",
        SEGMENT_COLUMNS,
        (
            _segment_row(segment, segment_id, fit_run_id)
            for segment_id, (fit_run_id, segment) in zip(segment_ids, segments, strict=True)
        ),
    )
    channels = [
        (segment_id, segment.channel)
        for segment_id, (_, segment) in zip(segment_ids, segments, strict=True)
        if segment.channel is not None
    ]
    _write_channels(connection, channels)


def _write_channels(connection: Connection, channels: Sequence[tuple[int, StoredChannel]]) -> None:
    ids = _draw(connection, "channel", len(channels))
    numbered = [(ident, *each) for ident, each in zip(ids, channels, strict=True)]
    _copy(connection, "channel", CHANNEL_COLUMNS, (_channel_row(*each) for each in numbered))
    _copy(connection, "channel_coefficient", LINE_COLUMNS, _line_rows(numbered))
    _copy(
        connection,
        "channel_score",
        SCORE_COLUMNS,
        (
            (channel_id, metric, value)
            for channel_id, _, channel in numbered
            for metric, value in channel.scores.items()
        ),
    )


def _draw(connection: Connection, table: str, count: int) -> list[int]:
    values = {"table": f"model.{table}", "key": f"{table}_id", "count": count}
    return [row[0] for row in connection.execute(statement("model/draw_ids"), values)]


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier("model", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in rows:
            copy.write_row(row)


def _fit_row(fit: StoredFit, fit_run_id: int) -> Row:
    made = fit.provenance
    return (
        fit_run_id,
        fit.instrument_id,
        fit.timeframe.label,
        str(fit.data_xid),
        fit.code_version,
        finite_json(dict(fit.parameters)),
        made.span.start_time if made else None,
        made.span.end_time if made else None,
        made.read_at if made else None,
        made.input_sha256 if made else None,
        made.parent_fit_run_id if made else None,
        list(made.parent_states) if made else [],
        made.seed if made else 0,
        fit.p_value,
    )


def _segment_row(segment: StoredSegment, segment_id: int, fit_run_id: int) -> Row:
    return (
        segment_id,
        fit_run_id,
        segment.start_time,
        segment.end_time,
        segment.slope_per_hour,
        segment.intercept,
        segment.candles,
        segment.residual_scale,
        *(segment.features.get(name) for name in SEGMENT_FEATURES),
    )


def _channel_row(channel_id: int, segment_id: int, channel: StoredChannel) -> Row:
    lines = channel.baseline_lines
    return (
        channel_id,
        segment_id,
        channel.published,
        channel.declined_reason,
        channel.baseline_loss,
        channel.model_loss,
        finite_json(dict(channel.baseline_losses)),
        None if lines is None else finite_json(dict(lines)),
    )


def _line_rows(channels: Sequence[tuple[int, int, StoredChannel]]) -> Iterator[Row]:
    for channel_id, _, channel in channels:
        for line in channel.lines:
            yield (
                channel_id,
                line.tau,
                line.intercept,
                line.slope,
                line.pinball_loss_in,
                line.pinball_loss_out,
                line.calibration,
            )
