"""Refit the channels of instruments whose candles changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pandas as pd

from include.channels.channel import ChannelFit, fit_channel
from include.jobs.stored_channels import to_stored
from include.market.settings import Settings
from include.market.span import Span
from include.market.timeframe import Timeframe
from include.warehouse.candles import read_candles
from include.warehouse.drift import Episode, drift_of_models, mark_drift_handed
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import coverage, move_cursor, read_changes
from include.warehouse.models import store_fit


def fit_changed(conn: Connection, timeframe: Timeframe, settings: Settings) -> dict[str, int]:
    """Refit every instrument with changes since the stage's cursor; fits and cursor move together.

    An instrument that drifted since its last fit is refitted as well. While it is in doubt in which
    unit its candles are told, its channel is not published.

    Returns counts of instruments, segments, and channels published and declined.
    """
    stage = f"fit_channels_{timeframe.label}"
    token = take_fence(conn, stage)
    counts = {"instruments": 0, "segments": 0, "published": 0, "declined": 0}
    with conn.transaction():
        todo = read_changes(conn, stage, timeframe.dataset)
        drifts = drift_of_models(conn, timeframe)
        news = [each for found in drifts.values() for each in found if stage not in each.handed_to]
        changed = sorted(
            {change.instrument_id for change in todo.changes}
            | {each.instrument_id for each in news}
        )
        # Held after the reading: fits take long, and a held fence would keep a transaction id,
        # which stops every other stage from reading what has been committed since.
        fits = []
        for instrument_id in changed:
            candles = newest_candles(conn, timeframe, instrument_id, settings)
            fit = fit_channel(candles, timeframe, min_candles=settings.segment_min_candles)
            fit = declined_by_drift(fit, candles, drifts.get(instrument_id, []))
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
        mark_drift_handed(conn, news, stage)
        move_cursor(conn, stage, todo.upto_xid)
    return counts


def declined_by_drift(
    fit: ChannelFit, candles: pd.DataFrame, drifts: Sequence[Episode]
) -> ChannelFit:
    """Return ``fit``, not to be published if its candles reach back before a drift of units."""
    for drift in drifts:
        # It began on that day, at an hour nobody knows.
        mixed_until = drift.began_at + timedelta(days=1)
        if drift.advice == "decline" and (candles["open_time"] < mixed_until).any():
            reason = f"drift of {drift.measure} since {drift.began_at:%Y-%m-%d}: {drift.detail}"
            return replace(fit, published=False, declined_reason=reason)
    return fit


def newest_candles(
    conn: Connection, timeframe: Timeframe, instrument_id: int, settings: Settings
) -> pd.DataFrame:
    """Return the newest candles a channel is fitted on, oldest first."""
    covered = coverage(conn, timeframe.dataset, instrument_id)
    end_ms = covered[-1].end_ms if covered else 0
    length_ms = settings.channel_history_candles * timeframe.length_ms
    return read_candles(conn, timeframe, instrument_id, Span(max(0, end_ms - length_ms), end_ms))
