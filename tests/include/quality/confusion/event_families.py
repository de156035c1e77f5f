"""Families of defects of trades and funding payments, planted into recorded ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from include.exchanges.funding_pages import find_missing, intervals_ms
from include.market.span import Span
from include.quality.event_rules import (
    FUNDING_RULES,
    TRADE_RULES,
    find_funding_breaches,
    find_id_holes,
    find_trade_breaches,
)
from include.quality.events import EventTerms, normalise_funding, normalise_trades
from include.quality.rules import Breaches
from tests.include.quality.confusion.table import CLEAN, Observation
from tests.include.quality.recorded import recorded_path

EACH: Final = 15
HOUR_MS: Final = 3_600_000

TRADE_DEFECTS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (
        "trade taken back",
        "taken_back",
        {"price": 0.0, "quantity": 0.0, "first_trade_id": -1, "last_trade_id": -1},
    ),
    ("trade without price", "not_a_number", {"price": np.nan}),
    ("trade at no price", "impossible_price", {"price": 0.0}),
    ("trade of nothing", "impossible_quantity", {"quantity": 0.0}),
    ("trade of less than nothing", "impossible_quantity", {"quantity": -3.0}),
    ("fills run backwards", "impossible_fills", {"last_trade_id": 1}),
)


def trades() -> list[Observation]:
    """Plant defects into 12,477 recorded trades of Binance, ids without a hole."""
    frame, terms = _recorded_trades()
    frame["kind"], frame["expected"] = CLEAN, CLEAN
    places = iter(range(50, len(frame), 60))
    for kind, expected, changes in TRADE_DEFECTS:
        for _ in range(EACH):
            at = next(places)
            for name, value in (changes | {"kind": kind, "expected": expected}).items():
                frame.loc[at, name] = value
    falling = [next(places) for _ in range(EACH)]
    frame.loc[falling, "trade_time"] -= pd.Timedelta(10, "min")
    frame.loc[falling, ["kind", "expected"]] = ["time falls back", "falling_time"]
    repeated = [next(places) for _ in range(2 * EACH)]
    again = frame.loc[repeated].copy()
    again.loc[repeated[:EACH], ["kind", "expected"]] = ["trade sent twice", "repeated_trade"]
    again.loc[repeated[EACH:], ["kind", "expected"]] = ["id given twice", "repeated_id"]
    again.loc[repeated[EACH:], "price"] *= 1.001
    removed = [next(places) for _ in range(EACH)]
    missing = frame.loc[removed, "trade_id"].tolist()
    frame = (
        pd.concat([frame.drop(index=removed), again])
        .sort_index(kind="stable")
        .reset_index(drop=True)
    )
    found = _first_rules(find_trade_breaches(normalise_trades(frame), terms), TRADE_RULES, frame)
    holes = {first for first, last in find_id_holes(frame["trade_id"].tolist()) for _ in [last]}
    assert len(holes) >= len(missing)
    return (
        found
        + [
            Observation("id missing", "id_hole", "id_hole" if one in holes else CLEAN)
            for one in missing
        ]
        + [Observation(CLEAN, CLEAN, "id_hole") for one in holes - set(missing)]
    )


def funding() -> list[Observation]:
    """Plant defects into 91 recorded payments, most of them some milliseconds late."""
    table = pd.read_parquet(recorded_path("funding/futures_XRP_USDT_USDT-8h-funding_rate.parquet"))
    frame = pd.DataFrame(
        {
            "funding_time": table["date"].astype("datetime64[us, UTC]"),
            "rate": table["open"],
            "mark_price": np.nan,
            "interval_ms": 8 * HOUR_MS,
            "raw": "[]",
            "kind": CLEAN,
            "expected": CLEAN,
        }
    )

    def change(at: int, kind: str, expected: str, **changes: Any) -> None:
        for name, value in (changes | {"kind": kind, "expected": expected}).items():
            frame.loc[at, name] = value

    for at in (5, 25, 45):
        change(at, "rate absurd", "rate_range", rate=12.5)
        change(at + 3, "rate not a number", "not_a_number", rate=np.inf)
        change(at + 6, "mark price negative", "mark_price_range", mark_price=-1.0)
        time = frame["funding_time"].iloc[at + 9] + pd.Timedelta(30, "min")
        change(at + 9, "paid between hours", "funding_interval", funding_time=time)
        change(at + 12, "interval nobody has", "funding_interval", interval_ms=3 * HOUR_MS)
    again = frame.loc[[80, 83]].copy()
    again.loc[80, ["kind", "expected"]] = ["payment sent twice", "repeated_payment"]
    again.loc[83, ["kind", "expected"]] = ["payment restated", "repeated_time"]
    again.loc[83, "rate"] += 0.01
    frame = pd.concat([frame, again]).sort_index(kind="stable").reset_index(drop=True)
    span = Span(1_637_000_000_000, 1_650_000_000_000)
    terms = EventTerms(span, 1_700_000_000_000)
    breaches = find_funding_breaches(normalise_funding(frame), terms)
    return _first_rules(breaches, FUNDING_RULES, frame) + _missing_payments(table)


def _missing_payments(table: pd.DataFrame) -> list[Observation]:
    times = pd.DatetimeIndex(table["date"]).as_unit("ms").asi8
    left_out = (10, 40, 70)
    kept = np.delete(times, left_out)
    spans = find_missing(kept, intervals_ms(kept))
    return [
        Observation(
            "payment missing" if at in left_out else CLEAN,
            "missing" if at in left_out else CLEAN,
            "missing"
            if any(span.start_ms <= time < span.end_ms for span in spans)
            and not np.isin(time, kept)
            else CLEAN,
        )
        for at, time in enumerate(times.tolist())
    ]


def _recorded_trades() -> tuple[pd.DataFrame, EventTerms]:
    table = pd.read_csv(
        recorded_path("binance_spot_aggtrades/XRPETH-aggTrades-2019-10-11_13.csv.gz")
    )
    times = table["T"].to_numpy(dtype=np.int64)
    frame = pd.DataFrame(
        {
            "trade_time": pd.to_datetime(times, unit="ms", utc=True).as_unit("us"),
            "trade_id": table["a"],
            "price": table["p"].astype(float),
            "quantity": table["q"].astype(float),
            "first_trade_id": table["f"],
            "last_trade_id": table["l"],
            "buyer_is_maker": table["m"],
            "raw": "[]",
        }
    )
    span = Span(int(times.min()), int(times.max()) + 1)
    return frame, EventTerms(span, span.end_ms)


def _first_rules(
    breaches: Breaches, rules: tuple[str, ...], frame: pd.DataFrame
) -> list[Observation]:
    found = np.full(len(frame), CLEAN, dtype=object)
    for rule in reversed(rules):
        found[breaches[rule]] = rule
    return [
        Observation(kind, expected, rule)
        for kind, expected, rule in zip(frame["kind"], frame["expected"], found, strict=True)
    ]


FAMILIES: Final[tuple[Callable[[], list[Observation]], ...]] = (trades, funding)
