"""Draw and send what was refitted since the last report."""

from __future__ import annotations

from include.jobs.deliver import deliver_once
from include.jobs.fit_channels import newest_candles
from include.jobs.stored_channels import from_stored
from include.market.settings import Settings
from include.market.timeframe import Timeframe
from include.market.universe import Universe
from include.notify.sender import Message, Sender
from include.report.figures import draw_channel_chart
from include.report.messages import channel_caption, river_summary
from include.warehouse.counts import read_counts
from include.warehouse.engine import Connection
from include.warehouse.model_values import StoredFit
from include.warehouse.models import latest_fit
from include.warehouse.publications import is_published
from include.warehouse.reference import instrument_ids


def publish_new(
    conn: Connection,
    universe: Universe,
    timeframe: Timeframe,
    settings: Settings,
    sender: Sender,
) -> dict[str, int]:
    """Send a chart for every current fit not told of yet, then one summary of the river.

    Raises:
        CandlewickError: a message could not be sent; what went out stays out, the rest is tried
            again by the next run.
    """
    sent = {"charts": 0, "summaries": 0}
    newest: StoredFit | None = None
    for venue, symbols in universe.venues.items():
        known = instrument_ids(conn, venue)
        for symbol in symbols:
            stored = latest_fit(conn, known[symbol], timeframe) if symbol in known else None
            if stored is None or stored.recorded_at is None:
                continue
            if newest is None or (stored.fit_run_id or 0) > (newest.fit_run_id or 0):
                newest = stored
            sent["charts"] += _send_chart(conn, settings, sender, stored, f"{symbol} - {venue}")
    if newest is not None:
        sent["summaries"] += _send_summary(conn, sender, newest)
    return sent


def _send_chart(
    conn: Connection, settings: Settings, sender: Sender, stored: StoredFit, title: str
) -> bool:
    key = f"chart:{title.replace(' - ', ':')}:{stored.timeframe.label}:{stored.fit_run_id}"
    if is_published(conn, key):
        return False
    candles = newest_candles(conn, stored.timeframe, stored.instrument_id, settings)
    if candles.empty or stored.recorded_at is None:
        return False
    fit = from_stored(stored)
    name = f"{title.split(' ')[0]}-{stored.timeframe.label}.png"
    message = Message(
        title=f"{title} {stored.timeframe.label}",
        text=channel_caption(title, fit),
        event_key=key,
        event_time=stored.recorded_at,
        image=draw_channel_chart(candles, fit, title=title, timeframe=stored.timeframe),
        image_name=name,
    )
    return deliver_once(conn, sender, message, kind="channel_chart")


def _send_summary(conn: Connection, sender: Sender, newest: StoredFit) -> bool:
    key = f"summary:{newest.fit_run_id}"
    if is_published(conn, key) or newest.recorded_at is None:
        return False
    counts = read_counts(conn)
    if counts is None:
        return False
    message = Message(
        title="River summary",
        text=river_summary(counts),
        event_key=key,
        event_time=newest.recorded_at,
    )
    return deliver_once(conn, sender, message, kind="river_summary")
