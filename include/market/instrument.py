"""Reference data as a venue states it: who trades what, where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """A trading venue; ``name`` is its natural key, e.g. ``binance_spot``.

    ``session_calendar`` is ``24/7`` or the name of a calendar with hours, e.g. ``XNYS``.
    ``symbol_case`` tells whether symbols that differ in case only are one (``upper``).
    """

    name: str
    title: str
    kind: str = "spot"
    session_calendar: str = "24/7"
    symbol_case: Literal["exact", "upper"] = "exact"


@dataclass(frozen=True, slots=True)
class InstrumentRecord:
    """One listed symbol as the venue's reference endpoint describes it.

    ``tick_size`` and ``lot_size`` are decimal text, as sent. ``listed_at`` is None when the venue
    does not say; with ``listing_inferred`` it is only the oldest candle the venue keeps.
    ``funding_interval_ms`` is None where the venue states no funding.
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
    funding_interval_ms: int | None = None
    listing_inferred: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """From ``at`` on (UTC), ``new`` is the symbol of what ``old`` named.

    ``factor`` is how many old units one new unit holds: prices of before, times ``factor``, are in
    new units. ``old`` equals ``new`` where only the unit changed.
    """

    old: str
    new: str
    at: datetime
    factor: Decimal = Decimal(1)
