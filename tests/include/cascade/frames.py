"""Child frames for cascade tests, and a roll-up so plain that it can be read."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from include.market.candle import (
    ABSENT_COUNT,
    CANDLE_COLUMNS,
    COARSE_COLUMNS,
    MAX_FLAGS,
    OPTIONAL_COLUMNS,
    PARTIAL,
    SNAPPED,
    TRUNCATED,
    VOLUME_COLUMNS,
)
from include.market.timeframe import H4, M1, M5, M30, Timeframe

STEPS = [(M1, M5), (M5, M30), (M30, H4), (M1, M30), (M1, H4)]

# Around 1970, where division changes sign; before it; and across the leap day of 2024.
ANCHORS_MS = [0, -86_400_000 * 400, 1_709_164_800_000 - H4.length_ms]


def frame_of(rows: list[dict[str, Any]], columns: tuple[str, ...] = CANDLE_COLUMNS) -> pd.DataFrame:
    """Return plain rows (open_time in epoch ms) as a typed frame; a row has no flags by itself."""
    frame = pd.DataFrame([{"flags": 0, **row} for row in rows], columns=list(columns))
    frame["open_time"] = pd.to_datetime(
        frame["open_time"].astype("int64"), unit="ms", utc=True
    ).astype("datetime64[us, UTC]")
    counts = ("trade_count", "flags", "children_present", "children_expected")
    return frame.astype(
        {name: "int64" if name in counts else "float64" for name in columns if name != "open_time"}
    )


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as plain rows, times in epoch ms."""
    plain = frame.assign(open_time=frame["open_time"].astype("int64") // 1000)
    return [dict(zip(plain.columns, line, strict=True)) for line in plain.itertuples(index=False)]


def roll_up_naively(
    rows: list[dict[str, Any]], source: Timeframe, target: Timeframe
) -> list[dict[str, Any]]:
    buckets: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["open_time"])):
        buckets.setdefault(target.floor_ms(row["open_time"]), []).append(row)
    return [
        {
            "open_time": start_ms,
            "open": children[0]["open"],
            "high": max(child["high"] for child in children),
            "low": min(child["low"] for child in children),
            "close": children[-1]["close"],
            **{name: math.fsum(child[name] for child in children) for name in VOLUME_COLUMNS},
            "trade_count": sum(child["trade_count"] for child in children),
            **{
                name: absence_of(name)
                for name in OPTIONAL_COLUMNS
                if any(is_absent(child[name]) for child in children)
            },
            "flags": functools.reduce(operator.or_, (child["flags"] for child in children))
            | (PARTIAL if len(children) < target.length_ms // source.length_ms else 0),
            "children_present": len(children),
            "children_expected": target.length_ms // source.length_ms,
        }
        for start_ms, children in sorted(buckets.items())
    ]


def absence_of(name: str) -> float:
    """Return what stands for an absent value of a column."""
    return ABSENT_COUNT if name == "trade_count" else math.nan


def is_absent(value: float) -> bool:
    return value == ABSENT_COUNT or math.isnan(value)


prices = st.floats(min_value=1e-12, max_value=1e12)
volumes = st.one_of(
    st.floats(min_value=0, max_value=1e18),
    st.decimals(min_value=0, max_value=10**7, places=4).map(float),
    st.just(0.0),
)


@st.composite
def children(draw: st.DrawFn, source: Timeframe, target: Timeframe) -> list[dict[str, Any]]:
    """Draw the rows of up to four target buckets, many absent, in any order."""
    ratio = target.length_ms // source.length_ms
    anchor_ms = draw(st.sampled_from(ANCHORS_MS)) - 2 * target.length_ms
    places = draw(
        st.lists(st.integers(min_value=0, max_value=4 * ratio - 1), unique=True, max_size=30)
    )
    # Columns no source states, and columns of which some children come from a poorer source.
    lacking = draw(st.sets(st.sampled_from(OPTIONAL_COLUMNS)))
    partly = draw(st.sets(st.sampled_from(OPTIONAL_COLUMNS)))
    return [
        {
            "open_time": anchor_ms + place * source.length_ms,
            **{name: draw(prices) for name in ("open", "high", "low", "close")},
            **{name: draw(volumes) for name in VOLUME_COLUMNS},
            "trade_count": draw(st.integers(min_value=0, max_value=10**12)),
            "flags": draw(st.sampled_from([0, 0, 0, SNAPPED, TRUNCATED, MAX_FLAGS])),
            **{name: absence_of(name) for name in lacking},
            **{
                name: absence_of(name)
                for name in sorted(partly)
                if draw(st.integers(min_value=0, max_value=5)) == 0
            },
        }
        for place in places
    ]


def coarse_frame_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of(rows, COARSE_COLUMNS)
