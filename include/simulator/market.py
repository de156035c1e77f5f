"""The whole synthetic market: one shared factor, one path per asset, instruments on top."""

from __future__ import annotations

import math
from collections.abc import Iterable

from include.market.span import Span
from include.simulator.catalogue import SPOT, Listing, describe_asset
from include.simulator.paths import Path, TrendSum
from include.simulator.schedule import VenueSchedule

_MARKET_SCALE = 0.75
_OWN_SCALE = 0.65
# Futures stand some ten basis points beside spot: a slow swing of this scale (see paths.py).
_BASIS_SCALE = 0.002


class Market:
    """Every instrument's price process under one seed; nothing depends on who else is listed."""

    def __init__(self, schedule: VenueSchedule, listings: Iterable[Listing]) -> None:
        """Prepare the paths of all assets that ``listings`` name."""
        self.schedule = schedule
        self._factor = Path(schedule.seed, "market", _MARKET_SCALE, schedule=schedule)
        self._own: dict[str, Path] = {}
        self._sums = {listing.symbol: self._combine(listing) for listing in listings}

    def process(self, symbol: str) -> TrendSum:
        """Return the price process of a listed symbol."""
        return self._sums[symbol]

    def truth(self, symbol: str, span: Span) -> dict[str, object]:
        """Return what a model of ``span`` should find out, as JSON-ready values.

        Slopes are in log price per hour; ``span`` and all spans in it are half-open.
        """
        return {
            "symbol": symbol,
            "from_ms": span.start_ms,
            "to_ms": span.end_ms,
            "breakpoints": [
                {
                    "open_time_ms": point.time_ms,
                    "log_price": point.log_price,
                    "slope_before_per_hour": point.slope_before,
                    "slope_after_per_hour": point.slope_after,
                }
                for point in self._sums[symbol].breakpoints(span)
            ],
            "regimes": [
                {
                    "from_ms": regime.span.start_ms,
                    "to_ms": regime.span.end_ms,
                    "name": regime.name,
                    "volatility_factor": regime.volatility_factor,
                }
                for regime in self.schedule.regimes(span)
            ],
            "outages": [
                {"from_ms": outage.start_ms, "to_ms": outage.end_ms}
                for outage in self.schedule.outages(span)
            ],
        }

    def _combine(self, listing: Listing) -> TrendSum:
        base, quote = describe_asset(listing.base), describe_asset(listing.quote)
        parts = [(base.beta - quote.beta, self._factor)]
        for sign, asset in ((1.0, base), (-1.0, quote)):
            if asset.volatility:
                parts.append((sign * asset.volatility, self._asset_path(asset.code)))
        if listing.venue != SPOT:
            parts.append((1.0, self._basis_path(f"basis:{listing.key}")))
        moving = [(weight, path) for weight, path in parts if weight]
        return TrendSum(math.log(base.level / quote.level), moving)

    def _asset_path(self, code: str) -> Path:
        if code not in self._own:
            seed = self.schedule.seed
            self._own[code] = Path(seed, code, _OWN_SCALE, schedule=self.schedule)
        return self._own[code]

    def _basis_path(self, name: str) -> Path:
        schedule = self.schedule
        return Path(schedule.seed, name, _BASIS_SCALE, schedule=schedule, is_quiet=True)
