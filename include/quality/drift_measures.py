"""What of a candle is watched for drift, and how the hour of the week is taken out of it.

Seven measures, each of one candle: ``return`` (log of close by the close before), ``range`` (log
of high by low), ``volume``, ``trade_count``, ``trade_size`` (volume by trade), ``impact`` (range by
the square root of volume), and ``open_gap`` (size of the log of open by the close before). The two
that need a neighbour exist only where the neighbour does. A trade's size hardly follows the
market's moods: a volume told in another unit shows there at once, while volume itself may triple
any week. So with impact: volatility may double by itself, and trading goes along (variance follows
activity: Clark, Econometrica 41, 1973); one that no trading explains shows there (the root: Toth
et al., Phys. Rev. X 1, 2011).

Markets breathe with the day and the week: without that taken out, a Sunday is a drift from a
Monday. The typical size of a measure is estimated for each of the 168 hours of the week, drawn
towards that of the hour of the day, and that towards the whole, as far as an hour was seldom seen;
every value is divided by the typical size of its hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.market.candle import ABSENT_COUNT
from include.market.timeframe import Timeframe

Measure: TypeAlias = Literal[
    "return", "range", "volume", "trade_count", "trade_size", "impact", "open_gap"
]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
HOUR_MS: Final = 3_600_000
HOURS_OF_DAY: Final = 24
HOURS_OF_WEEK: Final = 168
_PULL: Final = 4.0
"""An hour of the week seen in so many weeks counts as much as what it is drawn towards."""
_LEAST: Final = 0.05
"""Smallest typical size of an hour, as a share of the whole's: an hour of zeros divides nothing."""


def measure(frame: pd.DataFrame, timeframe: Timeframe) -> tuple[Ints, dict[Measure, Floats]]:
    """Return open times (epoch ms) and the measures of a sorted candle frame, NaN where unknown."""
    opens: Ints = pd.DatetimeIndex(frame["open_time"]).as_unit("ms").asi8
    opened, high, low, close, volume, counts = (
        frame[name].to_numpy(dtype=np.float64)
        for name in ("open", "high", "low", "close", "volume", "trade_count")
    )
    joined = np.diff(opens, prepend=0) == timeframe.length_ms
    before = np.concatenate(([np.nan], close[:-1]))
    before[~joined] = np.nan
    counts = np.where(counts == ABSENT_COUNT, np.nan, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: dict[Measure, Floats] = {
            "return": np.log(close / before),
            "range": np.log(high / low),
            "volume": volume.copy(),
            "trade_count": counts,
            "trade_size": volume / counts,
            "impact": np.log(high / low) / np.sqrt(volume),
            "open_gap": np.abs(np.log(opened / before)),
        }
    for values in found.values():
        values[~np.isfinite(values)] = np.nan
    return opens, found


@dataclass(frozen=True, slots=True, eq=False)
class BlockSums:
    """What the season rests on: per block (row) and hour of the week, of one measure.

    ``total`` adds up ``asinh(size / unit)``, ``count`` counts values, ``hours`` the hours in which
    there was one.
    """

    unit: float
    total: Floats
    count: Floats
    hours: Floats

    def season(self, blocks: NDArray[np.bool_]) -> Floats:
        """Return the typical size of each of the 168 hours in the chosen blocks, in ``unit``."""
        total, count = self.total[blocks].sum(axis=0), self.count[blocks].sum(axis=0)
        hours = self.hours[blocks].sum(axis=0)
        whole = total.sum() / max(count.sum(), 1.0)
        by_day = (-1, HOURS_OF_DAY)
        day = _drawn(
            total.reshape(by_day).sum(axis=0),
            count.reshape(by_day).sum(axis=0),
            hours.reshape(by_day).sum(axis=0),
            np.full(HOURS_OF_DAY, whole),
        )
        week = _drawn(total, count, hours, np.tile(day, HOURS_OF_WEEK // HOURS_OF_DAY))
        sizes: Floats = np.maximum(np.sinh(week), _LEAST * max(np.sinh(whole), _LEAST))
        return sizes


def add_up(values: Floats, opens: Ints, block: Ints, blocks: int) -> BlockSums:
    """Return the sums of ``values`` by block, a number below ``blocks``, and hour of the week."""
    known = ~np.isnan(values)
    sizes, hour = np.abs(values[known]), opens[known] // HOUR_MS
    unit = float(sizes.mean()) if len(sizes) else 0.0
    unit = unit if unit > 0 else 1.0
    cell = block[known] * HOURS_OF_WEEK + hour % HOURS_OF_WEEK
    shape = (blocks, HOURS_OF_WEEK)
    size = blocks * HOURS_OF_WEEK
    logs = np.arcsinh(sizes / unit)
    total = np.bincount(cell, weights=logs, minlength=size).astype(np.float64)
    count = np.bincount(cell, minlength=size).astype(np.float64)
    first = np.concatenate(([True], np.diff(hour) != 0)) if len(hour) else np.zeros(0, np.bool_)
    hours = np.bincount(cell[first], minlength=size).astype(np.float64)
    return BlockSums(unit, total.reshape(shape), count.reshape(shape), hours.reshape(shape))


def without_season(values: Floats, opens: Ints, sums: BlockSums, season: Floats) -> Floats:
    """Return values relative to the typical size of their hour, on the scale of asinh."""
    hour = (opens // HOUR_MS) % HOURS_OF_WEEK
    relative: Floats = np.arcsinh(values / (sums.unit * season[hour]))
    return relative


def _drawn(total: Floats, count: Floats, seen: Floats, towards: Floats) -> Floats:
    """Return means of cells, each drawn towards another as if that had been seen ``_PULL`` times.

    A cell's weight is how often its hour came, not how many candles that hour had: candles of one
    hour are alike.
    """
    mean = np.divide(total, count, out=towards.copy(), where=count > 0)
    drawn: Floats = (seen * mean + _PULL * towards) / (seen + _PULL)
    return drawn


def present(found: Mapping[Measure, Floats]) -> tuple[Measure, ...]:
    """Return the measures that have any value at all: some venues state no number of trades."""
    return tuple(name for name in MEASURES if not np.isnan(found[name]).all())
