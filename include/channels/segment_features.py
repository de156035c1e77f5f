"""Features of segments: how long, how steep, how rough, traded when, explained how well.

One row per segment of a fit, oldest first. All but the bounds and ``candles`` are floats, NaN where
unknown. Prices enter as log closes, so 0.01 is about one percent.

===================  =============================================================================
column               meaning
===================  =============================================================================
start_time           open time of the first candle
end_time             end of the last candle
candles              how many there are
slope_per_hour       of the least-squares line of the log close
duration_hours       end_time - start_time
residual_scale       standard deviation around that line
max_drawdown         deepest fall of the log close from a peak before it, 0 or more
max_run_up           highest rise of the log close from a trough before it, 0 or more
volume_per_hour      base volume per hour, over the candles there are
volume_first_third   share of the volume in the first third of the time; with the next two 1
volume_middle_third  share in the middle third
volume_last_third    share in the last third
relative_volume      volume_per_hour / that of the parent's segment
age_hours            from start_time to the end of the newest candle of the fit
parent_begin         place of start_time in the parent's segment: 0 at its start, 1 at its end
parent_end           place of end_time, likewise; beyond 1 after the parent's newest candle
parent_share         share of the time that lies in that segment of the parent, 0 to 1
r1_05, r1_25, ...    share of the pinball loss that the line of that level explains (R1)
===================  =============================================================================

The parent's segment is the one a segment shares most time with, the newer of two; the parent's
newest goes on until its next candle tells otherwise. A candle's volume is spread evenly over its
time, so equal candles give equal thirds, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.channels.channel import ChannelFit, ChannelSegment, QuantileLine
from include.channels.log_closes import HOUR_MS
from include.channels.noise import Array
from include.market.errors import ContractError, InvalidInputError
from include.market.span import to_ms
from include.market.timeframe import Timeframe

BOUNDS: Final = ("start_time", "end_time")
FEATURES: Final = (
    "candles",
    "slope_per_hour",
    "duration_hours",
    "residual_scale",
    "max_drawdown",
    "max_run_up",
    "volume_per_hour",
    "volume_first_third",
    "volume_middle_third",
    "volume_last_third",
    "relative_volume",
    "age_hours",
    "parent_begin",
    "parent_end",
    "parent_share",
)
"""Those that do not depend on the levels of the quantile lines."""
PARENT_COLUMNS: Final = (*BOUNDS, "volume_per_hour")
FLAT = 1e-12
"""A loss below this share of the size of the values is rounding: there is nothing to explain."""


def describe_segments(
    candles: pd.DataFrame, fit: ChannelFit, *, parent: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the features of every segment of ``fit``, one row each.

    ``candles`` is the frame that was fitted. ``parent`` holds the segments of the next coarser
    timeframe, oldest first, with ``PARENT_COLUMNS``, as this function returns them; without it
    what tells of the parent is NaN.

    Raises:
        ContractError: a frame lacks a column.
        InvalidInputError: ``candles`` are not those of the fit, or a volume is negative.
    """
    _require_columns("candle", candles, ("open_time", "close", "volume"))
    if len(candles) != fit.candles:
        raise InvalidInputError(
            f"the fit is of {fit.candles} candles, the frame has {len(candles)}: pass the frame "
            "that was fitted"
        )
    volumes = candles["volume"].to_numpy(dtype=np.float64)
    if (volumes < 0).any():
        raise InvalidInputError(f"a volume is {volumes.min()}: repair the candle first")
    closes = np.log(candles["close"].to_numpy(dtype=np.float64))
    parts = [slice(segment.start_index, segment.end_index) for segment in fit.segments]
    columns = _describe_shapes(fit.segments)
    columns |= _describe_excursions([closes[part] for part in parts])
    opens = _epoch_ms(candles["open_time"])
    columns |= _describe_volumes([(opens[part], volumes[part]) for part in parts], fit.timeframe)
    columns |= _place_in_parent(columns, parent)
    pairs = zip(fit.segments, parts, strict=True)
    explained = [explained_losses(segment.lines, closes[part]) for segment, part in pairs]
    table = np.array(explained, dtype=np.float64).reshape(-1, len(fit.taus))
    # One frame from whole columns: pandas is slow at anything else for a handful of rows.
    return pd.DataFrame(
        {name: _as_times(columns[name]) for name in BOUNDS}
        | {name: columns[name] for name in FEATURES}
        | {r1_name(tau): table[:, place] for place, tau in enumerate(fit.taus)}
    )


def lengthen_features(wide: pd.DataFrame) -> pd.DataFrame:
    """Return the known features of ``wide`` one a row: start_time, end_time, feature, value.

    Sorted by segment, features in the order of the columns.
    """
    names = np.array([name for name in wide.columns if name not in BOUNDS], dtype=object)
    values = wide[list(names)].to_numpy(dtype=np.float64)
    row, column = np.nonzero(~np.isnan(values))
    bounds = {name: wide[name].array.take(row) for name in BOUNDS}
    return pd.DataFrame({**bounds, "feature": names[column], "value": values[row, column]})


def r1_name(tau: float) -> str:
    """Return the column of R1 at ``tau``: its decimals, at least two (0.05 is ``r1_05``)."""
    return "r1_" + f"{tau:.9f}".removeprefix("0.").rstrip("0").ljust(2, "0")


