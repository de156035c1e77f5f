"""Hold a venue's clock against ours: what is final, and what is late, is told by clocks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from include.exchanges.base import CandleSource
from include.exchanges.server_clock import ClockReading, read_clock
from include.jobs.deliver import deliver_once
from include.market.errors import CandlewickError
from include.market.settings import Settings
from include.notify.sender import Message, Sender
from include.warehouse.clocks import note_clock
from include.warehouse.engine import Connection

log = logging.getLogger(__name__)


def watch_clock(
    conn: Connection,
    source: CandleSource,
    settings: Settings,
    sender: Sender,
    *,
    at: datetime,
    read: Callable[[Callable[[], int]], ClockReading] = read_clock,
) -> dict[str, int]:
    """Measure how far a venue's clock is from ours, keep it, and tell of a skewed one once a day.

    A source that knows the past only has no clock to watch. Finality never hangs on our clock:
    candles are judged by the venue's. Lateness, freshness and schedules do.

    Args:
        conn: autocommit.
        source: the venue.
        settings: ``clock_tolerance_ms`` is how far clocks may be apart.
        sender: where to tell.
        at: now, by our clock.
        read: measures; tests bring their own.

    Returns:
        ``skewed`` and ``told``, 0 or 1 each; empty for a source without a clock.
    """
    if not source.traits.is_live:
        return {}
    reading = read(source.server_time_ms)
    venue = source.venue.name
    note_clock(
        conn,
        venue,
        offset_ms=reading.offset_ms,
        bound_ms=reading.bound_ms,
        tolerance_ms=settings.clock_tolerance_ms,
        at=at,
    )
    if not reading.is_beyond(settings.clock_tolerance_ms):
        return {"skewed": 0, "told": 0}
    try:
        told = deliver_once(conn, sender, _message(venue, reading, settings, at), kind="clock")
    except CandlewickError as error:
        # It is written down either way; tomorrow it is tried again.
        log.warning("could not tell of the clock of %s: %s", venue, error)
        told = False
    return {"skewed": 1, "told": int(told)}


def _message(venue: str, reading: ClockReading, settings: Settings, at: datetime) -> Message:
    ahead = "ahead of" if reading.offset_ms > 0 else "behind"
    return Message(
        title=f"Clock of {venue} is {abs(reading.offset_ms) / 1000:.1f} s {ahead} ours",
        text=f"Measured {reading.offset_ms:+.0f} ms, give or take {reading.bound_ms:.0f} ms; "
        f"{settings.clock_tolerance_ms:.0f} ms are tolerated. Candles are judged by the venue's "
        "clock and stay right, but schedules and freshness go by this machine's: see that it is "
        "kept in time (timedatectl, chronyc tracking). History: ledger.clock_reading.",
        event_key=f"clock:{venue}:{at:%Y%m%d}",
        event_time=at,
    )
