"""The log closes of a candle frame, checked: what every channel is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.channels.noise import Array
from include.market.errors import ContractError, InvalidInputError
from include.market.span import from_ms
from include.market.timeframe import Timeframe

HOUR_MS = 3_600_000


@dataclass(frozen=True, eq=False)
class LogCloses:
    """Natural logarithms of closes at ``open_ms`` (epoch milliseconds, strictly rising)."""

    open_ms: NDArray[np.int64]
    logs: Array
    timeframe: Timeframe

    def __len__(self) -> int:
        """Return the number of candles."""
        return len(self.logs)

    @cached_property
    def slots(self) -> Array:
        """Places in whole candle lengths since the first candle; absent candles leave holes."""
        return np.asarray((self.open_ms - self.open_ms[:1]) / self.timeframe.length_ms)

    @cached_property
    def hours(self) -> Array:
        """Places in hours since the first candle."""
        return np.asarray((self.open_ms - self.open_ms[:1]) / HOUR_MS)

    def close_ms(self, place: int) -> int:
        """Return when the close at ``place`` was known."""
        return int(self.open_ms[place]) + self.timeframe.length_ms


def read_closes(candles: pd.DataFrame, timeframe: Timeframe) -> LogCloses:
    """Return the log closes of a candle frame sorted by ``open_time``.

    Raises:
        ContractError: the frame lacks ``open_time`` or ``close``, or times have no zone.
        InvalidInputError: a close that is not a positive number, or times absent, unsorted,
            repeated or off the timeframe's grid.
    """
    lost = [column for column in ("open_time", "close") if column not in candles.columns]
    if lost:
        raise ContractError(f"candle frame lacks {', '.join(lost)}: has {list(candles.columns)}")
    times = candles["open_time"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise ContractError(f"open_time must be UTC datetimes, was {times.dtype}")
    if times.isna().any():
        raise InvalidInputError("open_time holds NaT: drop these rows first")
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None)
    open_ms = utc.to_numpy(dtype="datetime64[ms]").astype(np.int64)
    if (np.diff(open_ms) <= 0).any():
        raise InvalidInputError("open_time does not strictly increase: sort and dedupe first")
    if (open_ms % timeframe.length_ms != 0).any():
        place = int(np.flatnonzero(open_ms % timeframe.length_ms)[0])
        raise InvalidInputError(
            f"open_time {from_ms(int(open_ms[place])).isoformat()} is off the {timeframe.label} "
            "grid: pass candles of that timeframe"
        )
    closes = candles["close"].to_numpy(dtype=np.float64)
    doubtful = ~(np.isfinite(closes) & (closes > 0))
    if doubtful.any():
        place = int(np.flatnonzero(doubtful)[0])
        raise InvalidInputError(
            f"close at {from_ms(int(open_ms[place])).isoformat()} is {closes[place]}: "
            "expected a positive number"
        )
    return LogCloses(open_ms, np.log(closes), timeframe)