def explained_losses(lines: Sequence[QuantileLine], values: Array) -> Array:
    """Return R1 of each line: 1 - its loss / loss of the plain quantile of the ``values`` it fits.

    At most 1. Below 0 only, and little, for a line held back from crossing its neighbours. NaN
    where the plain quantile leaves nothing to explain. Source: Koenker and Machado, JASA 94, 1999.
    """
    taus = np.array([line.tau for line in lines])
    ordered = np.sort(values)
    # Where tau times count is whole, this value and the next give the same loss.
    places = np.clip(np.ceil(taus * len(values)).astype(np.int64), 1, len(values)) - 1
    errors = ordered - ordered[places][:, None]
    level = taus[:, None]
    plain = np.mean(np.maximum(level * errors, (level - 1) * errors), axis=1)
    plain[plain <= FLAT * float(np.abs(values).max())] = np.nan
    return np.asarray(1 - np.array([line.in_sample_loss for line in lines]) / plain)


def volume_thirds(open_ms: NDArray[np.int64], volumes: Array, length_ms: int) -> Array:
    """Return the shares of the volume in the thirds of the time from first to last candle.

    NaN where nothing was traded or a volume is unknown.
    """
    opens = (open_ms - open_ms[0]).astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(volumes)])
    if not total[-1] > 0:
        return np.full(3, np.nan)
    # What was traded before a time: it rises within candles and stands still between them.
    times = np.column_stack([opens, opens + length_ms]).ravel()
    traded = np.column_stack([total[:-1], total[1:]]).ravel()
    edges = np.interp(times[-1] * np.array([1 / 3, 2 / 3]), times, traded)
    return np.asarray(np.diff(np.concatenate([[0.0], edges, total[-1:]])) / total[-1])


def _describe_shapes(segments: Sequence[ChannelSegment]) -> dict[str, Array]:
    """Return what the fit itself tells, bounds as epoch milliseconds."""
    starts = np.array([to_ms(segment.start_time) for segment in segments], dtype=np.float64)
    ends = np.array([to_ms(segment.end_time) for segment in segments], dtype=np.float64)
    newest = ends.max() if len(ends) else 0.0
    return {
        "start_time": starts,
        "end_time": ends,
        "candles": np.array([segment.candles for segment in segments], dtype=np.int64),
        "slope_per_hour": _floats(segment.slope_per_hour for segment in segments),
        "duration_hours": (ends - starts) / HOUR_MS,
        "residual_scale": _floats(segment.residual_scale for segment in segments),
        "age_hours": (newest - starts) / HOUR_MS,
    }


def _describe_excursions(parts: Sequence[Array]) -> dict[str, Array]:
    return {
        "max_drawdown": _floats(np.max(np.maximum.accumulate(part) - part) for part in parts),
        "max_run_up": _floats(np.max(part - np.minimum.accumulate(part)) for part in parts),
    }


def _describe_volumes(
    parts: Sequence[tuple[NDArray[np.int64], Array]], timeframe: Timeframe
) -> dict[str, Array]:
    hours = timeframe.length_ms / HOUR_MS
    thirds = [volume_thirds(opens, volumes, timeframe.length_ms) for opens, volumes in parts]
    first, middle, last = np.array(thirds, dtype=np.float64).reshape(-1, 3).T
    return {
        "volume_per_hour": _floats(float(np.mean(volumes)) / hours for _, volumes in parts),
        "volume_first_third": first,
        "volume_middle_third": middle,
        "volume_last_third": last,
    }


def _place_in_parent(columns: dict[str, Array], parent: pd.DataFrame | None) -> dict[str, Array]:
    """Return what tells of the parent's segments; NaN where there are none."""
    begin, end = columns["start_time"], columns["end_time"]
    names = ("relative_volume", "parent_begin", "parent_end", "parent_share")
    if parent is None or parent.empty or len(begin) == 0:
        return {name: np.full(len(begin), np.nan) for name in names}
    _require_columns("parent", parent, PARENT_COLUMNS)
    starts, ends = (_epoch_ms(parent[bound]).astype(np.float64) for bound in BOUNDS)
    open_ends = np.append(ends[:-1], max(ends[-1], end[-1]))
    shared = np.minimum.outer(end, open_ends) - np.maximum.outer(begin, starts)
    # The last of equals, so looked for from behind.
    chosen = len(starts) - 1 - np.argmax(shared[:, ::-1], axis=1)
    overlap = shared[np.arange(len(begin)), chosen]
    lengths = (ends - starts)[chosen]
    volume = parent["volume_per_hour"].to_numpy(dtype=np.float64)[chosen]
    found = (
        columns["volume_per_hour"] / np.where(volume > 0, volume, np.nan),
        (begin - starts[chosen]) / lengths,
        (end - starts[chosen]) / lengths,
        overlap / (end - begin),
    )
    known = [np.where(overlap > 0, numbers, np.nan) for numbers in found]
    return dict(zip(names, known, strict=True))


def _floats(numbers: Iterable[float]) -> Array:
    return np.array(list(numbers), dtype=np.float64)


def _epoch_ms(times: pd.Series) -> NDArray[np.int64]:
    return np.asarray(pd.DatetimeIndex(times).as_unit("ms").asi8)


def _as_times(epoch_ms: Array) -> pd.DatetimeIndex:
    instants = epoch_ms.astype(np.int64).astype("datetime64[ms]")
    return pd.DatetimeIndex(instants).as_unit("us").tz_localize("UTC")


def _require_columns(name: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    if lost := [column for column in columns if column not in frame.columns]:
        raise ContractError(f"{name} frame lacks {', '.join(lost)}: has {list(frame.columns)}")
