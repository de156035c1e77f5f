"""Candle resolutions and the law of the cascade."""

from __future__ import annotations

from dataclasses import dataclass

from include.market.errors import InvalidInputError

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """A candle resolution such as ``5m``; buckets are anchored at the Unix epoch, UTC."""

    length_ms: int
    label: str

    def floor_ms(self, instant_ms: int) -> int:
        """Return the open time of the bucket that holds ``instant_ms``."""
        return instant_ms - instant_ms % self.length_ms

    def ceil_ms(self, instant_ms: int) -> int:
        """Return the first bucket boundary at or after ``instant_ms``."""
        return -(-instant_ms // self.length_ms) * self.length_ms

    def divides(self, coarser: Timeframe) -> bool:
        """Tell whether whole candles of this resolution fill one of ``coarser``."""
        return coarser.length_ms > self.length_ms and coarser.length_ms % self.length_ms == 0


M1 = Timeframe(60_000, "1m")
M5 = Timeframe(5 * 60_000, "5m")
M30 = Timeframe(30 * 60_000, "30m")
H4 = Timeframe(4 * 3_600_000, "4h")

TIMEFRAMES = {timeframe.label: timeframe for timeframe in (M1, M5, M30, H4)}
CASCADE = ((M1, M5), (M5, M30), (M30, H4))


def parse_timeframe(label: str) -> Timeframe:
    """Return the stored timeframe called ``label``.

    Raises:
        InvalidInputError: ``label`` is not one of the stored timeframes.
    """
    if label not in TIMEFRAMES:
        known = ", ".join(TIMEFRAMES)
        raise InvalidInputError(f"unknown timeframe {label!r}: choose one of {known}")
    return TIMEFRAMES[label]
