"""The quality chart shows the worst of what it was given, at any number of rows and days."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from include.report.coverage import CoverageMap
from include.report.palette import DARK, LIGHT, Theme
from include.report.quality_figure import MOST_ROWS, draw_quality_chart
from include.report.timelines import Timeline
from tests.include.report.quality_maps import make_map, make_timeline

QUIET = make_timeline()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect the figures as they are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: object, **options: object) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def draw(
    found: CoverageMap,
    quarantine: Timeline = QUIET,
    drift: Timeline = QUIET,
    *,
    theme: Theme = DARK,
) -> bytes:
    return draw_quality_chart(found, quarantine, drift, headline="99.8 % stored", theme=theme)


def count_pixels(png: bytes, colour: str) -> int:
    pixels = imread(io.BytesIO(png))[..., :3]
    return int((np.abs(pixels - np.array(to_rgb(colour))).max(axis=2) < 0.004).sum())


def words(figure: Figure) -> list[str]:
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    texts += [text for legend in legends if legend for text in legend.get_texts()]
    return [text.get_text() for text in texts]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_one_unexplained_minute_in_three_months_can_be_seen(theme: Theme) -> None:
    whole = make_map(days=90, labels=("1m", "5m", "30m", "4h"))
    quiet = make_timeline(90)
    for name in ("unknown", "fetch_failed"):
        state = theme.states[name]
        planted = make_map(
            days=90,
            labels=("1m", "5m", "30m", "4h"),
            planted={("1m", 1, 40): {"present": 1439, name: 1}},
        )
        before = count_pixels(draw(whole, quiet, quiet, theme=theme), state)
        after = count_pixels(draw(planted, quiet, quiet, theme=theme), state)
        # More than its patch in the legend.
        assert after - before > 12 * 8 + 60, name


def test_the_picture_is_as_wide_as_others_and_as_high_as_its_rows_ask() -> None:
    few = imread(io.BytesIO(draw(make_map())))
    many = imread(io.BytesIO(draw(make_map(symbols=[f"S{n}" for n in range(40)]))))
    assert few.shape[1] == many.shape[1] == 1600
    assert 400 < few.shape[0] < many.shape[0] < 1200


def test_every_row_of_a_few_instruments_is_named(drawn: list[Figure]) -> None:
    draw(make_map(symbols=("BTCUSDT", "ETHUSDT"), labels=("1m", "5m", "30m", "4h")))
    said = words(drawn[0])
    assert [said.count(word) for word in ("BTCUSDT", "ETHUSDT", "1m", "4h")] == [1, 1, 2, 2]
    assert "99.8 % stored" in said
    assert "2024-01-01 to 2024-01-04 00:00 UTC, one column a day" in said


def test_of_many_instruments_the_worst_are_named_and_the_rest_counted(drawn: list[Figure]) -> None:
    symbols = [f"S{place:03d}" for place in range(200)]
    draw(make_map(symbols=symbols, planted={("1m", 177, 1): {"present": 1, "unknown": 1439}}))
    said = words(drawn[0])
    assert "S177" in said
    assert "S000" in said
    assert "S100" not in said
    assert f"and {200 - MOST_ROWS + 1} others" in said


def test_a_symbol_of_two_venues_is_told_with_its_venue(drawn: list[Figure]) -> None:
    draw(make_map(symbols=("X", "X", "Y"), venues=("spot", "usdm")))
    said = words(drawn[0])
    assert {"X spot", "X usdm", "Y"} <= set(said)


def test_columns_of_three_years_hold_several_days(drawn: list[Figure]) -> None:
    draw(make_map(days=1096), make_timeline(1096), make_timeline(1096))
    assert any("one column 14 days" in word for word in words(drawn[0]))
    [picture] = drawn[0].axes[0].images
    assert picture.get_extent()[1] == 79


def test_the_legend_names_only_what_is_shown(drawn: list[Figure]) -> None:
    planted = {
        ("1m", 0, 0): {"present": 1400, "outage": 40},
        ("1m", 0, 1): {"pre_listing": 1440},
    }
    draw(make_map(planted=planted))
    said = set(words(drawn[0]))
    assert {"stored", "venue outage", "not listed at the time"} <= said
    assert not {"unexplained", "no trade", "fetch failed"} & said


def test_timelines_are_stacked_by_kind_over_the_days_of_the_map(drawn: list[Figure]) -> None:
    draw(make_map(), make_timeline(off_grid=[3, 0, 4], price_range=[1, 0, 0]), make_timeline())
    _, refused, drift = drawn[0].axes
    heights = [[bar.get_height() for bar in group] for group in refused.containers]
    assert heights == [[3, 0, 4], [1, 0, 0]]
    assert [bar.get_y() for bar in refused.containers[1]] == [3, 0, 4]
    assert drift.containers == []
    said = words(drawn[0])
    assert {"Rows refused: 8", "Drift alarms: 0", "off_grid", "price_range"} <= set(said)


def test_a_map_without_rows_says_so(drawn: list[Figure]) -> None:
    draw(make_map(symbols=()))
    assert "nothing loaded yet" in words(drawn[0])


def test_odd_names_are_shown_as_plain_text(drawn: list[Figure]) -> None:
    draw(make_map(symbols=("$x^2$ {", "比特币")), make_timeline(**{"$\\frac{1$": [1, 1, 1]}))
    assert all(word.isascii() for word in words(drawn[0]))


def test_nothing_is_written_outside_the_picture(drawn: list[Figure]) -> None:
    symbols = [f"{'W' * 30}{place}" for place in range(60)]
    names = {f"a_rule_with_a_very_long_name_{place}": [5, 5, 5] for place in range(9)}
    states = {"present": 9, "outage": 1, "unknown": 1, "no_trade": 1, "halted": 1, "not_built": 1,
              "not_loaded": 1, "fetch_failed": 1, "disconnected": 1, "unpublished": 1,
              "depth_exhausted": 1, "partial": 1, "pre_listing": 1}  # fmt: skip
    draw(
        make_map(symbols=symbols, planted={("1m", 0, 0): states}),
        make_timeline(**names),
        make_timeline(**names),
    )
    figure = drawn[0]
    width, height = figure.get_size_inches() * 100
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes)]:
        texts += legend.get_texts() if legend else []
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text.get_text()
        assert box.x1 <= width, text.get_text()
        assert box.y0 >= 0, text.get_text()
        assert box.y1 <= height, text.get_text()


def test_the_same_input_gives_the_same_bytes_and_leaves_no_global_state() -> None:
    before = dict(mpl.rcParams)
    found = make_map(planted={("1m", 0, 0): {"present": 1, "outage": 9}})
    assert draw(found) == draw(found)
    assert dict(mpl.rcParams) == before
