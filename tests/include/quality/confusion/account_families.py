"""Families of disagreements: two accounts of the same candles, a day and the days before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd

from include.cascade.rollup import roll_up
from include.market.candle import STATED_COLUMNS, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1, M5
from include.quality.reconciliation import compare_candles
from include.quality.unit_drift import find_unit_drift
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.include.quality.recorded import read_binance_csv

EACH: Final = 12
EVER: Final = Span(0, 4_000_000_000_000)


def reconciliation() -> list[Observation]:
    """Our roll-up of a recorded month against an account of it with defects planted in."""
    minutes = read_binance_csv("binance_usdm_1m/FILUSDT-1m-2023-08.csv.gz")[list(STATED_COLUMNS)]
    ours = roll_up(minutes, M1, M5)
    theirs, places = ours.copy(), iter(range(100, len(ours), 97))
    kinds = pd.Series(CLEAN, index=ours.index)

    def plant(kind: str, change: Callable[[int], None]) -> None:
        done = 0
        while done < EACH:
            at = next(places)
            if ours["trade_count"].iloc[at] < 20 or ours["volume"].iloc[at] <= 0:
                continue
            change(at)
            kinds.iloc[at] = kind
            done += 1

    def unfinished(at: int) -> None:
        # What the venue had when four of the five minutes were over, stored for good.
        opened = ours["open_time"].iloc[at]
        first = minutes[
            (minutes["open_time"] >= opened)
            & (minutes["open_time"] < opened + pd.Timedelta(4, "min"))
        ]
        theirs.loc[at, list(VALUE_COLUMNS)] = (
            roll_up(first, M1, M5)[list(VALUE_COLUMNS)].iloc[0].to_list()
        )

    def otherwise(at: int) -> None:
        theirs.loc[at, "high"] *= 1.01
        theirs.loc[at, "volume"] *= 1.5

    def rounded(at: int) -> None:
        theirs.loc[at, "volume"] *= 1 + 3e-9

    plant("unfinished_right", unfinished)
    plant("differs", otherwise)
    plant("rounding", rounded)
    left_out: list[int] = []
    plant("missing_right", left_out.append)
    added: list[int] = []
    plant("missing_left", added.append)
    found = compare_candles(
        ours.drop(index=added), theirs.drop(index=left_out), M5, EVER
    ).differences
    said = {difference.open_ms: difference.kind for difference in found}
    opens = ours["open_time"].astype("int64") // 1000
    return [
        Observation(f"account {kind}" if kind != CLEAN else kind, kind, said.get(opened, CLEAN))
        for opened, kind in zip(opens, kinds, strict=True)
    ]


def units_of_days() -> list[Observation]:
    """A day of a recorded month in another unit than the days before it, and days that are not."""
    found: list[Observation] = []
    for symbol in ("FILUSDT", "NEARUSDT"):
        frame = read_binance_csv(f"binance_usdm_1m/{symbol}-1m-2023-08.csv.gz")
        frame = frame[list(STATED_COLUMNS)]
        days = [frame.iloc[at : at + 1440].reset_index(drop=True) for at in range(0, 44_640, 1440)]
        for at in range(7, 30):
            before = pd.concat(days[at - 7 : at], ignore_index=True)
            found.append(_unit_of(before, days[at], CLEAN, CLEAN))
            kind, change = _UNIT_FAULTS[at % len(_UNIT_FAULTS)]
            found.append(_unit_of(before, change(days[at]), f"unit {kind}", kind))
    return found


def _unit_of(before: pd.DataFrame, day: pd.DataFrame, kind: str, expected: str) -> Observation:
    drifts = [drift.fault for drift in find_unit_drift(before, day, M1)]
    return Observation(kind, expected, "+".join(drifts) or CLEAN)


def _scaled(factor: float, *names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda day: day.assign(**{name: day[name] * factor for name in names})


def _swapped(one: str, other: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda day: day.assign(**{one: day[other], other: day[one]})


_PRICES: Final = ("open", "high", "low", "close")
_UNIT_FAULTS: Final[tuple[tuple[str, Callable[[pd.DataFrame], pd.DataFrame]], ...]] = (
    ("price_scale", _scaled(100.0, *_PRICES, "quote_volume", "taker_buy_quote_volume")),
    (
        "volume_scale",
        _scaled(1000.0, "volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"),
    ),
    ("open_close_swapped", _swapped("open", "close")),
    ("base_quote_swapped", _swapped("volume", "quote_volume")),
)
