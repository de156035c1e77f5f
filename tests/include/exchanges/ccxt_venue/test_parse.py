"""What ccxt returns, and what it returns when it has not understood."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.exchanges.ccxt_venue.parse import (
    DECIMAL_PLACES,
    TICK_SIZE,
    parse_candles,
    parse_funding,
    parse_instrument,
    parse_trades,
)
from include.exchanges.rows import NOT_STATED
from include.market.errors import ContractError

AT = 1_700_000_040_000
CANDLE = [AT, 100.0, 102.0, 99.0, 101.0, 5.5]
TRADE: dict[str, Any] = {
    "id": "17", "timestamp": AT, "price": 10.5, "amount": 2.0, "side": "sell", "info": ["10.5"],
}  # fmt: skip
RATE: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT", "timestamp": AT, "fundingRate": 0.0001, "info": {"markPrice": "7"},
}  # fmt: skip
MARKET: dict[str, Any] = {
    "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "type": "spot", "active": True,
    "precision": {"price": 0.1, "amount": 1e-8}, "created": None, "expiry": None,
}  # fmt: skip


def test_six_columns_become_candles_and_the_rest_is_not_stated() -> None:
    rows = parse_candles([CANDLE, [AT + 60_000, "1", "2", "1", "1", None]], "x")
    assert rows.values[0, :5].tolist() == CANDLE[1:]
    assert np.isnan(rows.values[:, 5:]).all()
    assert np.isnan(rows.values[1, 4])
    assert rows.close_ms.tolist() == [NOT_STATED] * 2
    assert rows.raw[0] == b"[1700000040000,100.0,102.0,99.0,101.0,5.5]"
    assert len(parse_candles([], "x")) == 0


@pytest.mark.parametrize(
    "garbage",
    [
        [[3, None, None, None, None, None]],
        [CANDLE, [None, 1, 1, 1, 1, 1]],
        [CANDLE[:5]],
        [[AT // 1000, *CANDLE[1:]]],
        [[AT * 1000, *CANDLE[1:]]],
        [[float(AT), *CANDLE[1:]]],
        [[True, *CANDLE[1:]]],
        "[[1,",
        None,
        {"a": 1},
    ],
)
def test_what_ccxt_makes_of_a_damaged_answer_is_refused(garbage: Any) -> None:
    with pytest.raises(ContractError, match=r"^kraken: expected"):
        parse_candles(garbage, "kraken")


def test_a_trade_is_an_aggregate_of_itself() -> None:
    rows = parse_trades([TRADE, TRADE | {"id": 18, "side": "buy"}], "x")
    assert rows.agg_id.tolist() == rows.first_trade_id.tolist() == rows.last_trade_id.tolist()
    assert rows.agg_id.tolist() == [17, 18]
    assert rows.buyer_maker.tolist() == [True, False]
    assert len(parse_trades([], "x")) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "a3f-uuid"}, {"id": None}, {"id": "-1"}, {"timestamp": None}, {"timestamp": 1.5},
        {"side": None}, {"side": "long"},
    ],
)  # fmt: skip
def test_a_trade_without_order_time_or_side_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"^x: expected"):
        parse_trades([TRADE, TRADE | changed], "x")


def test_payments_keep_their_time_and_have_no_interval() -> None:
    rows = parse_funding([RATE], "BTC/USDT:USDT", "x")
    assert (rows.funding_ms[0], rows.rate[0], rows.mark_price[0]) == (AT, 0.0001, 7.0)
    assert rows.interval_ms.tolist() == [NOT_STATED]
    assert len(parse_funding([], "BTC/USDT:USDT", "x")) == 0


@pytest.mark.parametrize("changed", [{"timestamp": None}, {"symbol": "ETH/USDT:USDT"}])
def test_a_payment_without_time_or_of_another_symbol_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"^x: "):
        parse_funding([RATE, RATE | changed], "BTC/USDT:USDT", "x")


@pytest.mark.parametrize(
    ("precision", "mode", "steps"),
    [
        ({"price": 0.1, "amount": 1e-8}, TICK_SIZE, ("0.1", "0.00000001")),
        ({"price": 2, "amount": 0}, DECIMAL_PLACES, ("0.01", "1")),
        ({"price": 5, "amount": 8}, 3, ("0", "0")),
        ({"price": None}, TICK_SIZE, ("0", "0")),
        ({"price": 10.0, "amount": "0.001"}, TICK_SIZE, ("10", "0.001")),
    ],
)
def test_steps_are_decimal_text_or_zero(
    precision: dict[str, Any], mode: int, steps: tuple[str, str]
) -> None:
    record = parse_instrument(MARKET | {"precision": precision}, mode)
    assert (record.tick_size, record.lot_size) == steps


def test_kind_status_and_dates_are_in_our_words() -> None:
    swap = MARKET | {"type": "swap", "active": False, "created": AT, "expiry": AT + 1}
    record = parse_instrument(swap, TICK_SIZE)
    assert (record.kind, record.status) == ("perpetual", "BREAK")
    assert record.listed_at is not None
    assert record.delisted_at is not None
    assert parse_instrument(MARKET | {"active": None}, TICK_SIZE).status == "UNKNOWN"


def test_a_market_that_lost_a_field_stops_the_sync() -> None:
    with pytest.raises(ContractError, match="lost a field"):
        parse_instrument({"symbol": "BTC/USD"}, TICK_SIZE)
