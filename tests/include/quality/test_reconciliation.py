"""Two accounts of the same candles: where they differ, and what kind of difference it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.cascade.rollup import roll_up
from include.market.candle import ABSENT_COUNT, FLOAT_COLUMNS, PARTIAL, VALUE_COLUMNS
from include.market.errors import ContractError
from include.market.span import Span, from_ms
from include.market.timeframe import M1, M5, M30, Timeframe
from include.quality.reconciliation import ROUNDING_SHARE, Comparison, compare_candles
from tests.include.quality.recorded import read_bybit_csv
from tests.support.warehouse import START_MS, walk

EVER = Span(0, 10**14)
M15 = Timeframe(15 * 60_000, "15m")
H1 = Timeframe(60 * 60_000, "60m")


def kinds(found: Comparison) -> list[tuple[int, str]]:
    """Return the minute after START and the kind of every difference."""
    return [((each.open_ms - START_MS) // 60_000, each.kind) for each in found.differences]


def changed(frame: pd.DataFrame, place: int, **values: Any) -> pd.DataFrame:
    """Return ``frame`` with the values of one candle replaced."""
    copy = frame.copy()
    for name, value in values.items():
        copy.loc[place, name] = value
    return copy


def test_equal_accounts_have_no_difference() -> None:
    frame = walk(50)
    shuffled = frame.sample(frac=1, random_state=1)
    assert compare_candles(frame, shuffled, M1, EVER) == Comparison(50, 50, [])


def test_a_missing_candle_is_named_with_the_side_that_lacks_it() -> None:
    frame = walk(10)
    found = compare_candles(frame.drop(index=3), frame.drop(index=7), M1, EVER)
    assert kinds(found) == [(3, "missing_left"), (7, "missing_right")]
    assert (found.compared, found.equal) == (8, 8)
    first, second = found.differences
    assert first.left is None
    assert first.right is not None
    assert first.right["close"] == frame["close"][3]
    assert second.right is None
    assert first.columns == VALUE_COLUMNS


def test_only_the_span_counts() -> None:
    frame = walk(10)
    other = changed(changed(frame, 0, close=1.0), 9, close=1.0)
    span = Span(START_MS + 60_000, START_MS + 9 * 60_000)
    assert compare_candles(frame, other, M1, span) == Comparison(8, 8, [])


def test_an_unfinished_candle_is_known_by_having_grown() -> None:
    whole = walk(10)
    row = whole.loc[4]
    half = {name: row[name] / 2 for name in FLOAT_COLUMNS[4:]} | {"trade_count": 1}
    early = changed(whole, 4, high=row["open"], low=row["open"], close=row["open"], **half)
    assert kinds(compare_candles(whole, early, M1, EVER)) == [(4, "unfinished_right")]
    assert kinds(compare_candles(early, whole, M1, EVER)) == [(4, "unfinished_left")]


@pytest.mark.parametrize(("name", "by"), [("high", 1.0), ("low", -1.0), ("open", 1e-6)])
def test_less_traded_beyond_the_others_extremes_is_no_earlier_state(name: str, by: float) -> None:
    whole = walk(10)
    row = whole.loc[4]
    early = {"volume": row["volume"] / 2, "quote_volume": row["quote_volume"] / 2}
    early |= {"taker_buy_volume": 0.0, "taker_buy_quote_volume": 0.0, "trade_count": 1}
    inside = changed(whole, 4, **early)
    assert kinds(compare_candles(whole, inside, M1, EVER)) == [(4, "unfinished_right")]
    beyond = changed(inside, 4, **{name: row[name] + by})
    assert kinds(compare_candles(whole, beyond, M1, EVER)) == [(4, "differs")]


def test_volume_that_grew_without_a_trade_is_no_earlier_state() -> None:
    whole = walk(10)
    less = changed(whole, 4, volume=whole["volume"][4] / 2)
    assert kinds(compare_candles(whole, less, M1, EVER)) == [(4, "differs")]
    # Buyers may not have taken any of what came later; they cannot have given some back.
    early = changed(less, 4, quote_volume=whole["quote_volume"][4] / 2, trade_count=1)
    assert kinds(compare_candles(whole, early, M1, EVER)) == [(4, "unfinished_right")]
    early.loc[4, "taker_buy_volume"] = whole["taker_buy_volume"][4] * 1.5
    assert kinds(compare_candles(whole, early, M1, EVER)) == [(4, "differs")]


def test_rounding_is_told_from_a_difference() -> None:
    frame = walk(10)
    volume = frame["volume"][4]
    for share, kind in ((0.5, "rounding"), (2.0, "differs")):
        other = changed(frame, 4, close=frame["close"][4] * (1 - share * ROUNDING_SHARE))
        other.loc[4, "volume"] = volume * (1 - 0.5 * ROUNDING_SHARE)
        assert kinds(compare_candles(frame, other, M1, EVER)) == [(4, kind)]
    once = changed(frame, 4, volume=np.nextafter(volume, np.inf))
    assert compare_candles(frame, once, M1, EVER).equal == 10


def test_a_source_that_changed_its_mind_has_revised() -> None:
    frame = walk(10)
    other = changed(frame, 2, close=frame["close"][2] * 1.0001)
    assert kinds(compare_candles(frame, other, M1, EVER, left_is_older=True)) == [(2, "revised")]


def test_one_ratio_over_all_candles_is_a_unit() -> None:
    frame = walk(20)
    contracts = frame.assign(volume=frame["volume"] * 1000)
    found = compare_candles(frame, contracts, M1, EVER)
    assert Counter(kind for _, kind in kinds(found)) == {"unit": 20}
    assert {each.columns for each in found.differences} == {("volume",)}
    # One candle that differs beside the unit is no matter of the unit.
    torn = changed(contracts, 5, open=1.0)
    assert (5, "differs") in kinds(compare_candles(frame, torn, M1, EVER))


def test_a_few_candles_are_no_proof_of_a_unit() -> None:
    frame = walk(20)
    few = frame.copy()
    few.loc[3:5, "volume"] *= 1000
    assert Counter(kind for _, kind in kinds(compare_candles(frame, few, M1, EVER))) == {
        "differs": 3
    }


def test_a_column_nobody_states_is_not_compared() -> None:
    frame = walk(10)
    silent = frame.assign(trade_count=ABSENT_COUNT, quote_volume=np.nan)
    assert compare_candles(frame, silent, M1, EVER).equal == 10
    assert "trade_count" not in compare_candles(silent, frame[:0], M1, EVER).differences[0].columns


def test_our_own_incomplete_candle_is_no_news() -> None:
    minutes = walk(60).drop(index=[7])
    own, native = roll_up(minutes, M1, M5), roll_up(walk(60), M1, M5)
    assert kinds(compare_candles(own, native, M5, EVER)) == [(5, "incomplete_left")]
    flagged = own.drop(columns=["children_present", "children_expected"])
    flagged = flagged.assign(flags=np.where(flagged.index == 1, PARTIAL, 0))
    assert kinds(compare_candles(flagged, native, M5, EVER)) == [(5, "incomplete_left")]
    counted = own.assign(flags=0)
    assert kinds(compare_candles(counted, native, M5, EVER)) == [(5, "incomplete_left")]
    bare = flagged.drop(columns="flags")
    assert kinds(compare_candles(bare, native, M5, EVER))[0][1] != "incomplete_left"


def test_what_is_no_account_is_refused() -> None:
    frame = walk(5)
    with pytest.raises(ContractError, match="lack close"):
        compare_candles(frame.drop(columns="close"), frame, M1, EVER)
    with pytest.raises(ContractError, match="repeat open time"):
        compare_candles(frame, pd.concat([frame, frame[:1]]), M1, EVER)


@given(
    st.sets(st.integers(0, 39)),
    st.sets(st.integers(0, 39)),
    st.dictionaries(st.integers(0, 39), st.sampled_from(VALUE_COLUMNS), max_size=6),
)
def test_every_difference_is_found_and_nothing_else(
    left_lost: set[int], right_lost: set[int], altered: dict[int, str]
) -> None:
    frame = walk(40)
    other = frame.copy()
    for place, name in altered.items():
        other.loc[place, name] = other.loc[place, name] + 7
    found = compare_candles(
        frame.drop(index=sorted(left_lost)), other.drop(index=sorted(right_lost)), M1, EVER
    )
    in_both = set(range(40)) - left_lost - right_lost
    assert found.compared == len(in_both)
    assert {place for place, kind in kinds(found) if kind == "missing_left"} == (
        left_lost - right_lost
    )
    assert {place for place, kind in kinds(found) if kind == "missing_right"} == (
        right_lost - left_lost
    )
    told = {
        (each.open_ms - START_MS) // 60_000: each.columns
        for each in found.differences
        if not each.kind.startswith("missing")
    }
    assert told == {place: (name,) for place, name in altered.items() if place in in_both}


def stated(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a Bybit frame without what Bybit does not say."""
    lost = dict.fromkeys(FLOAT_COLUMNS[5:], np.nan)
    return frame.assign(**lost, trade_count=ABSENT_COUNT)


