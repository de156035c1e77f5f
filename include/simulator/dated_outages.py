"""Outages of Binance spot that its users noted in the published candles and trades."""

from __future__ import annotations

from include.market.outages import known_outages

DATED_OUTAGES = tuple(outage.span for outage in known_outages("binance_spot"))
"""The outages in order, as spans of whole minutes without a candle."""
