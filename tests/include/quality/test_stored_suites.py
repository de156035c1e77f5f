"""Each suite for what is stored finds each planted defect in its row, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.market.candle import MAX_FLAGS
from include.market.timeframe import M5, MO1, W1, Timeframe
from include.quality import stored_frames as put
from include.quality.expectations import evaluate
from include.quality.stored_suites import STORED_SUITES
from tests.include.quality import stored_rows as rows

Plant = tuple[str, dict[str, Any]]
LATE = pd.Timestamp("2030-01-01", tz="UTC").as_unit("us")

CANDLE_DEFECTS: list[Plant] = [
    ("not_a_number", {"volume": np.nan, "quote_volume": np.nan, "trade_count": np.nan}),
    ("price_range", {"low": -1.0, "quote_volume": 900.0}),
    ("volume_range", {"taker_buy_quote_volume": -1.0}),
    ("ohlc_order", {"high": 100.5, "quote_volume": 1000.0}),
    ("taker_volume", {"taker_buy_volume": 10.5}),
    ("quote_volume_unit", {"quote_volume": 10.0, "taker_buy_quote_volume": 4.0}),
    ("trade_count", {"trade_count": 0.0}),
    ("flags", {"flags": float(MAX_FLAGS + 1)}),
    ("mended", {"flags": 2.0}),
    ("unfinished", {"recorded_at": rows.START}),
    ("continuity", {"end_before": rows.START - pd.Timedelta("1D"), "explained_before": 3.0}),
]
COARSE_DEFECTS: list[Plant] = [
    ("children", {"children_present": 6.0, "children_children_present": 6.0}),
    ("children", {"children_present": 0.0, "children_children_present": 0.0}),
    ("cross_resolution", {"children_open": 100.1}),
    ("cross_resolution", {"children_high": 101.9}),
    ("cross_resolution", {"children_volume": 10.0001}),
    ("cross_resolution", {"children_children_present": 4.0}),
    ("cross_resolution", {"trade_count": np.nan}),
]
OTHERS: dict[str, tuple[Callable[[int], pd.DataFrame], Any, list[Plant]]] = {
    "stored_trades": (
        rows.stored_trades,
        put.frame_trades,
        [
            ("impossible_price", {"price": 0.0}),
            ("impossible_quantity", {"quantity": 0.0}),
            ("falling_time", {"time_before": LATE}),
            ("missing_ids", {"id_before": 400.0}),
        ],
    ),
    "stored_funding": (
        rows.stored_funding,
        put.frame_funding,
        [
            ("rate_range", {"rate": 1.5}),
            ("mark_price_range", {"mark_price": -1.0}),
            ("funding_interval", {"time_before": rows.START}),
        ],
    ),
    "stored_instruments": (
        rows.stored_instruments,
        put.frame_instruments,
        [
            ("step_size", {"tick_size": 0.0}),
            ("listed_before_delisted", {"delisted_at": rows.START - pd.Timedelta("1D")}),
            ("two_assets", {"base_asset": "USDT"}),
            ("listing_known", {"listed_at": pd.NaT}),
        ],
    ),
    "stored_channels": (
        rows.stored_channels,
        put.frame_channels,
        [
            ("lines_cross", {"least_gap": -0.1}),
            ("published_unproven", {"published": 1.0, "model_loss": 2.5}),
            ("empty_segment", {"end_time": rows.START}),
            ("few_lines", {"lines": 1.0, "least_gap": np.nan}),
        ],
    ),
    "stored_forecasts": (
        rows.stored_forecasts,
        lambda frame: frame,
        [
            ("looks_back", {"target_time": rows.START}),
            ("probabilities", {"probability_sum": 0.9}),
            ("probabilities", {"greatest_probability": 1.2}),
            ("probabilities", {"least_probability": -0.1}),
        ],
    ),
}


def plant(frame: pd.DataFrame, defects: list[Plant]) -> dict[int, str]:
    """Put each defect into a row of its own, in place; return rule by row."""
    for place, (_, changes) in enumerate(defects):
        for name, value in changes.items():
            frame.loc[2 * place + 2, name] = value
    return {2 * place + 2: rule for place, (rule, _) in enumerate(defects)}


def find(suite: str, frame: pd.DataFrame) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for one in evaluate(suite, frame):
        for row in one.rows.tolist():
            found.setdefault(row, set()).add(one.rule)
    return found


def test_planted_defects_of_candles_are_found() -> None:
    frame = rows.stored_candles(40)
    planted = plant(frame, CANDLE_DEFECTS)
    frame.loc[30, "open_time"] += pd.Timedelta("14s")
    planted[30] = "off_grid"
    frame.loc[33, "open_time"] = frame.loc[32, "open_time"]
    found = find("stored_candles", put.frame_candles(frame, rows.M1))
    assert found.pop(32) == {"duplicate_key"}
    assert found.pop(33) == {"duplicate_key"}
    # A flag that does not exist is none the venue is known for either.
    assert found.pop(16) == {"flags", "mended"}
    assert planted.pop(16) == "flags"
    assert found == {row: {rule} for row, rule in planted.items()}


def test_planted_defects_of_coarse_candles_are_found() -> None:
    frame = rows.stored_coarse_candles(30)
    planted = plant(frame, COARSE_DEFECTS)
    frame.loc[25, [name for name in frame if name.startswith("children_c")]] = np.nan
    found = find("stored_coarse_candles", put.frame_candles(frame, M5))
    assert found == {row: {rule} for row, rule in planted.items()}


@pytest.mark.parametrize("suite", OTHERS)
def test_planted_defects_of_other_data_are_found(suite: str) -> None:
    make, frame_of, defects = OTHERS[suite]
    frame = make(24)
    planted = plant(frame, defects)
    assert find(suite, frame_of(frame)) == {row: {rule} for row, rule in planted.items()}


@pytest.mark.parametrize(
    ("suite", "key"),
    [
        ("stored_trades", ["trade_id"]),
        ("stored_funding", ["funding_time"]),
        ("stored_instruments", ["symbol"]),
        ("stored_forecasts", ["made_at", "target_time"]),
    ],
)
def test_repeated_keys_are_found(suite: str, key: list[str]) -> None:
    make, frame_of, _ = OTHERS[suite]
    frame = make(6)
    frame.loc[4, key] = frame.loc[3, key]
    found = find(suite, frame_of(frame))
    assert set(found) == {3, 4}
    assert all(len(rules) == 1 for rules in found.values())


def test_every_rule_is_planted_somewhere() -> None:
    planted = {rule for rule, _ in [*CANDLE_DEFECTS, *COARSE_DEFECTS]} | {"off_grid"}
    planted |= {rule for _, _, defects in OTHERS.values() for rule, _ in defects}
    keys = {"duplicate_key", "repeated_id", "repeated_payment", "one_name_one_instrument"}
    stated = {one.rule for suite in STORED_SUITES.values() for one in suite()}
    assert stated == planted | keys


@pytest.mark.parametrize(("timeframe", "open_time"), [(W1, "2024-01-01"), (MO1, "2024-02-01")])
def test_weeks_and_months_have_their_own_grid(timeframe: Timeframe, open_time: str) -> None:
    opens = pd.Series(pd.to_datetime([open_time, "2024-02-07"], utc=True)).astype(
        "datetime64[us, UTC]"
    )
    frame = rows.stored_candles(2).assign(open_time=opens, end_before=opens.where(opens > LATE))
    framed = put.frame_candles(frame, timeframe)
    assert framed["grid_time"].eq(framed["open_time"]).tolist() == [True, False]
    assert (framed["final_time"] > framed["grid_time"]).all()


def test_a_known_hole_is_no_missing_candle() -> None:
    frame = rows.stored_candles(5)
    frame.loc[3, "end_before"] -= pd.Timedelta("2min")
    frame.loc[3, "explained_before"] = 2.0
    framed = put.frame_candles(frame, rows.M1)
    assert framed["missing_before"].tolist()[1:] == [0, 0, 2, 0]
    assert find("stored_candles", framed) == {}
