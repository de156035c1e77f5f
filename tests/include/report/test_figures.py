"""The chart shows what it was given: size, candles, bands, gaps, verdict."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from include.channels.channel import ChannelFit, fit_channel
from include.market.candle import ABSENT_COUNT, OPTIONAL_COLUMNS
from include.market.errors import ContractError, InvalidInputError
from include.market.timeframe import H4
from include.report.figures import CHANNEL, FALLING, RISING, draw_channel_chart


def make_candles(count: int = 120, price: float = 60_000.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    trend = np.where(np.arange(count) < count // 2, 0.004, -0.005)
    close = price * np.exp(np.cumsum(trend) + 0.008 * rng.normal(size=count))
    opened = np.concatenate([[close[0]], close[:-1]])
    times = pd.date_range("2026-01-01", periods=count, freq="4h", tz="UTC")
    return pd.DataFrame(
        {
            "open_time": times.astype("datetime64[us, UTC]"),
            "open": opened,
            "high": np.maximum(opened, close) * 1.004,
            "low": np.minimum(opened, close) * 0.996,
            "close": close,
            "volume": rng.gamma(4, 50, size=count),
        }
    )


@pytest.fixture(scope="module")
def candles() -> pd.DataFrame:
    return make_candles()


@pytest.fixture(scope="module")
def fit(candles: pd.DataFrame) -> ChannelFit:
    return fit_channel(candles, H4, min_candles=12, taus=(0.1, 0.5, 0.9))


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


def read_words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def count_pixels(png: bytes, colour: str) -> int:
    pixels = imread(io.BytesIO(png))[..., :3]
    return int((np.abs(pixels - np.array(to_rgb(colour))).max(axis=2) < 0.02).sum())


def test_a_source_that_states_no_quote_volume_gives_the_same_picture(
    candles: pd.DataFrame, fit: ChannelFit
) -> None:
    poor = candles.assign(**dict.fromkeys(OPTIONAL_COLUMNS, np.nan)).assign(
        trade_count=ABSENT_COUNT
    )
    assert fit_channel(poor, H4, min_candles=12, taus=(0.1, 0.5, 0.9)) == fit
    drawn = [draw_channel_chart(frame, fit, title="X", timeframe=H4) for frame in (candles, poor)]
    assert drawn[0] == drawn[1]


def test_the_picture_is_a_png_of_1600_by_900(candles: pd.DataFrame, fit: ChannelFit) -> None:
    png = draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert imread(io.BytesIO(png)).shape[:2] == (900, 1600)
    assert len(png) < 1_000_000


def test_candles_and_channel_are_visible(candles: pd.DataFrame, fit: ChannelFit) -> None:
    png = draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    bare = draw_channel_chart(candles, replace(fit, segments=()), title="BTCUSDT", timeframe=H4)
    assert count_pixels(png, FALLING) > 5_000
    assert count_pixels(png, RISING) > 1_000
    assert count_pixels(png, CHANNEL) > 2 * count_pixels(bare, CHANNEL)


def test_only_a_published_channel_is_drawn_with_its_calibration(
    candles: pd.DataFrame, fit: ChannelFit
) -> None:
    def draw(published: bool, calibration: tuple[float, ...]) -> bytes:
        reason = None if published else "not better"
        shown = replace(fit, published=published, declined_reason=reason, calibration=calibration)
        return draw_channel_chart(candles, shown, title="X", timeframe=H4)

    none, wide = (0.0, 0.0, 0.0), (-0.02, 0.0, 0.02)
    assert draw(True, none) == draw(True, ())
    assert draw(True, wide) != draw(True, none)
    assert draw(False, wide) == draw(False, none)


def test_the_same_input_gives_the_same_bytes(candles: pd.DataFrame, fit: ChannelFit) -> None:
    first, second = (
        draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4) for _ in range(2)
    )
    assert first == second


def test_the_header_names_the_instrument_the_verdict_and_the_losses(
    candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    assert fit.published
    draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    words = read_words(drawn[0])
    assert words[0] == "BTCUSDT"
    assert "4h candles, 2026-01-01 to 2026-01-20 UTC" in words
    assert "PUBLISHED" in words
    assert any(f"{fit.out_of_sample_loss * 1e4:.1f} bp against" in word for word in words)


def test_a_declined_fit_says_so(
    candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    declined = replace(fit, published=False, declined_reason="lost")
    draw_channel_chart(candles, declined, title="BTCUSDT", timeframe=H4)
    assert "DECLINED" in read_words(drawn[0])
    assert "PUBLISHED" not in read_words(drawn[0])


def test_bands_follow_the_lines_of_their_segment(
    candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    calibration = fit.calibration
    assert fit.published
    assert len(calibration) == 3
    draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    medians = [line for line in drawn[0].axes[0].lines if line.get_linewidth() == 2.2]
    assert len(medians) == len(fit.segments) == 2
    for drawn_line, segment in zip(medians, fit.segments, strict=True):
        days, prices = drawn_line.get_data()
        hours = np.asarray(days) * 24 - segment.start_time.timestamp() / 3600
        median = next(line for line in segment.lines if line.tau == 0.5)
        # What is published is shown as it was calibrated.
        move = calibration[1] if segment is fit.newest else 0.0
        assert np.asarray(prices) == pytest.approx(
            np.exp(median.intercept + move + median.slope_per_hour * hours), rel=1e-9
        )
        assert days[-1] == pytest.approx(segment.end_time.timestamp() / 86_400)


def test_only_recent_candles_are_drawn(
    candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4, recent=30)
    price, volume = drawn[0].axes
    bodies = [part for part in price.collections if type(part) is PolyCollection]
    assert len(bodies[-1].get_paths()) == 30
    assert len(volume.patches) == 30
    first_day = candles["open_time"].iloc[-30].timestamp() / 86_400
    assert first_day - 1 < price.get_xlim()[0] < first_day


def test_missing_candles_stay_empty_and_are_hatched(
    candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    draw_channel_chart(candles.drop(index=range(80, 90)), fit, title="BTCUSDT", timeframe=H4)
    whole, holed = (
        [patch for patch in figure.axes[0].patches if patch.get_hatch()] for figure in drawn
    )
    assert whole == []
    assert len(holed) == 1
    start = candles["open_time"].iloc[79].timestamp() / 86_400
    end = candles["open_time"].iloc[90].timestamp() / 86_400
    assert start < holed[0].get_x() < holed[0].get_x() + holed[0].get_width() < end
    assert drawn[0].axes[0].get_xlim() == drawn[1].axes[0].get_xlim()


@pytest.mark.parametrize("price", [1.23e-7, 0.5, 7.0, 123_456_789.0])
def test_labels_stay_inside_the_picture(price: float, drawn: list[Figure]) -> None:
    candles = make_candles(40, price)
    fit = fit_channel(candles, H4, min_candles=12, taus=(0.5,))
    draw_channel_chart(candles, fit, title="W" * 60, timeframe=H4)
    figure = drawn[0]
    boxes = [
        text.get_window_extent()
        for axes in figure.axes
        for text in (*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels())
        if text.get_text()
    ]
    header = [text.get_window_extent() for text in figure.texts]
    assert len(boxes) > 5
    for box in [*boxes, *header]:
        assert box.x0 >= 0
        assert box.x1 <= 1600
    mark = next(text for text in figure.texts if text.get_text() == "DECLINED")
    assert not any(
        mark.get_window_extent().overlaps(text.get_window_extent())
        for text in figure.texts
        if text is not mark
    )


@pytest.mark.parametrize("title", ["$x^2$ {", "BTC\nUSDT", "\u6bd4\u7279\u5e01", "\x1b[31m"])
def test_odd_titles_are_shown_as_plain_ascii(
    title: str, candles: pd.DataFrame, fit: ChannelFit, drawn: list[Figure]
) -> None:
    draw_channel_chart(candles, fit, title=title, timeframe=H4)
    assert read_words(drawn[0])[0].isascii()
    assert read_words(drawn[0])[0].isprintable()


def test_a_single_flat_candle_without_volume_can_be_drawn(fit: ChannelFit) -> None:
    flat = make_candles(1).assign(open=1.0, high=1.0, low=1.0, close=1.0, volume=0.0)
    assert draw_channel_chart(flat, replace(fit, segments=()), title="X", timeframe=H4)


def test_drawing_leaves_no_global_state(candles: pd.DataFrame, fit: ChannelFit) -> None:
    before = dict(mpl.rcParams)
    draw_channel_chart(candles, fit, title="BTCUSDT", timeframe=H4)
    assert dict(mpl.rcParams) == before


def test_nothing_to_draw_is_refused(candles: pd.DataFrame, fit: ChannelFit) -> None:
    with pytest.raises(InvalidInputError, match="0 candles"):
        draw_channel_chart(candles.iloc[:0], fit, title="X", timeframe=H4)
    with pytest.raises(InvalidInputError, match="newest 0"):
        draw_channel_chart(candles, fit, title="X", timeframe=H4, recent=0)
    with pytest.raises(ContractError, match="volume"):
        draw_channel_chart(candles.drop(columns="volume"), fit, title="X", timeframe=H4)
