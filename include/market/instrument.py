"""Reference data as a venue states it: who trades what, where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """A trading venue; ``name`` is its natural key, e.g. ``binance_spot``."""

    name: str
    title: str
    kind: str = "spot"
    session_calendar: str = "24/7"


@dataclass(frozen=True, slots=True)
class InstrumentRecord:
    """One listed symbol as the venue's reference endpoint describes it.

    ``tick_size`` and ``lot_size`` are decimal text, as sent. ``listed_at`` is None when the venue
    does not say.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    kind: str
    status: str
    tick_size: str
    lot_size: str
    listed_at: datetime | None = None
    delisted_at: datetime | None = None
