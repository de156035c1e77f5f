"""The quality chart of a day: coverage, quarantine and drift over the same days, as one PNG. Pure.

Built for the report: what fits on one picture. With many instruments the worst are shown and the
others added up in one row; with many days a column holds several. The page shows all of it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from include.report.coverage import CODES, OUTSIDE_LIFE, STATES, Counts, CoverageMap
from include.report.map_cells import INSIDE, bin_days, choose_width, rank_rows, stack_cell
from include.report.messages import printable
from include.report.palette import DARK, Theme
from include.report.timelines import Timeline, series_colour

MOST_ROWS: Final = 48
MOST_COLUMNS: Final = 120
WIDTH: Final = 1600
LEFT, RIGHT, TOP, FOOT = 190, 24, 136, 92
"""Margins in pixels."""
TIMELINE: Final = 84
BETWEEN: Final = 60
_CELL: Final = 12
"""Raster of a cell, points a side: its last row and column stay empty between cells."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A row of the picture: its name, the timeframe, and the candles of every column."""

    name: str
    timeframe: str
    counts: Counts


def draw_quality_chart(
    found: CoverageMap,
    quarantine: Timeline,
    drift: Timeline,
    *,
    headline: str,
    theme: Theme = DARK,
) -> bytes:
    """Draw the map and both timelines; 1600 pixels wide, as high as its rows ask, PNG.

    The timelines span the days of the map. The same input gives the same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = choose_width(found.days, MOST_COLUMNS)
    shown = _choose_rows(found, width)
    row_height = int(np.clip(560 // max(len(shown), 1), 12, 34))
    map_height = max(row_height * len(shown), 34)
    height = TOP + map_height + 2 * (BETWEEN + TIMELINE) + FOOT
    figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor=theme.paper)
    # Asked for at every text, a figure would make a new one each time.
    FigureCanvasAgg(figure)
    axes = _add_axes(figure, TOP, map_height)
    _draw_map(axes, shown, found, width, theme)
    lower = TOP + map_height + BETWEEN
    for title, timeline in (("Rows refused", quarantine), ("Drift alarms", drift)):
        _draw_timeline(_add_axes(figure, lower, TIMELINE), timeline, title, width, theme)
        lower += TIMELINE + BETWEEN
    _write_header(figure, found, width, headline, theme)
    _write_legend(figure, shown, theme)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor=theme.paper, metadata={"Software": None})
    return picture.getvalue()


def _choose_rows(found: CoverageMap, width: int) -> list[_Shown]:
    labels = list(found.counts)
    symbols = Counter(row.symbol for row in found.rows)
    names = [
        row.symbol if symbols[row.symbol] == 1 else f"{row.symbol} {row.venue}"
        for row in found.rows
    ]
    binned = {label: bin_days(counts, width) for label, counts in found.counts.items()}
    if len(names) * len(labels) <= MOST_ROWS:
        return [
            _Shown(name, label, binned[label][place])
            for place, name in enumerate(names)
            for label in labels
        ]
    finest = labels[0]
    if len(names) <= MOST_ROWS:
        return [_Shown(name, finest, binned[finest][at]) for at, name in enumerate(names)]
    order = rank_rows(found)
    worst, rest = order[: MOST_ROWS - 1], order[MOST_ROWS - 1 :]
    summed = binned[finest][rest].sum(axis=0, dtype=np.int32)
    return [
        *(_Shown(names[at], finest, binned[finest][at]) for at in worst),
        _Shown(f"and {len(rest)} others", finest, summed),
    ]


def _add_axes(figure: Any, top: int, height: int) -> Any:
    whole = figure.get_size_inches()[1] * 100
    return figure.add_axes(
        (LEFT / WIDTH, 1 - (top + height) / whole, (WIDTH - LEFT - RIGHT) / WIDTH, height / whole)
    )


def _draw_map(
    axes: Any, shown: Sequence[_Shown], found: CoverageMap, width: int, theme: Theme
) -> None:
    axes.set_axis_off()
    if not shown:
        axes.text(0.5, 0.5, "nothing loaded yet", color=theme.faint, fontsize=15, ha="center",
                  va="center", transform=axes.transAxes)  # fmt: skip
        return
    columns = shown[0].counts.shape[0]
    axes.imshow(
        _paint(shown, theme),
        aspect="auto",
        interpolation="nearest",
        extent=(0, columns, len(shown), 0),
    )
    style = {"color": theme.ink, "va": "center", "ha": "right", "parse_math": False}
    size = min(13.0, 0.8 * 72 / 100 * axes.get_window_extent().height / len(shown))
    renderer = axes.figure.canvas.get_renderer()
    several = len({row.timeframe for row in shown}) > 1
    right = -columns * 46 / (WIDTH - LEFT - RIGHT) if several else -columns * 0.006
    for at, text in _name_days(found.first_day, found.days, width):
        axes.text(at, -6 * len(shown) / axes.get_window_extent().height, text, color=theme.faint,
                  fontsize=11, ha="center", va="bottom")  # fmt: skip
    for place, row in enumerate(shown):
        if several:
            axes.text(-columns * 0.006, place + 0.47, row.timeframe, fontsize=min(size, 10.5),
                      **{**style, "color": theme.faint})  # fmt: skip
        group = [at for at, other in enumerate(shown) if other.name == row.name]
        if place == group[0]:
            middle = (group[0] + group[-1] + 1) / 2 - 0.03
            name = axes.text(
                right, middle, printable(row.name, 26), fontsize=max(size, 8.0), **style
            )
            box = name.get_window_extent(renderer)
            name.set_fontsize(name.get_fontsize() * min(1.0, (box.x1 - 4) / box.width))
            axes.axhline(place, color=theme.grid, linewidth=0.8, clip_on=False)


def _paint(shown: Sequence[_Shown], theme: Theme) -> NDArray[np.float64]:
    """Return the cells as an image: _CELL points high and wide each, foot down."""
    from matplotlib.colors import to_rgb

    columns = shown[0].counts.shape[0]
    paint = np.empty((len(shown), _CELL, columns, _CELL, 3))
    paint[:] = to_rgb(theme.paper)
    colours = [to_rgb(theme.states[state.name]) for state in STATES]
    for at, row in enumerate(shown):
        for column, counts in enumerate(row.counts):
            if not counts.any():
                continue
            cell = paint[at, :-1, column, :-1]
            inside = counts[list(INSIDE)].any()
            cell[:] = colours[CODES["present" if inside else "delisted"]]
            foot = float(_CELL - 1)
            for code, part in stack_cell(counts):
                top = foot - part * (_CELL - 1)
                cell[round(top) : max(round(foot), round(top) + 1)] = colours[code]
                foot = top
    return paint.reshape(len(shown) * _CELL, columns * _CELL, 3)


def _draw_timeline(axes: Any, timeline: Timeline, title: str, width: int, theme: Theme) -> None:
    axes.set_facecolor(theme.panel)
    for spine in axes.spines.values():
        spine.set_color(theme.grid)
    columns = -(-timeline.days // width)
    starts = np.maximum(np.arange(columns) * width - (-timeline.days % width), 0)
    floor = np.zeros(columns)
    named: list[tuple[str, str]] = []
    for place, (name, counts) in enumerate(zip(timeline.names, timeline.counts, strict=True)):
        colour = theme.series[series_colour(name, place)]
        heights = np.add.reduceat(counts, starts)
        axes.bar(np.arange(columns) + 0.46, heights, 0.9, bottom=floor, color=colour, linewidth=0)
        floor += heights
        named.append((colour, printable(name, max(10, min(26, 126 // len(timeline.names))))))
    axes.set_xlim(0, columns)
    axes.set_ylim(0, max(1.0, float(floor.max()) * 1.06))
    axes.set_yticks([0, float(floor.max())] if floor.max() else [0])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(colors=theme.faint, labelsize=11, length=0, pad=5)
    days = _name_days(timeline.first_day, timeline.days, width)
    axes.set_xticks([at for at, _ in days], [text for _, text in days])
    axes.grid(True, axis="y", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.text(0, 1.08, f"{title}: {timeline.total:,}", color=theme.ink, fontsize=13,
              transform=axes.transAxes)  # fmt: skip
    if named:
        _add_legend(axes, named, theme, ncols=len(named), loc="lower right",
                    bbox_to_anchor=(1.004, 1.0), fontsize=10, columnspacing=1.3)  # fmt: skip


def _name_days(first_day: date, days: int, width: int) -> list[tuple[float, str]]:
    """Return where to write which day, in columns: about every 130 pixels, none at the edges."""
    columns = -(-days // width)
    every = max(1, round(columns / 11))
    places = [at for at in range(columns - 1, -1, -every) if 0.03 < (at + 0.5) / columns < 0.97]
    found = [first_day + timedelta(days=max(at * width - (-days % width), 0)) for at in places]
    return [
        (at + 0.46, f"{day:%b %Y}" if days > 300 else f"{day.day} {day:%b}")
        for at, day in zip(places, found, strict=True)
    ]


def _write_header(figure: Any, found: CoverageMap, width: int, headline: str, theme: Theme) -> None:
    whole = figure.get_size_inches()[1] * 100
    column = "one column a day" if width == 1 else f"one column {width} days"
    span = f"{found.first_day} to {found.at:%Y-%m-%d %H:%M} UTC, {column}"
    style = {"va": "center", "parse_math": False}
    figure.text(LEFT / WIDTH, 1 - 34 / whole, "Data quality", color=theme.ink, fontsize=24,
                fontweight="bold", **style)  # fmt: skip
    figure.text(1 - RIGHT / WIDTH, 1 - 38 / whole, span, color=theme.faint, fontsize=14,
                ha="right", **style)  # fmt: skip
    figure.text(LEFT / WIDTH, 1 - 74 / whole, printable(headline, 150), color=theme.ink,
                fontsize=14, **style)  # fmt: skip


def _write_legend(figure: Any, shown: Sequence[_Shown], theme: Theme) -> None:
    seen = sum((row.counts.sum(axis=0) for row in shown), np.zeros(len(STATES), dtype=np.int64))
    seen[CODES["present"]] = 1
    named = [
        (theme.states[state.name], state.label)
        for state, count in zip(STATES, seen, strict=True)
        if count and state.name not in OUTSIDE_LIFE
    ]
    if any(seen[CODES[name]] for name in OUTSIDE_LIFE):
        named.append((theme.panel, "not listed at the time"))
    _add_legend(figure, named, theme, ncols=7, loc="lower left",
                bbox_to_anchor=(LEFT / WIDTH - 0.006, 0.0), fontsize=11.5,
                columnspacing=1.6)  # fmt: skip


def _add_legend(place: Any, named: Sequence[tuple[str, str]], theme: Theme, **style: Any) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=colour, edgecolor=theme.grid, label="-") for colour, _ in named]
    texts = [text for _, text in named]
    legend = place.legend(handles, texts, frameon=False, labelcolor=theme.faint, handlelength=1.2,
                          borderaxespad=0.2, **style)  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
