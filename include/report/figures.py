"""The channel chart: candles, quantile bands, breaks and volume as one PNG. Pure.

Time runs true: a missing candle is an empty place, marked by hatching. Colours are three of
Okabe and Ito's palette, which stay apart for colour-blind readers; falling candles are filled
and rising ones hollow, so that the picture also survives without colour.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.channels.channel import ChannelFit, ChannelSegment
from include.market.candle import PRICE_COLUMNS
from include.market.errors import ContractError, InvalidInputError
from include.market.span import from_ms, to_ms
from include.market.timeframe import DAY_MS, Timeframe
from include.report.messages import describe_verdict, printable

PAPER, PANEL, INK, FAINT, GRID = "#0d1117", "#11161e", "#e6edf3", "#8b98a8", "#232b36"
RISING, FALLING, CHANNEL = "#56b4e9", "#e69f00", "#cc79a7"
HOUR_MS = 3_600_000
BODY_SHARE = 0.68
"""Width of a candle's body as a share of its timeframe."""
LEFT = 0.022
LABEL_WIDTH = 0.0076
"""Width of one character of a price label, as a share of the picture."""
MARK_WIDTH = 0.125
"""Room for the verdict's mark and the blanks around it."""
MAX_TICKS = 10
TICK_DAYS = (*(hours / 24 for hours in (0.25, 0.5, 1, 2, 4, 6, 12)), *(1, 2, 4, 7, 14, 28, 91, 365))
MIDDLE = {"va": "center", "parse_math": False}

Array = NDArray[np.float64]


def draw_channel_chart(
    candles: pd.DataFrame,
    fit: ChannelFit,
    *,
    title: str,
    timeframe: Timeframe,
    recent: int = 180,
) -> bytes:
    """Draw the newest ``recent`` candles and the channels over them; 1600 x 900 pixels, PNG.

    Bands run from each segment's start_time to its end_time (half-open); those of the newest are
    calibrated where it is published. The fit may be declined or hold no segment, the chart then
    says so. The same input gives the same bytes.

    Raises:
        ContractError: the frame lacks a price column or ``volume``.
        InvalidInputError: no candles, or ``recent`` below 1.
    """
    lost = [name for name in ("open_time", *PRICE_COLUMNS, "volume") if name not in candles]
    if lost:
        raise ContractError(f"candle frame lacks {', '.join(lost)}: cannot draw it")
    if recent < 1 or candles.empty:
        raise InvalidInputError(
            f"nothing to draw: {len(candles)} candles, the newest {recent} asked for"
        )
    shown = candles.iloc[-recent:]
    days = _to_days(shown["open_time"])
    decimals = _count_decimals(shown)
    right = 0.976 - LABEL_WIDTH * len(f"{shown['high'].max():,.{decimals}f}")
    figure, price, volume = _lay_out(days, timeframe, right)
    _draw_gaps((price, volume), days, timeframe)
    _draw_channels(price, fit, days[0], timeframe)
    _draw_candles(price, shown, days, timeframe)
    _draw_volume(volume, shown, days, timeframe)
    _label_prices(price, float(shown["close"].iloc[-1]), decimals)
    first, last = from_ms(round(days[0] * DAY_MS)), from_ms(round(days[-1] * DAY_MS))
    subtitle = f"{timeframe.label} candles, {first:%Y-%m-%d} to {last:%Y-%m-%d} UTC"
    _write_header(figure, fit, printable(title, 32), subtitle, right=right)
    _write_legend(figure, fit)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor=PAPER, metadata={"Software": None})
    return picture.getvalue()


def _to_days(times: pd.Series[Any]) -> Array:
    """Return open times as matplotlib dates: days since 1970, UTC."""
    return np.array([to_ms(time.to_pydatetime()) / DAY_MS for time in times])


