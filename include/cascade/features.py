"""Features of candles: what a bar and the bars before it tell, from 1m candles, without look-ahead.

A bar's features rest on minutes before its end alone, and reach back ``WINDOW_BARS`` bars. They are
known once the bar is over: ``open_time`` plus one timeframe. A bar counts when all its minutes are
proven, that is stored or explained; any other counts as absent, for itself and for later ones.
Nothing is carried across an absent bar: a return over it is unknown. The same minutes give the same
bits, in whatever pieces they come.

=========================  =======================================================================
column                     meaning; NaN where it is not known
=========================  =======================================================================
log_return                 ln(close / close of the bar before)
open_return                ln(open / close of the bar before)
body_return                ln(close / open)
log_range                  ln(high / low)
parkinson_variance         from high and low (Parkinson 1980)
garman_klass_variance      from all four prices (Garman and Klass 1980)
rogers_satchell_variance   from all four, unbiased under drift (Rogers and Satchell 1991)
realised_variance          sum of squared 1m returns (Andersen et al. 2003)
bipower_variation          the same without the jumps (Barndorff-Nielsen and Shephard 2004)
vwap                       quote volume / volume: the volume-weighted average price
taker_buy_share            taker_buy_volume / volume, 0 to 1
window_return              ln(close / close ``WINDOW_BARS`` bars before)
window_volatility          root of the window's mean realised variance: of one bar, not of a year
window_vwap                volume-weighted average price of the window
window_position            place of the close between the window's low (0) and high (1)
relative_volume            volume / mean volume of the window's bars
minutes_present            1m candles of the bar, of ``minutes_expected``
bars_since_previous        how many bars ago the bar before it was, 1 for a neighbour
window_bars                bars there are of the window
=========================  =======================================================================

The window is the bar itself and the ``WINDOW_BARS - 1`` before it; a value over it is known once
half of it is there. Prices across a change of unit are put into the unit of the bar; a bar within
which the unit changes tells nothing and counts as absent, and volumes of two units are not added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from include.cascade.bars import Bars, Stretch, gather_bars
from include.cascade.exact_sum import FloatArray
from include.cascade.fold import IntArray
from include.cascade.returns import bars_since_present, log_ratio, previous
from include.cascade.series import SeriesCandles
from include.cascade.volatility import (
    bipower_variation,
    garman_klass_variance,
    parkinson_variance,
    realised_variance,
    rogers_satchell_variance,
)
from include.cascade.windows import (
    window_counts,
    window_highest,
    window_lowest,
    window_products,
    window_sums,
)
from include.market.errors import InvalidInputError
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1, Timeframe

WINDOW_BARS: Final = 48
_ENOUGH: Final = WINDOW_BARS // 2
VALUE_FEATURES: Final = (
    "log_return",
    "open_return",
    "body_return",
    "log_range",
    "parkinson_variance",
    "garman_klass_variance",
    "rogers_satchell_variance",
    "realised_variance",
    "bipower_variation",
    "vwap",
    "taker_buy_share",
    "window_return",
    "window_volatility",
    "window_vwap",
    "window_position",
    "relative_volume",
)
COUNT_FEATURES: Final = (
    "minutes_present",
    "minutes_expected",
    "bars_since_previous",
    "window_bars",
)
FEATURES: Final = (*VALUE_FEATURES, *COUNT_FEATURES)
# By so much a quotient of two rounded volumes may lie beyond the prices it is a mean of.
_VWAP_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of bars, one element each, by instrument and time as their stretches were given.

    ``columns`` holds every one of ``FEATURES`` as floats, NaN where unknown; counts are whole.
    """

    owners: IntArray
    open_us: IntArray
    columns: dict[str, FloatArray]

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.open_us)


def require_derivable(timeframe: Timeframe) -> None:
    """Raise unless features of ``timeframe`` can be derived.

    Raises:
        InvalidInputError: it is no multiple of a minute above one, or longer than a day.
    """
    if not M1.divides(timeframe) or timeframe.months or DAY_MS % timeframe.length_ms:
        raise InvalidInputError(
            f"features of {timeframe.label} cannot be derived: choose timeframes coarser than 1m "
            "that divide a day"
        )


def look_back_ms(timeframe: Timeframe) -> int:
    """Return how much before a bar its features rest on, in milliseconds."""
    return WINDOW_BARS * timeframe.length_ms


def reached_span(changed: Span, timeframe: Timeframe) -> Span:
    """Return the whole bars whose features may rest on a minute of ``changed``."""
    start_ms = timeframe.floor_ms(changed.start_ms)
    if not changed:
        return Span(start_ms, start_ms)
    return Span(start_ms, timeframe.ceil_ms(changed.end_ms) + look_back_ms(timeframe))


def needed_span(wanted: Span, timeframe: Timeframe) -> Span:
    """Return what must be read to derive the features of the bars in ``wanted``."""
    return Span(wanted.start_ms - look_back_ms(timeframe), wanted.end_ms)


