"""Has a series begun to speak in another unit? Jumps that no market makes, told from one day on.

Pure arithmetic on a day of candles and the days before it, no statistics: a price that stands a
power of ten away, a volume in thousandths or in contracts, base and quote volume or open and close
in each other's column. A declared redenomination is no drift: its factor is taken out first by
whoever knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.candle import ABSENT_COUNT
from include.market.timeframe import Timeframe

UnitFault: TypeAlias = Literal[
    "price_scale", "volume_scale", "base_quote_swapped", "quote_scale", "open_close_swapped"
]
Floats: TypeAlias = NDArray[np.float64]

LEAST_CANDLES: Final = 30
_NEAR: Final = 0.15
"""How far, in powers of ten, a jump may lie from a whole one: the market has moved meanwhile."""
_PRICE_JUMP: Final = 0.7
"""Smallest jump of prices that is a change of unit, in powers of ten: the factor 5."""
_VOLUME_JUMP: Final = 0.9
"""Smallest jump of a trade's typical size that is a change of unit, in powers of ten."""
_BETTER: Final = 1.1
"""So many times better must open and close fit each other's place than their own. Of 184 recorded
days of Binance futures no sound one is above 0.83, and none with the two swapped below 1.2."""
_SWAP_CANDLES: Final = 240
_INSIDE: Final = 0.8
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class UnitDrift:
    """A unit that changed: ``factor`` is new by old where there is one, else None."""

    fault: UnitFault
    factor: float | None
    detail: str


def find_unit_drift(
    before: pd.DataFrame, day: pd.DataFrame, timeframe: Timeframe
) -> list[UnitDrift]:
    """Return how the units of ``day`` differ from those of the candles ``before`` it.

    Both are sorted candle frames of one instrument; with fewer than 30 candles on a side nothing
    is said. A fault that the days before show as well is the venue's habit, not a drift.
    """
    if len(before) < LEAST_CANDLES or len(day) < LEAST_CANDLES:
        return []
    found = [_price_scale(before, day), _volume_scale(before, day)]
    swapped = _quote_fault(day)
    if swapped is not None and _quote_fault(before) is None:
        found.append(swapped)
    if is_open_close_swapped(day, timeframe) and not is_open_close_swapped(before, timeframe):
        found.append(
            UnitDrift(
                "open_close_swapped",
                None,
                "candles close where the one before opened: open and close stand in each other's "
                "column",
            )
        )
    return [drift for drift in found if drift is not None]


def is_open_close_swapped(candles: pd.DataFrame, timeframe: Timeframe) -> bool:
    """Tell whether open and close of sorted candles stand in each other's column.

    A candle opens near where the one before closed. With the two swapped it *closes* near where the
    one before *opened*, which in a right series lies two moves away.
    """
    opens = pd.DatetimeIndex(candles["open_time"]).as_unit("ms").asi8
    joined = np.diff(opens) == timeframe.length_ms
    opened, closed = _logs(candles, "open"), _logs(candles, "close")
    right = np.abs(opened[1:] - closed[:-1])[joined]
    wrong = np.abs(closed[1:] - opened[:-1])[joined]
    moving = np.isfinite(right) & np.isfinite(wrong)
    if np.count_nonzero(moving) < _SWAP_CANDLES:
        return False
    return bool(right[moving].mean() > _BETTER * wrong[moving].mean())


def _price_scale(before: pd.DataFrame, day: pd.DataFrame) -> UnitDrift | None:
    """Find the one step after which prices stay elsewhere, unlike any other step.

    A step in the last candles of a day has nobody to confirm it yet: it is looked for again with
    the next day.
    """
    opened = np.concatenate((_logs(before, "open"), _logs(day, "open")))
    closed = np.concatenate((_logs(before, "close"), _logs(day, "close")))
    steps = np.nan_to_num(np.abs(opened[1:] - closed[:-1]))
    first = max(0, len(before) - 1 - LEAST_CANDLES)
    place = first + int(np.argmax(steps[first : len(opened) - LEAST_CANDLES]))
    old = np.nanmedian(closed[max(0, place + 1 - LEAST_CANDLES) : place + 1])
    new = np.nanmedian(opened[place + 1 : place + 1 + LEAST_CANDLES])
    jump = float(new - old)
    others = np.concatenate((np.delete(steps, place), np.nan_to_num(np.abs(closed - opened))))
    usual = float(others.max())
    is_whole = round(jump) != 0 and abs(jump - round(jump)) <= _NEAR
    if abs(jump) < _PRICE_JUMP or abs(jump) <= (2 if is_whole else 5) * usual:
        return None
    return UnitDrift(
        "price_scale",
        10.0 ** (round(jump) if is_whole else jump),
        f"prices jumped by the factor {10.0**jump:.4g} between two candles and stayed there, as if "
        f"told in another unit; no other step was beyond {10.0**usual:.4g}",
    )


def _volume_scale(before: pd.DataFrame, day: pd.DataFrame) -> UnitDrift | None:
    """Find a trade's typical size a factor away while as many trades are made as before."""
    old, new = _trade_size(before), _trade_size(day)
    if old is None or new is None:
        return None
    jump = float(np.median(new) - np.median(old))
    spread = float(np.median(np.abs(old - np.median(old))))
    if abs(jump) < _VOLUME_JUMP or abs(jump) <= 3 * spread:
        return None
    return UnitDrift(
        "volume_scale",
        float(10.0**jump),
        f"a trade's typical size changed by the factor {10.0**jump:.4g}, as if volume were told in "
        "another unit",
    )


def _quote_fault(candles: pd.DataFrame) -> UnitDrift | None:
    """Find a quote volume that is not worth its volume at prices of the candle."""
    low, high, volume, quote = (
        candles[name].to_numpy(dtype=np.float64)
        for name in ("low", "high", "volume", "quote_volume")
    )
    usable = (volume > 0) & (quote > 0) & (low > 0)
    if np.count_nonzero(usable) < LEAST_CANDLES:
        return None
    low, high, volume, quote = low[usable], high[usable], volume[usable], quote[usable]
    if _share_inside(quote / volume, low, high) >= _INSIDE:
        return None
    if _share_inside(volume / quote, low, high) >= _INSIDE:
        return UnitDrift(
            "base_quote_swapped",
            None,
            "volume is worth its quote volume the wrong way round: base and quote are swapped",
        )
    ratio = np.log10(quote / volume / np.sqrt(low * high))
    factor = float(np.median(ratio))
    if float(np.median(np.abs(ratio - factor))) > _NEAR / 10 or abs(factor) < _NEAR:
        return None
    return UnitDrift(
        "quote_scale",
        10.0**factor,
        f"quote volume is {10.0**factor:.4g} times what volume is worth: one of the two is in "
        "another unit",
    )


def _share_inside(worth: Floats, low: Floats, high: Floats) -> float:
    inside = (worth >= low * (1 - _TOLERANCE)) & (worth <= high * (1 + _TOLERANCE))
    return float(inside.mean())


def _trade_size(candles: pd.DataFrame) -> Floats | None:
    """Return the log10 volume of a trade, None where trades are not counted or too few."""
    volume = candles["volume"].to_numpy(dtype=np.float64)
    counts = candles["trade_count"].to_numpy(dtype=np.float64)
    usable = (volume > 0) & (counts > 0) & (counts != ABSENT_COUNT)
    if np.count_nonzero(usable) < LEAST_CANDLES:
        return None
    sizes: Floats = np.log10(volume[usable] / counts[usable])
    return sizes


def _logs(candles: pd.DataFrame, column: str) -> Floats:
    values = candles[column].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: Floats = np.log10(values)
    return logs
