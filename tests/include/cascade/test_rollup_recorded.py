"""The cascade against independent oracles: the exchange's own candles, and pandas."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from include.cascade.rollup import roll_up
from include.market.candle import CANDLE_COLUMNS, VOLUME_COLUMNS
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
    groups = frame.groupby(frame["open_time"].dt.floor(f"{target.length_ms}ms"))
    chosen: dict[str, str | Callable[..., object]] = {
        "open": "first",
        "high": "max",
        "low": "min",
        "close": "last",
        "trade_count": "sum",
        **dict.fromkeys(VOLUME_COLUMNS, "sum"),
    }
    return groups.agg(chosen).reset_index()


@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT"])
def test_a_real_quarter_equals_an_independent_group_by_down_the_chain(symbol: str) -> None:
    frames = [
        read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-{month}.csv.gz")
        for month in ("08", "09", "10")
    ]
    minutes = pd.concat(frames, ignore_index=True)[list(CANDLE_COLUMNS)]
    chained = minutes
    for source, target in CASCADE:
        chained = roll_up(chained, source, target)
        grouped = group_by_pandas(minutes, target)
        pd.testing.assert_frame_equal(chained[EXACT], grouped[EXACT], check_exact=True)
        assert (chained["children_present"] == chained["children_expected"]).all()
        terms = target.length_ms // M1.length_ms
        for name in VOLUME_COLUMNS:
            np.testing.assert_allclose(chained[name], grouped[name], rtol=1e-15 * terms)
    assert len(chained) == 92 * 6


def test_venue_gaps_leave_buckets_out_and_partial_ones_counted() -> None:
    minutes = read_binance_csv("binance_usdm_1m/FILUSDT-1m-2023-08.csv.gz")[list(CANDLE_COLUMNS)]
    holes = minutes.drop(index=[*range(100, 360), 1000])
    coarse = roll_up(holes, M1, H4)
    # Minutes 100-359 reach into the first bucket and half into the second.
    assert coarse["children_present"].iloc[:2].tolist() == [100, 120]
    assert coarse["children_present"].sum() == len(holes)
    five = roll_up(holes, M1, M5)
    assert len(five) == 8928 - 52
    assert five.loc[five["children_present"] < 5, "children_present"].tolist() == [4]
