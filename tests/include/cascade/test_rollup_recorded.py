"""The cascade against independent oracles: the exchange's own candles, and pandas."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from include.cascade.rollup import roll_up
from include.market.candle import PARTIAL, PRICE_COLUMNS, STATED_COLUMNS, VOLUME_COLUMNS
from include.market.timeframe import CASCADE, H4, M1, M5, M30, Timeframe
from tests.include.quality.recorded import read_binance_csv, read_bybit_csv

M15 = Timeframe(15 * 60_000, "15m")
H1 = Timeframe(60 * 60_000, "60m")
EXACT = ["open_time", "open", "high", "low", "close", "trade_count"]


def compare_with_venue(coarse: pd.DataFrame, native: pd.DataFrame) -> pd.DataFrame:
    """Return complete own candles beside the venue's, with ``differs`` set where they disagree."""
    whole = coarse[coarse["children_present"] == coarse["children_expected"]]
    both = whole.merge(native, on="open_time", suffixes=("", "_native"), validate="1:1")
    prices = np.logical_or.reduce(
        [both[name] != both[f"{name}_native"] for name in ("open", "high", "low", "close")]
    )
    volume = ~np.isclose(both["volume"], both["volume_native"], rtol=1e-6, atol=0)
    return both.assign(differs=prices | volume)


@pytest.mark.parametrize(("target", "complete"), [(M5, 8639), (M15, 2879), (M30, 1439), (H1, 719)])
def test_own_candles_equal_the_venues_own(target: Timeframe, complete: int) -> None:
    minutes = read_bybit_csv("bybit_linear/ADAUSDT_1m.csv.gz", M1)
    native = read_bybit_csv(f"bybit_linear/ADAUSDT_{target.label}.csv.gz", target)
    both = compare_with_venue(roll_up(minutes, M1, target), native)
    assert len(both) == complete
    assert not both["differs"].any()
    # Volumes too, to the last bit: Bybit's are whole numbers.
    assert (both["volume"] == both["volume_native"]).all()


@pytest.mark.parametrize(
    ("target", "opens"), [(M15, "16:30"), (M30, "16:30"), (H1, "16:00")], ids=lambda part: str(part)
)
def test_the_one_bar_that_differs_is_the_last_one_stored_unfinished(
    target: Timeframe, opens: str
) -> None:
    minutes = read_bybit_csv("bybit_linear/ADAUSDT_1m.csv.gz", M1)
    native = read_bybit_csv(f"bybit_linear/ADAUSDT_{target.label}.csv.gz", target)
    own = roll_up(minutes, M1, target)
    last, theirs = own.iloc[-1], native.iloc[-1]
    assert last["open_time"] == theirs["open_time"] == pd.Timestamp(f"2025-06-29 {opens}Z")
    assert last["flags"] == PARTIAL
    assert native["open_time"].is_unique
    assert own["open_time"].iloc[1:].tolist() == native["open_time"].tolist()
    # It holds our minutes up to 16:40 and what the venue had of the five minutes after.
    fives = read_bybit_csv("bybit_linear/ADAUSDT_5m.csv.gz", M5).iloc[-1]
    assert fives["open_time"] == pd.Timestamp("2025-06-29 16:40Z")
    assert theirs["volume"] == last["volume"] + fives["volume"] == last["volume"] + 1371
    assert theirs["close"] == fives["close"] != last["close"]


@pytest.mark.parametrize(
    ("target", "defect"), [(M30, "2025-06-29 16:30"), (H1, "2025-06-29 16:00")]
)
def test_a_candle_the_venue_stored_unfinished_is_found(target: Timeframe, defect: str) -> None:
    quarters = read_bybit_csv("bybit_linear/BTCUSDT_15m.csv.gz", M15)
    native = read_bybit_csv(f"bybit_linear/BTCUSDT_{target.label}.csv.gz", target)
    both = compare_with_venue(roll_up(quarters, M15, target), native)
    assert len(both) >= 720
    assert both.loc[both["differs"], "open_time"].tolist() == [pd.Timestamp(defect, tz="UTC")]


def group_by_pandas(frame: pd.DataFrame, target: Timeframe) -> pd.DataFrame:
    """Roll up with nothing but pandas and the standard library's exact sum."""
    groups = frame.groupby(frame["open_time"].dt.floor(f"{target.length_ms}ms"))
    chosen: dict[str, str | Callable[..., object]] = {
        "open": "first",
        "high": "max",
        "low": "min",
        "close": "last",
        "trade_count": "sum",
        **dict.fromkeys(VOLUME_COLUMNS, math.fsum),
    }
    return groups.agg(chosen).reset_index()


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_a_real_quarter_equals_an_independent_roll_up_bit_for_bit(symbol: str) -> None:
    frames = [
        read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
        for month in ("08", "09", "10")
    ]
    minutes = pd.concat(frames, ignore_index=True)[list(STATED_COLUMNS)]
    chained = grouped = minutes
    for source, target in CASCADE:
        chained = roll_up(chained, source, target)
        direct = group_by_pandas(minutes, target)
        grouped = group_by_pandas(grouped, target)
        assert (chained["children_present"] == chained["children_expected"]).all()
        assert (chained["flags"] == 0).all()
        pd.testing.assert_frame_equal(chained[EXACT], direct[EXACT], check_exact=True)
        for name in (*PRICE_COLUMNS, *VOLUME_COLUMNS):
            assert chained[name].to_numpy().tobytes() == grouped[name].to_numpy().tobytes()
            # Each level is rounded once, so sums of sums stay as near as one rounding a level.
            np.testing.assert_allclose(chained[name], direct[name], rtol=len(CASCADE) * 2**-53)
    assert len(chained) == 92 * 6


def test_venue_gaps_leave_buckets_out_and_partial_ones_counted() -> None:
    minutes = read_binance_csv("binance_usdm_1m/FILUSDT-1m-2023-08.csv.gz")[list(STATED_COLUMNS)]
    holes = minutes.drop(index=[*range(100, 360), 1000])
    coarse = roll_up(holes, M1, H4)
    # Minutes 100-359 reach into the first bucket and half into the second.
    assert coarse["children_present"].iloc[:2].tolist() == [100, 120]
    assert coarse["children_present"].sum() == len(holes)
    five = roll_up(holes, M1, M5)
    assert len(five) == 8928 - 52
    assert five.loc[five["children_present"] < 5, "children_present"].tolist() == [4]
