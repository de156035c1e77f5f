"""Every venue Candlewick can read.

A venue of its own is a folder beside this file (``client.py``, ``parse.py``) and one entry in
``VENUES``. ``ccxt:<exchange>`` reaches what ccxt knows, ``files:<name>`` a folder of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from include.exchanges.base import CandleSource
from include.exchanges.binance_archive.layout import Market
from include.exchanges.binance_klines import NoteField
from include.exchanges.binance_spot import client as binance_spot
from include.exchanges.binance_usdm import client as binance_usdm
from include.exchanges.http import HttpClient
from include.market.errors import InvalidInputError
from include.market.rate_limit import RateLimit
from include.market.universe import Universe


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueEntry:
    """How a venue is opened.

    The Connection of the venue's name gives the base URL. ``limits`` are what it counts, the one
    its usage header speaks of first. ``archive`` is the part of data.binance.vision that holds its
    history, None where there is none.
    """

    limits: tuple[RateLimit, ...]
    build: Callable[[HttpClient, NoteField | None], CandleSource]
    archive: Market | None = None


VENUES: Final[dict[str, VenueEntry]] = {
    "binance_spot": VenueEntry(
        limits=binance_spot.RATE_LIMITS, build=binance_spot.BinanceSpot, archive="spot"
    ),
    "binance_usdm": VenueEntry(
        limits=binance_usdm.RATE_LIMITS, build=binance_usdm.BinanceUsdm, archive="um"
    ),
}
FAMILIES: Final = ("ccxt", "files")
"""Venues named ``<family>:<name>``."""


def require_known(universe: Universe) -> Universe:
    """Return ``universe`` if every venue in it can be opened.

    Raises:
        InvalidInputError: a venue nobody knows, or a ``files:`` venue without its mapping.
    """
    seconds = [each.second_source for each in universe.options.values() if each.second_source]
    for venue in (*universe.venues, *(second.venue for second in seconds)):
        family, _, name = venue.partition(":")
        if venue not in VENUES and not (family in FAMILIES and name):
            known = ", ".join([*VENUES, *(f"{family}:<name>" for family in FAMILIES)])
            raise InvalidInputError(
                f"Variable universe names unknown venue {venue!r}: choose one of {known}"
            )
        options = universe.options.get(venue)
        described = options is not None and options.files is not None
        if described != (family == "files"):
            raise InvalidInputError(
                f"Variable universe, venue {venue!r}: a files:<name> venue needs its mapping under "
                "the key files, and no other venue has one"
            )
    return universe