def _lay_out(days: Array, timeframe: Timeframe, right: float) -> tuple[Any, Any, Any]:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    # Figure without pyplot keeps no global state, so threads and repeated calls cannot meet.
    figure = Figure(figsize=(16, 9), dpi=100)
    price = figure.add_axes((LEFT, 0.235, right - LEFT, 0.615))
    volume = figure.add_axes((LEFT, 0.075, right - LEFT, 0.145), sharex=price)
    step = timeframe.length_ms / DAY_MS
    margin = max((days[-1] - days[0]) * 0.012, 2 * step)
    start, end = days[0] - margin, days[-1] + margin + step
    price.set_xlim(start, end)
    spacing = next((days for days in TICK_DAYS if (end - start) / days <= MAX_TICKS), end - start)
    volume.xaxis.set_major_locator(MultipleLocator(spacing))
    volume.xaxis.set_major_formatter(lambda day, _: _show_day(day, start, end))
    for axes in (price, volume):
        axes.set_facecolor(PANEL)
        axes.grid(True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.yaxis.tick_right()
        axes.tick_params(colors=FAINT, labelsize=13, length=0, pad=6)
        for spine in axes.spines.values():
            spine.set_color(GRID)
    price.tick_params(labelbottom=False)
    return figure, price, volume


def _show_day(day: float, start: float, end: float) -> str:
    """Return the label of a time tick; none close to the edges, where it would be cut off."""
    if min(day - start, end - day) < 0.035 * (end - start):
        return ""
    instant = from_ms(round(day * DAY_MS))
    midnight = instant.hour == instant.minute == 0
    return f"{instant.day} {instant:%b}" if midnight else f"{instant.day} {instant:%b %H:%M}"


def _draw_gaps(panels: tuple[Any, Any], days: Array, timeframe: Timeframe) -> None:
    step = timeframe.length_ms / DAY_MS
    for place in np.flatnonzero(np.diff(days) > 1.5 * step):
        for axes in panels:
            axes.axvspan(
                days[place] + step / 2,
                days[place + 1] - step / 2,
                facecolor="none",
                edgecolor=GRID,
                hatch="////",
                linewidth=0,
            )


def _draw_channels(axes: Any, fit: ChannelFit, first_day: float, timeframe: Timeframe) -> None:
    left = first_day - timeframe.length_ms / DAY_MS / 2
    for segment in fit.segments:
        start, end = to_ms(segment.start_time) / DAY_MS, to_ms(segment.end_time) / DAY_MS
        if end <= left:
            continue
        at = np.linspace(max(start, left), end, 40)
        is_shown = segment is fit.newest and fit.published
        _draw_bands(
            axes,
            segment,
            at,
            strong=segment is fit.newest,
            moves=(fit.calibration or None) if is_shown else None,
        )
        if start > left:
            axes.axvline(start, color=INK, alpha=0.45, linewidth=0.9, linestyle=(0, (2, 4)))


def _draw_bands(
    axes: Any,
    segment: ChannelSegment,
    at: Array,
    *,
    strong: bool,
    moves: Sequence[float] | None = None,
) -> None:
    """Draw the bands of a segment; ``moves`` are added to its lines, so that they cover truly."""
    hours = (at * DAY_MS - to_ms(segment.start_time)) / HOUR_MS
    lines = [
        line.intercept + move + line.slope_per_hour * hours
        for line, move in zip(segment.lines, moves or [0.0] * len(segment.lines), strict=True)
    ]
    # Lines that are moved apart or extended may cross.
    paths = np.exp(np.sort(np.array(lines), axis=0))
    share = 1.0 if strong else 0.62
    for low in range(len(paths) // 2):
        high = len(paths) - 1 - low
        axes.fill_between(
            at, paths[low], paths[high], color=CHANNEL, alpha=0.2 * share, linewidth=0, zorder=1.5
        )
        for path in (paths[low], paths[high]):
            axes.plot(at, path, color=CHANNEL, alpha=0.6 * share, linewidth=1.0, zorder=1.6)
    for line, path in zip(segment.lines, paths, strict=True):
        if line.tau == 0.5:
            axes.plot(at, path, color=CHANNEL, alpha=share, linewidth=2.2, zorder=1.7)


def _draw_candles(axes: Any, shown: pd.DataFrame, days: Array, timeframe: Timeframe) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    opened, high, low, close = (shown[name].to_numpy(np.float64) for name in PRICE_COLUMNS)
    rising = close >= opened
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    half = BODY_SHARE * timeframe.length_ms / DAY_MS / 2
    edges = [RISING if up else FALLING for up in rising]
    upper = [((day, peak), (day, body)) for day, peak, body in zip(days, high, top, strict=True)]
    lower = [((day, body), (day, dip)) for day, body, dip in zip(days, bottom, low, strict=True)]
    axes.add_collection(LineCollection(upper + lower, colors=edges * 2, linewidths=1.1, zorder=3))
    bodies = [
        ((day - half, base), (day + half, base), (day + half, roof), (day - half, roof))
        for day, base, roof in zip(days, bottom, top, strict=True)
    ]
    fills = [PANEL if up else FALLING for up in rising]
    axes.add_collection(
        PolyCollection(bodies, facecolors=fills, edgecolors=edges, linewidths=1.1, zorder=4)
    )
    axes.autoscale_view(scalex=False)
    axes.margins(y=0.06)


def _count_decimals(shown: pd.DataFrame) -> int:
    """Return how many decimals tell prices 1/100 of the chart's height apart, at most 12."""
    highest, lowest = float(shown["high"].max()), float(shown["low"].min())
    height = highest - lowest if highest > lowest else highest / 10
    return min(max(0, -math.floor(math.log10(height / 100))), 12)


def _draw_volume(axes: Any, shown: pd.DataFrame, days: Array, timeframe: Timeframe) -> None:
    rising = shown["close"].to_numpy(np.float64) >= shown["open"].to_numpy(np.float64)
    axes.bar(
        days,
        shown["volume"].to_numpy(np.float64),
        width=BODY_SHARE * timeframe.length_ms / DAY_MS,
        color=[RISING if up else FALLING for up in rising],
        alpha=0.7,
        linewidth=0,
        zorder=3,
    )
    axes.set_ylim(0, 1.3 * float(shown["volume"].max()) or 1.0)
    axes.yaxis.set_major_locator(_few_ticks())
    axes.yaxis.set_major_formatter(lambda value, _: _shorten(value))
    axes.text(0.006, 0.93, "Volume", transform=axes.transAxes, color=FAINT, fontsize=12, va="top")


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=3, min_n_ticks=2)


def _shorten(value: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _label_prices(axes: Any, close: float, decimals: int) -> None:
    bottom, top = axes.get_ylim()
    # A tick label half under the tag of the last price is noise.
    axes.yaxis.set_major_formatter(
        lambda value, _: (
            "" if abs(value - close) < (top - bottom) / 25 else f"{value:,.{decimals}f}"
        )
    )
    axes.axhline(close, color=INK, alpha=0.5, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2)
    axes.annotate(
        f"{close:,.{decimals}f}",
        xy=(1, close),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=13,
        fontweight="bold",
        color=PAPER,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": INK, "edgecolor": "none"},
        annotation_clip=False,
        zorder=10,
    )


def _write_header(figure: Any, fit: ChannelFit, title: str, subtitle: str, *, right: float) -> None:
    mark, colour = ("PUBLISHED", RISING) if fit.published else ("DECLINED", FALLING)
    box = {"boxstyle": "round,pad=0.4", "facecolor": colour, "edgecolor": "none"}
    style = {"color": PAPER, "fontsize": 16, "fontweight": "bold", "bbox": box}
    name = figure.text(LEFT, 0.945, title, color=INK, fontsize=26, fontweight="bold", **MIDDLE)
    figure.text(right - 0.005, 0.945, mark, ha="right", **style, **MIDDLE)
    dates = figure.text(0, 0.942, subtitle, color=FAINT, fontsize=15, **MIDDLE)
    figure.text(LEFT, 0.888, describe_verdict(fit), color=INK, fontsize=15, **MIDDLE)
    figure.draw_without_rendering()
    width = figure.bbox.width
    room = (right - LEFT - MARK_WIDTH) * width - dates.get_window_extent().width
    name.set_fontsize(26 * min(1.0, room / name.get_window_extent().width))
    dates.set_x(name.get_window_extent().x1 / width + 0.012)


def _write_legend(figure: Any, fit: ChannelFit) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=CHANNEL, linewidth=2.2, label="median"),
        *_label_bands(fit, Patch),
        Line2D([], [], color=INK, alpha=0.6, linewidth=1, linestyle=(0, (2, 4)), label="break"),
        Patch(facecolor=PANEL, edgecolor=RISING, label="rising"),
        Patch(facecolor=FALLING, edgecolor=FALLING, label="falling"),
        Patch(facecolor="none", edgecolor=FAINT, hatch="////", linewidth=0, label="no candles"),
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(LEFT - 0.006, -0.004),
        ncols=len(handles),
        frameon=False,
        labelcolor=FAINT,
        fontsize=13,
        handlelength=1.8,
        columnspacing=1.8,
    )


def _label_bands(fit: ChannelFit, patch: Any) -> list[Any]:
    count = len(fit.taus) // 2
    pairs = [(fit.taus[place], fit.taus[-1 - place]) for place in range(count)]
    return [
        patch(
            color=CHANNEL,
            alpha=0.2 * (1 + place),
            label=f"{low * 100:g} to {high * 100:g} % quantile",
        )
        for place, (low, high) in enumerate(pairs)
    ]
