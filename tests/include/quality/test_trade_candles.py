"""Candles built from single trades."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from include.market.span import Span
from include.market.timeframe import M1, M5, Timeframe
from include.quality.reconciliation import compare_candles
from include.quality.trade_candles import TradeTape, build_candles
from tests.support.recorded import recorded_file

Row = tuple[int, int, float, float, int, int, bool]


def tape(rows: list[Row]) -> TradeTape:
    """Return trades given as (agg id, time, price, quantity, first id, last id, buyer is maker)."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    types = (np.int64, np.int64, np.float64, np.float64, np.int64, np.int64, np.bool_)
    return TradeTape(*(np.array(c, dtype=t) for c, t in zip(columns, types, strict=True)))


def test_a_candle_is_what_its_trades_make() -> None:
    rows: list[Row] = [
        (1, 0, 10.0, 1.0, 1, 2, False),
        (2, 30_000, 12.0, 2.0, 3, 3, True),
        (3, 59_999, 9.0, 0.5, 4, 4, False),
        (4, 60_000, 9.5, 1.0, 5, 5, True),
    ]
    built = build_candles(tape(rows), M1)
    first = built.iloc[0]
    assert [first[name] for name in ("open", "high", "low", "close")] == [10.0, 12.0, 9.0, 9.0]
    assert (first["volume"], first["quote_volume"]) == (3.5, 10 + 24 + 4.5)
    assert (first["taker_buy_volume"], first["taker_buy_quote_volume"]) == (1.5, 14.5)
    assert first["trade_count"] == 4
    assert built["open_time"].tolist() == list(pd.to_datetime([0, 60_000], unit="ms", utc=True))


def test_trades_taken_back_are_none_and_no_trades_make_no_candle() -> None:
    void: Row = (2, 70_000, 0.0, 0.0, -1, -1, False)
    assert len(build_candles(tape([(1, 0, 10.0, 1.0, 1, 1, False), void]), M1)) == 1
    assert len(build_candles(tape([void]), M1)) == 0
    assert len(build_candles(tape([]), M1)) == 0


@given(st.permutations(range(30)))
def test_the_order_in_which_trades_come_changes_no_bit(order: list[int]) -> None:
    draw = np.random.default_rng(3)
    rows: list[Row] = [
        (i, i * 7_000, float(p), float(q), i, i, bool(i % 2))
        for i, (p, q) in enumerate(draw.lognormal(0, 3, (30, 2)).tolist())
    ]
    pd.testing.assert_frame_equal(
        build_candles(tape(rows), M1), build_candles(tape([rows[i] for i in order]), M1),
        check_exact=True,
    )  # fmt: skip


def recorded_tape() -> TradeTape:
    path = recorded_file("binance_spot_aggtrades/XRPETH-aggTrades-2019-10-11_13.csv.gz")
    with gzip.open(path, "rt") as file:
        rows = pd.read_csv(file)
    return TradeTape(
        rows["a"].to_numpy(),
        rows["T"].to_numpy() // 1000 if rows["T"].iloc[0] > 10**14 else rows["T"].to_numpy(),
        rows["p"].to_numpy(),
        rows["q"].to_numpy(),
        rows["f"].to_numpy(),
        rows["l"].to_numpy(),
        rows["m"].to_numpy(dtype=np.bool_),
    )


def test_real_trades_make_the_candles_another_program_made_of_them() -> None:
    trades = recorded_tape()
    for timeframe in (M1, M5):
        theirs = recorded_candles(timeframe)
        ours = build_candles(trades, timeframe)
        found = compare_candles(
            ours.assign(quote_volume=np.nan, trade_count=-1), theirs, timeframe, Span(0, 10**14)
        )
        assert found.compared == len(ours) == len(theirs) > 500
        assert found.count("rounding") == len(found.differences)


def recorded_candles(timeframe: Timeframe) -> pd.DataFrame:
    path = recorded_file(f"candles_from_trades/XRP_ETH-{timeframe.label}.parquet")
    frame = pd.read_parquet(path).rename(columns={"date": "open_time"})
    unsaid = ("quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
    return frame.assign(**dict.fromkeys(unsaid, np.nan), trade_count=-1)
