"""How venues differ in what their candle endpoints answer, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RangeRule = Literal["oldest", "window"]
Absence = Literal["outage", "no_trade", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTraits:
    """One venue's habits, each proven by its documentation or a recording.

    ``page_limit`` is the most candles one answer holds. ``range_rule`` tells what a range longer
    than that is answered with: its ``oldest`` candles, or something else, so that no more than a
    ``window`` of one page may be asked at a time. ``absent_means`` is what a minute means that the
    venue leaves out on being asked twice: an ``outage`` where it writes flat candles for minutes
    without trades, ``no_trade`` where it omits those. ``absent_columns`` are candle columns the
    venue never states. ``depth_candles`` is how many of the newest candles it keeps, None for all.
    ``states_open_candle`` tells whether a range reaching now ends with the candle still forming;
    ``is_live`` whether new candles keep coming.
    ``funding_interval_ms`` is how often a perpetual pays whose interval the venue does not state.
    """

    page_limit: int
    range_rule: RangeRule = "window"
    absent_means: Absence = "unknown"
    absent_columns: tuple[str, ...] = ()
    depth_candles: int | None = None
    states_open_candle: bool = True
    is_live: bool = True
    funding_interval_ms: int | None = None
