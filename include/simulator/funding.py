"""Funding of perpetual futures: how often, at which rate, told a few ms after the hour."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from include.simulator.engine import Window
from include.simulator.keyed import keyed_normal, keyed_uniform
from include.simulator.overlay import AmendedEngine

HOUR_MS = 3_600_000
_USUAL_HOURS = 8
_STEADY = ("BTCUSDT", "ETHUSDT")
_LATEST_MS = 19
_BASE_RATE = 0.0001
_CAP = 0.003


class FundingRate(NamedTuple):
    """One payment; ``time_ms`` is when the venue says it was, 0 to 19 ms after the hour."""

    symbol: str
    time_ms: int
    rate: str
    mark_price: str

    def text(self) -> str:
        """Return the REST object."""
        return (
            f'{{"symbol":"{self.symbol}","fundingTime":{self.time_ms},'
            f'"fundingRate":"{self.rate}","markPrice":"{self.mark_price}"}}'
        )


class FundingBook:
    """Funding of every symbol of the futures market, fixed by its seed."""

    def __init__(self, engine: AmendedEngine) -> None:
        """Pay on the prices of ``engine``."""
        self._engine = engine
        self._seed = engine.seed or 0

    def interval_hours(self, symbol: str) -> int:
        """Return every how many hours the symbol pays: 8, 4 or 1."""
        if symbol in _STEADY:
            return _USUAL_HOURS
        draw = keyed_uniform(self._seed, symbol, "funding-interval")
        return 1 if draw > 0.85 else 4 if draw > 0.45 else _USUAL_HOURS

    def rows(self, symbol: str, window: Window, now_ms: int) -> list[FundingRate]:
        """Return the payments with ``start <= time <= end``, the first or the last ``limit``."""
        last_ms = now_ms if window.end_ms is None else min(window.end_ms, now_ms)
        start_ms = max(window.start_ms or 0, self._engine.data_span(now_ms).start_ms)
        found: list[FundingRate] = []
        for row in self._walk(symbol, start_ms, last_ms, is_rising=window.start_ms is not None):
            if len(found) == window.limit:
                break
            if self._engine.story(symbol).hides(row.time_ms, now_ms) is None:
                found.append(row)
        return found if window.start_ms is not None else found[::-1]

    def all_rows(self, symbols: list[str], window: Window, now_ms: int) -> list[FundingRate]:
        """Return the payments of several symbols by time, then symbol."""
        rows = [row for symbol in symbols for row in self.rows(symbol, window, now_ms)]
        rows.sort(key=lambda row: (row.time_ms, row.symbol))
        if window.start_ms is None:
            return rows[max(len(rows) - window.limit, 0) :]
        return rows[: window.limit]

    def next_ms(self, symbol: str, now_ms: int) -> int:
        """Return the instant of the symbol's next payment."""
        step_ms = self.interval_hours(symbol) * HOUR_MS
        return (now_ms // step_ms + 1) * step_ms

    def info(self, symbol: str) -> dict[str, object] | None:
        """Return the fundingInfo entry; None for a symbol nothing of which was adjusted."""
        hours = self.interval_hours(symbol)
        if hours == _USUAL_HOURS and keyed_uniform(self._seed, symbol, "adjusted") > 0.3:
            return None
        return {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": hours,
            "disclaimer": False,
            "updateTime": None,
        }

    def premium(self, symbol: str, index_price: str | None, now_ms: int) -> str:
        """Return the premiumIndex object; ``index_price`` is the spot market's price."""
        mark = self._engine.mark_price(symbol, now_ms) or "0.00000000"
        last = self.rows(symbol, Window(1), now_ms)
        return json.dumps(
            {
                "symbol": symbol,
                "markPrice": mark,
                "indexPrice": index_price or mark,
                "estimatedSettlePrice": mark,
                "lastFundingRate": last[0].rate if last else "0.00000000",
                "interestRate": "0.00010000",
                "nextFundingTime": self.next_ms(symbol, now_ms),
                "time": now_ms,
            },
            separators=(",", ":"),
        )

    def _walk(
        self, symbol: str, start_ms: int, last_ms: int, *, is_rising: bool
    ) -> Iterator[FundingRate]:
        step_ms = self.interval_hours(symbol) * HOUR_MS
        # A payment is told up to 19 ms late: one hour may lie before the window and yet count.
        first, last = -(-(start_ms - _LATEST_MS) // step_ms), last_ms // step_ms
        hours = range(first, last + 1) if is_rising else range(last, first - 1, -1)
        for number in hours:
            row = self._row(symbol, number * step_ms)
            if row is not None and start_ms <= row.time_ms <= last_ms:
                yield row

    def _row(self, symbol: str, hour_ms: int) -> FundingRate | None:
        mark = self._engine.mark_price(symbol, hour_ms)
        if mark is None:
            return None
        late_ms = int(keyed_uniform(self._seed, "funding-late", hour_ms) * 2 * (_LATEST_MS + 1))
        late_ms = late_ms if late_ms <= _LATEST_MS else 0
        swing = keyed_normal(self._seed, symbol, "funding-swing", hour_ms // (120 * HOUR_MS))
        noise = keyed_normal(self._seed, symbol, "funding-rate", hour_ms)
        rate = _BASE_RATE + 0.0001 * swing + 0.00005 * noise
        rate *= self.interval_hours(symbol) / _USUAL_HOURS
        return FundingRate(symbol, hour_ms + late_ms, f"{max(min(rate, _CAP), -_CAP):.8f}", mark)
