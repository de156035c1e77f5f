"""The suites for what is stored, as Great Expectations: one per kind of table.

The frames they judge are built by ``jobs.stored_frames`` from reads of the warehouse; what a row
is compared with (its bucket, the row before it, its children) stands in columns beside it.
Importing costs seconds: never at DAG parse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import great_expectations.expectations as gxe

from include.market.candle import MAX_FLAGS, MAX_PRICE, MAX_VOLUME, PRICE_COLUMNS, VOLUME_COLUMNS
from include.quality.candle_expectations import (
    CHILDREN,
    ExpectCandlesToBeOrdered,
    ExpectCandlesToMatchChildren,
    ExpectQuoteVolumeToMatchPrices,
    ExpectTradeCountToFollowVolume,
)
from include.quality.row_expectations import (
    ExpectDueRowValuesToBeStated,
    ExpectRowsToBeFinal,
    ExpectTimesToFallOnGrid,
    ExpectValueToBeAtMost,
)
from include.quality.rules import MAX_TRADE_COUNT, MIN_PRICE, QUOTE_STEP, QUOTE_TOLERANCE
from include.quality.series_expectations import (
    ExpectFundingToKeepItsInterval,
    ExpectProbabilitiesToAddUp,
    ExpectSeriesToBeContinuous,
    ExpectTradeIdsToBeContinuous,
)
from include.quality.suites import Stated, between, column_between

CANDLES: Final = "stored_candles"
COARSE_CANDLES: Final = "stored_coarse_candles"
TRADES: Final = "stored_trades"
FUNDING: Final = "stored_funding"
INSTRUMENTS: Final = "stored_instruments"
CHANNELS: Final = "stored_channels"
FORECASTS: Final = "stored_forecasts"

CANDLE_KEY: Final = ("instrument", "open_time")
TRADE_KEY: Final = ("instrument", "trade_time")
FUNDING_KEY: Final = ("instrument", "funding_time")
"""Columns that tell people which row it is; no expectation judges them."""

FUNDING_INTERVALS_MS: Final = [hours * 3_600_000 for hours in (1, 2, 4, 8)]
FUNDING_JITTER_MS: Final = 60_000
CHILDREN_TOLERANCE: Final = 1e-9
"""Relative: adding 1,440 doubles in another order moves a sum by less than 1e-12 of it."""
COMPARED: Final = (*PRICE_COLUMNS, *VOLUME_COLUMNS, "trade_count", "children_present")


def stored_candles() -> list[Stated]:
    """Return what is expected of stored candles of any timeframe."""
    return [*_prices_and_volumes(), *_counts_of_a_candle(), *_times_of_a_candle()]


def stored_coarse_candles() -> list[Stated]:
    """Return what is expected of candles that are built from finer ones."""
    twins = [column for name in COMPARED for column in (name, f"{CHILDREN}{name}")]
    return [
        *stored_candles(),
        Stated(
            "children",
            "block",
            "no more children than fill the bucket, and at least one",
            ExpectValueToBeAtMost(
                column_list=["children_present", "children_expected", *CANDLE_KEY]
            ),
        ),
        Stated(
            "children",
            "block",
            "a candle without a child does not exist",
            between(("children_present", *CANDLE_KEY), 1, 1440),
        ),
        Stated(
            "cross_resolution",
            "block",
            "a candle says what its stored children add up to",
            ExpectCandlesToMatchChildren(
                column_list=[*twins, *CANDLE_KEY], tolerance=CHILDREN_TOLERANCE
            ),
        ),
    ]


def _prices_and_volumes() -> list[Stated]:
    quote = ["low", "high", "volume", "quote_volume", "trade_count"]
    return [
        Stated(
            "not_a_number",
            "block",
            "prices and volume are known of every candle",
            ExpectDueRowValuesToBeStated(column_list=[*PRICE_COLUMNS, "volume", *CANDLE_KEY]),
        ),
        Stated(
            "price_range",
            "block",
            "prices within the range of prices",
            between((*PRICE_COLUMNS, *CANDLE_KEY), MIN_PRICE, MAX_PRICE),
        ),
        Stated(
            "volume_range",
            "block",
            "volumes within the range of volumes",
            between((*VOLUME_COLUMNS, *CANDLE_KEY), 0.0, MAX_VOLUME),
        ),
        Stated(
            "ohlc_order",
            "block",
            "low <= open, close <= high",
            ExpectCandlesToBeOrdered(column_list=[*PRICE_COLUMNS, *CANDLE_KEY]),
        ),
        Stated(
            "taker_volume",
            "block",
            "takers bought at most the whole volume",
            ExpectValueToBeAtMost(column_list=["taker_buy_volume", "volume", *CANDLE_KEY]),
        ),
        Stated(
            "quote_volume_unit",
            "block",
            "the quote volume is what the volume was worth between low and high",
            ExpectQuoteVolumeToMatchPrices(
                column_list=[*quote, *CANDLE_KEY], tolerance=QUOTE_TOLERANCE, step=QUOTE_STEP
            ),
        ),
    ]


def _counts_of_a_candle() -> list[Stated]:
    return [
        Stated(
            "trade_count",
            "block",
            "a whole number of trades, none exactly when there was no volume",
            ExpectTradeCountToFollowVolume(
                column_list=["volume", "trade_count", *CANDLE_KEY], max_count=MAX_TRADE_COUNT
            ),
        ),
        Stated(
            "flags",
            "block",
            "only flags that exist",
            between(("flags", *CANDLE_KEY), 0, MAX_FLAGS),
        ),
        Stated(
            "mended",
            "info",
            "candles as the venue sent them, neither snapped, cut short nor lent",
            between(("flags", *CANDLE_KEY), 0, 0),
        ),
    ]


def _times_of_a_candle() -> list[Stated]:
    return [
        Stated(
            "off_grid",
            "block",
            "candles open where their bucket begins",
            ExpectTimesToFallOnGrid(column_list=["open_time", "grid_time", "instrument"]),
        ),
        Stated(
            "unfinished",
            # The venue's clock decided; ours, which says when it was stored, may lag behind.
            "warn",
            "candles were over when they were stored",
            ExpectRowsToBeFinal(column_list=["final_time", "recorded_at", *CANDLE_KEY]),
        ),
        Stated(
            "duplicate_key",
            "block",
            "one candle per instrument and open time",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["instrument_id", "open_time"]),
        ),
        Stated(
            "continuity",
            "warn",
            "no candle absent that the ledger does not explain",
            ExpectSeriesToBeContinuous(
                column_list=["missing_before", "explained_before", *CANDLE_KEY]
            ),
        ),
    ]


def stored_trades() -> list[Stated]:
    """Return what is expected of stored trades."""
    return [
        Stated(
            "impossible_price",
            "block",
            "prices within the range of prices",
            between(("price", *TRADE_KEY), MIN_PRICE, MAX_PRICE),
        ),
        Stated(
            "impossible_quantity",
            "block",
            "quantities above zero",
            column_between("quantity", min_value=0, max_value=MAX_VOLUME, strict_min=True),
        ),
        Stated(
            "repeated_id",
            "block",
            "one trade per instrument and id",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["instrument_id", "trade_id"]),
        ),
        Stated(
            "falling_time",
            "warn",
            "a later id is no earlier trade",
            between(("since_trade_before_us", *TRADE_KEY), 0, MAX_VOLUME),
        ),
        Stated(
            "missing_ids",
            "warn",
            "ids follow each other, where the venue promises that",
            ExpectTradeIdsToBeContinuous(column_list=["id_step", "known_holes", *TRADE_KEY]),
        ),
    ]


def stored_funding() -> list[Stated]:
    """Return what is expected of stored funding payments."""
    return [
        Stated(
            "rate_range",
            "block",
            "no rate takes more than the position",
            between(("rate", *FUNDING_KEY), -1, 1),
        ),
        Stated(
            "mark_price_range",
            "block",
            "mark prices within the range of prices",
            between(("mark_price", *FUNDING_KEY), MIN_PRICE, MAX_PRICE),
        ),
        Stated(
            "repeated_payment",
            "block",
            "one payment per instrument and instant",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["instrument_id", "funding_time"]),
        ),
        Stated(
            "funding_interval",
            "warn",
            "payments follow each other after 1, 2, 4 or 8 hours",
            ExpectFundingToKeepItsInterval(
                column_list=["step_ms", "interval_ms", *FUNDING_KEY],
                intervals_ms=FUNDING_INTERVALS_MS,
                jitter_ms=FUNDING_JITTER_MS,
            ),
        ),
    ]


def stored_instruments() -> list[Stated]:
    """Return what is expected of the instruments known now."""
    return [
        Stated(
            "step_size",
            "block",
            "prices and quantities move by a step above zero",
            between(("tick_size", "lot_size"), 1e-30, MAX_PRICE),
        ),
        Stated(
            "listed_before_delisted",
            "block",
            "an instrument is listed before it is delisted",
            ExpectValueToBeAtMost(column_list=["listed_at", "delisted_at"]),
        ),
        Stated(
            "one_name_one_instrument",
            "block",
            "a symbol of a venue means one instrument at a time",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["venue", "symbol"]),
        ),
        Stated(
            "two_assets",
            "warn",
            "an instrument is one asset priced in another",
            column_between("assets", min_value=2),
        ),
        Stated(
            "listing_known",
            "info",
            "when it was listed is known",
            gxe.ExpectColumnValuesToNotBeNull(column="listed_at"),
        ),
    ]


def stored_channels() -> list[Stated]:
    """Return what is expected of the channels fitted now."""
    return [
        Stated(
            "lines_cross",
            "block",
            "a higher quantile's line lies at no candle of the segment below a lower one's",
            # Lines may touch, and then rounding has the last word.
            column_between("least_gap", min_value=-1e-9),
        ),
        Stated(
            "published_unproven",
            "block",
            "what is published beats its baseline on candles it has not seen",
            ExpectValueToBeAtMost(column_list=["published_loss", "baseline_loss"]),
        ),
        Stated(
            "empty_segment",
            "block",
            "a segment ends after it starts",
            ExpectRowsToBeFinal(column_list=["start_time", "end_time", "instrument", "timeframe"]),
        ),
        Stated(
            "few_lines",
            "warn",
            "a channel has at least a lower and an upper line",
            column_between("lines", min_value=2),
        ),
    ]


def stored_forecasts() -> list[Stated]:
    """Return what is expected of forecasts."""
    key = ["instrument_id", "timeframe", "made_at", "target_time"]
    return [
        Stated(
            "not_a_number",
            "block",
            "every forecast says of what, made when, for when",
            ExpectDueRowValuesToBeStated(column_list=key),
        ),
        Stated(
            "looks_back",
            "block",
            "a forecast is made before the instant it speaks of",
            ExpectRowsToBeFinal(column_list=["made_at", "target_time"]),
        ),
        Stated(
            "probabilities",
            "block",
            "probabilities lie in 0..1 and add up to 1",
            ExpectProbabilitiesToAddUp(
                column_list=[
                    "probability_sum",
                    "least_probability",
                    "greatest_probability",
                ],
                tolerance=1e-6,
            ),
        ),
        Stated(
            "duplicate_key",
            "block",
            "one forecast per instrument, timeframe and instants",
            gxe.ExpectCompoundColumnsToBeUnique(column_list=key),
        ),
    ]


STORED_SUITES: Final[dict[str, Callable[[], list[Stated]]]] = {
    CANDLES: stored_candles,
    COARSE_CANDLES: stored_coarse_candles,
    TRADES: stored_trades,
    FUNDING: stored_funding,
    INSTRUMENTS: stored_instruments,
    CHANNELS: stored_channels,
    FORECASTS: stored_forecasts,
}
