"""What ccxt returns to our words; nothing of it is believed unchecked. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from include.exchanges.binance_klines import EARLIEST_MS, LATEST_MS, as_float
from include.exchanges.rows import (
    NOT_STATED,
    CandleRows,
    FundingRows,
    TradeRows,
    no_candles,
    no_funding,
    no_trades,
)
from include.market.candle import VALUE_COLUMNS
from include.market.errors import ContractError
from include.market.instrument import InstrumentRecord
from include.market.span import from_ms

CANDLE_FIELDS = 6
KINDS = {"spot": "spot", "swap": "perpetual", "future": "dated_future", "option": "option"}
# ccxt.base.decimal_to_precision: how a market states its steps.
DECIMAL_PLACES, TICK_SIZE = 2, 4


def parse_candles(rows: Any, what: str) -> CandleRows:
    """Return ccxt's ``[time, open, high, low, close, volume]`` lists as candles.

    Raises:
        ContractError: another shape, or times that are no epoch milliseconds: ccxt makes such rows
            out of answers it does not understand.
    """
    if not isinstance(rows, list):
        raise ContractError(f"{what}: expected a list of candles, was {str(rows)[:80]!r}")
    for row in rows:
        if not isinstance(row, list) or len(row) != CANDLE_FIELDS or not _is_instant(row[0]):
            raise ContractError(f"{what}: expected [epoch ms, 5 numbers], was {str(row)[:80]}")
    if not rows:
        return no_candles()
    values = np.full((len(rows), len(VALUE_COLUMNS)), np.nan)
    values[:, :5] = [[as_float(value) for value in row[1:]] for row in rows]
    return CandleRows(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.full(len(rows), NOT_STATED, dtype=np.int64),
        values,
        [_text(row) for row in rows],
    )


def parse_trades(trades: Any, what: str) -> TradeRows:
    """Return ccxt's trades, each as an aggregate of one.

    Raises:
        ContractError: another shape, or an id that is no whole number: such trades have no order.
    """
    if not isinstance(trades, list):
        raise ContractError(f"{what}: expected a list of trades, was {str(trades)[:80]!r}")
    if not trades:
        return no_trades()
    ids = np.array([_trade_id(trade, what) for trade in trades], dtype=np.int64)
    return TradeRows(
        ids,
        np.array([as_float(trade.get("price")) for trade in trades]),
        np.array([as_float(trade.get("amount")) for trade in trades]),
        ids,
        ids,
        np.array([trade["timestamp"] for trade in trades], dtype=np.int64),
        np.array([trade["side"] == "sell" for trade in trades], dtype=np.bool_),
        [_text(trade.get("info")) for trade in trades],
    )


def _trade_id(trade: Any, what: str) -> int:
    if not isinstance(trade, dict) or not _is_instant(trade.get("timestamp")):
        raise ContractError(f"{what}: expected a trade with its time, was {str(trade)[:80]}")
    number = str(trade.get("id"))
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise ContractError(f"{what}: expected a whole number as trade id, was {number[:40]!r}")
    if trade.get("side") not in ("buy", "sell"):
        raise ContractError(f"{what}: expected side buy or sell, was {str(trade.get('side'))[:40]}")
    return int(number)


def parse_funding(rates: Any, symbol: str, what: str) -> FundingRows:
    """Return ccxt's funding history, intervals not stated.

    Raises:
        ContractError: another shape, no time, or another symbol.
    """
    if not isinstance(rates, list):
        raise ContractError(f"{what}: expected a list of payments, was {str(rates)[:80]!r}")
    for rate in rates:
        if not isinstance(rate, dict) or not _is_instant(rate.get("timestamp")):
            raise ContractError(f"{what}: expected a payment with its time, was {str(rate)[:80]}")
        if rate.get("symbol") != symbol:
            raise ContractError(f"{what}: was answered with {str(rate.get('symbol'))[:40]!r}")
    if not rates:
        return no_funding()
    return FundingRows(
        np.array([rate["timestamp"] for rate in rates], dtype=np.int64),
        np.array([as_float(rate.get("fundingRate")) for rate in rates]),
        np.array([as_float(_info(rate).get("markPrice")) for rate in rates]),
        np.full(len(rates), NOT_STATED, dtype=np.int64),
        [_text(rate.get("info")) for rate in rates],
    )


def parse_instrument(market: dict[str, Any], precision_mode: int) -> InstrumentRecord:
    """Return one of ccxt's markets; steps are "0" where the exchange states none.

    Raises:
        ContractError: a field we store is missing.
    """
    try:
        precision = market["precision"]
        return InstrumentRecord(
            symbol=market["symbol"],
            base_asset=market["base"],
            quote_asset=market["quote"],
            kind=KINDS.get(market["type"], "other"),
            status={True: "TRADING", False: "BREAK"}.get(market["active"], "UNKNOWN"),
            tick_size=_step(precision.get("price"), precision_mode),
            lot_size=_step(precision.get("amount"), precision_mode),
            listed_at=_instant(market.get("created")),
            delisted_at=_instant(market.get("expiry")),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ContractError(f"ccxt's market lost a field we need: {error!r}") from None


def _step(value: Any, precision_mode: int) -> str:
    number = as_float(value)
    if not np.isfinite(number) or precision_mode not in (DECIMAL_PLACES, TICK_SIZE):
        # Significant digits are no step: it changes with the price.
        return "0"
    step = Decimal(str(number)) if precision_mode == TICK_SIZE else Decimal(10) ** -int(number)
    return f"{step.normalize():f}"


def _instant(value: Any) -> datetime | None:
    return from_ms(value) if _is_instant(value) else None


def _is_instant(value: Any) -> bool:
    return type(value) is int and EARLIEST_MS < value < LATEST_MS


def _info(rate: dict[str, Any]) -> dict[str, Any]:
    info = rate.get("info")
    return info if isinstance(info, dict) else {}


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=str).encode()