@pytest.mark.parametrize(
    ("target", "complete", "edge"),
    [(M5, 8639, 16 * 60 + 40), (M15, 2880, 990), (M30, 1440, 990), (H1, 720, 960)],
)
def test_real_coarse_candles_equal_ours_but_for_the_edge_of_the_recording(
    target: Timeframe, complete: int, edge: int
) -> None:
    minutes = stated(read_bybit_csv("bybit_linear/ADAUSDT_1m.csv.gz", M1))
    native = stated(read_bybit_csv(f"bybit_linear/ADAUSDT_{target.label}.csv.gz", target))
    found = compare_candles(roll_up(minutes, M1, target), native, target, EVER)
    assert found.compared == complete
    assert found.count("rounding") == 0
    # The minutes end in the midst of the last coarse candles and begin in the midst of the first.
    at_edges = {"incomplete_left", "missing_right", "missing_left"}
    assert {each.kind for each in found.differences} <= at_edges
    assert len(found.differences) == 2
    last = from_ms(found.differences[-1].open_ms)
    assert (last.day, last.hour * 60 + last.minute) == (29, edge)


@pytest.mark.parametrize(("target", "hour", "minute"), [(M30, 16, 30), (H1, 16, 0)])
def test_the_candles_bybit_stored_unfinished_are_found_and_no_others(
    target: Timeframe, hour: int, minute: int
) -> None:
    quarters = stated(read_bybit_csv("bybit_linear/BTCUSDT_15m.csv.gz", M15))
    native = stated(read_bybit_csv(f"bybit_linear/BTCUSDT_{target.label}.csv.gz", target))
    opens = native["open_time"]
    span = Span(
        int(opens.min().timestamp()) * 1000, int(opens.max().timestamp()) * 1000 + target.length_ms
    )
    found = compare_candles(roll_up(quarters, M15, target), native, target, span)
    assert (found.compared, found.equal) == (len(native), len(native) - 1)
    (defect,) = found.differences
    assert defect.kind == "unfinished_right"
    assert defect.columns == ("low", "close", "volume")
    at = from_ms(defect.open_ms)
    assert (at.month, at.day, at.hour, at.minute) == (6, 29, hour, minute)