def derive_features(
    minutes: SeriesCandles, timeframe: Timeframe, stretches: Sequence[Stretch]
) -> FeatureRows:
    """Return the features of every bar wanted that has a candle and is proven.

    Args:
        minutes: 1m candles, those of each stretch's ``needed_span`` among them; others make no
            difference.
        timeframe: of the bars; it divides a day.
        stretches: what to derive; those of one instrument lie at least ``look_back_ms`` apart.

    Raises:
        InvalidInputError: ``timeframe`` cannot be derived.
        OverflowError: a sum exceeds the range of a double.
    """
    require_derivable(timeframe)
    if not stretches:
        nothing = np.empty(0, dtype=np.int64)
        return FeatureRows(nothing, nothing, {name: np.empty(0) for name in FEATURES})
    bars = gather_bars(minutes, timeframe, stretches, WINDOW_BARS)
    variance = bars.known(realised_variance(bars.minute_returns))
    columns = {
        **_of_prices(bars),
        "realised_variance": variance,
        "bipower_variation": bars.known(bipower_variation(bars.minute_returns)),
        **_of_volumes(bars),
        **_of_the_window(bars, variance),
        "minutes_expected": np.full(len(bars.open_us), float(len(bars.minute_returns))),
    }
    chosen = np.flatnonzero(bars.wanted)
    return FeatureRows(
        bars.owners[chosen],
        bars.open_us[chosen],
        {name: columns[name][chosen] for name in FEATURES},
    )


def _of_prices(bars: Bars) -> dict[str, FloatArray]:
    opened, high, low, close = (bars[name] for name in ("open", "high", "low", "close"))
    before = previous(close) * bars.step
    distance = bars_since_present(bars.present)
    # What lies further back is beyond what is read, so it must not be told of.
    distance[distance > WINDOW_BARS] = np.nan
    return {
        "log_return": log_ratio(close, before),
        "open_return": log_ratio(opened, before),
        "body_return": log_ratio(close, opened),
        "log_range": log_ratio(high, low),
        "parkinson_variance": parkinson_variance(high, low),
        "garman_klass_variance": garman_klass_variance(opened, high, low, close),
        "rogers_satchell_variance": rogers_satchell_variance(opened, high, low, close),
        "bars_since_previous": distance,
    }


def _of_volumes(bars: Bars) -> dict[str, FloatArray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = bars["taker_buy_volume"] / bars["volume"]
    return {
        "vwap": average_price(bars["quote_volume"], bars["volume"], bars["low"], bars["high"]),
        "taker_buy_share": np.where((share >= 0) & (share <= 1), share, np.nan),
        "minutes_present": bars["minutes_present"],
    }


def _of_the_window(bars: Bars, variance: FloatArray) -> dict[str, FloatArray]:
    count = window_counts(bars.present, WINDOW_BARS)
    # Between the bars of the window lies one step less than there are bars.
    one_unit = window_counts(bars.step != 1, WINDOW_BARS - 1) == 0
    high, low = window_highest(bars["high"], WINDOW_BARS), window_lowest(bars["low"], WINDOW_BARS)
    volume, quote_volume = (_stated_sum(bars, name) for name in ("volume", "quote_volume"))
    close, factor = bars["close"], window_products(bars.step, WINDOW_BARS)
    with np.errstate(divide="ignore", invalid="ignore"):
        volatility = np.sqrt(window_sums(variance, WINDOW_BARS) / count)
        position = (close - low) / (high - low)
        relative = bars["volume"] / (volume / count)
    enough = count >= _ENOUGH
    together = enough & one_unit
    return {
        "window_return": log_ratio(close, previous(close, WINDOW_BARS) * factor),
        "window_volatility": np.where(enough, volatility, np.nan),
        "window_vwap": np.where(together, average_price(quote_volume, volume, low, high), np.nan),
        "window_position": np.where(together & (high > low), position, np.nan),
        "relative_volume": np.where(together & (volume > 0), relative, np.nan),
        "window_bars": count,
    }


def _stated_sum(bars: Bars, name: str) -> FloatArray:
    """Return the sum over the window, NaN where a bar that is there does not state the column."""
    unknown = window_counts(bars.present & np.isnan(bars[name]), WINDOW_BARS)
    total: FloatArray = np.where(unknown == 0, window_sums(bars[name], WINDOW_BARS), np.nan)
    return total


def average_price(
    quote_volume: FloatArray, volume: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Return quote volume per volume, the volume-weighted average price, where it can be one.

    NaN where nothing was traded, where a volume is not known, and where the quotient lies outside
    the prices it is a mean of: then the two volumes are not of these prices, or not of these units.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        average = quote_volume / volume
        possible = (average >= low * (1 - _VWAP_TOLERANCE)) & (
            average <= high * (1 + _VWAP_TOLERANCE)
        )
    mean: FloatArray = np.where(possible, average, np.nan)
    return mean
