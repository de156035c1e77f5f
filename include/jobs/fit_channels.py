"""Refit the channels of instruments whose candles changed."""

from __future__ import annotations

import pandas as pd

from include.channels.channel import fit_channel
from include.jobs.stored_channels import to_stored
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import coverage, move_cursor, read_changes
from include.warehouse.models import store_fit


def fit_changed(conn: Connection, timeframe: Timeframe, settings: Settings) -> dict[str, int]:
    """Refit every instrument with changes since the stage's cursor; fits and cursor move together.

    Returns counts of instruments, segments, and channels published and declined.
    """
    stage = f"fit_channels_{timeframe.label}"
    token = take_fence(conn, stage)
    counts = {"instruments": 0, "segments": 0, "published": 0, "declined": 0}
    with conn.transaction():
        todo = read_changes(conn, stage, f"candle_{timeframe.label}")
        changed = sorted({change.instrument_id for change in todo.changes})
        # Held after the reading: fits take long, and a held fence would keep a transaction id,
        # which stops every other stage from reading what has been committed since.
        fits = []
        for instrument_id in changed:
            candles = newest_candles(conn, timeframe, instrument_id, settings)
            fit = fit_channel(candles, timeframe, min_candles=settings.segment_min_candles)
            fits.append(
                to_stored(
                    fit,
                    instrument_id=instrument_id,
                    data_xid=todo.upto_xid,
                    min_candles=settings.segment_min_candles,
                )
            )
            counts["instruments"] += 1
            counts["segments"] += len(fit.segments)
            counts["published" if fit.published else "declined"] += 1
        hold_fence(conn, stage, token)
        for stored in fits:
            store_fit(conn, stored)
        move_cursor(conn, stage, todo.upto_xid)
    return counts


def newest_candles(
    conn: Connection, timeframe: Timeframe, instrument_id: int, settings: Settings
) -> pd.DataFrame:
    """Return the newest candles a channel is fitted on, oldest first."""
    covered = coverage(conn, f"candle_{timeframe.label}", instrument_id)
    end_ms = covered[-1].end_ms if covered else 0
    length_ms = settings.channel_history_candles * timeframe.length_ms
    return read_candles(conn, timeframe, instrument_id, Span(max(0, end_ms - length_ms), end_ms))
