"""Binance spot reference data to our words. Pure.

Source: Binance spot API documentation, "Exchange information".
"""

from __future__ import annotations

from typing import Any

from include.market.errors import ContractError
from include.market.instrument import InstrumentRecord


def parse_instruments(document: Any) -> list[InstrumentRecord]:
    """Return the symbols of an ``exchangeInfo`` answer.

    Raises:
        ContractError: a field we store is missing.
    """
    try:
        return [_instrument(symbol) for symbol in document["symbols"]]
    except (LookupError, TypeError, StopIteration) as error:
        raise ContractError(f"exchangeInfo lost a field we need: {error!r}") from None


def _instrument(symbol: dict[str, Any]) -> InstrumentRecord:
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    return InstrumentRecord(
        symbol=symbol["symbol"],
        base_asset=symbol["baseAsset"],
        quote_asset=symbol["quoteAsset"],
        kind="spot",
        status=symbol["status"],
        tick_size=filters["PRICE_FILTER"]["tickSize"],
        lot_size=filters["LOT_SIZE"]["stepSize"],
    )
