"""Binance USD-M futures reference and funding answers to our words. Pure.

Sources: USD-M futures API documentation, "Exchange Information", "Get Funding Rate History" and
"Get Funding Rate Info".
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from include.exchanges.binance_klines import EARLIEST_MS, LATEST_MS, NoteField, as_float
from include.exchanges.funding_pages import HOUR_MS
from include.exchanges.rows import NOT_STATED, FundingRows, no_funding
from include.exchanges.strict_json import parse_strict
from include.market.errors import ContractError, SourceUnavailableError
from include.market.instrument import InstrumentRecord
from include.market.span import from_ms

KINDS = {
    "PERPETUAL": "perpetual",
    "TRADIFI_PERPETUAL": "perpetual",
    "CURRENT_QUARTER": "quarterly",
    "NEXT_QUARTER": "quarterly",
    "CURRENT_MONTH": "monthly",
    "NEXT_MONTH": "monthly",
    "": "unlisted",
}
NO_DELIVERY_MS = 4_133_404_800_000
"""2100-12-25: what a contract states that is never delivered."""
FUNDING_FIELDS = frozenset(("symbol", "fundingTime", "fundingRate"))
# Payments before 2023 come without a mark price.
KNOWN_FUNDING_FIELDS = FUNDING_FIELDS | {"markPrice"}


def parse_instruments(document: Any) -> list[InstrumentRecord]:
    """Return the contracts of an ``exchangeInfo`` answer.

    Raises:
        ContractError: a field we store is missing.
    """
    try:
        return [_instrument(symbol) for symbol in document["symbols"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"fapi exchangeInfo lost a field we need: {error!r}") from None


def _instrument(symbol: dict[str, Any]) -> InstrumentRecord:
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    contract, delivery_ms = symbol["contractType"], int(symbol["deliveryDate"])
    return InstrumentRecord(
        symbol=symbol["symbol"],
        base_asset=symbol["baseAsset"],
        quote_asset=symbol["quoteAsset"],
        kind=KINDS.get(contract) or contract.lower().replace(" ", "_"),
        status=symbol["status"],
        tick_size=filters["PRICE_FILTER"]["tickSize"],
        lot_size=filters["LOT_SIZE"]["stepSize"],
        listed_at=from_ms(int(symbol["onboardDate"])),
        delisted_at=from_ms(delivery_ms) if 0 < delivery_ms < NO_DELIVERY_MS else None,
    )


def parse_funding(body: bytes, symbol: str, note_field: NoteField | None = None) -> FundingRows:
    """Return the payments of one answer, in the order sent; times as sent, intervals not stated.

    Raises:
        SourceUnavailableError: the body is damaged, or speaks of another symbol; ask again.
        ContractError: no list of objects, a field is gone, or a value changed its type or unit.
    """
    document = parse_strict(body)
    if not isinstance(document, list):
        raise ContractError(f"fundingRate: expected a list, was {str(document)[:120]}")
    for row in document:
        _check_payment(row, symbol, note_field)
    if not document:
        return no_funding()
    return FundingRows(
        funding_ms=np.array([row["fundingTime"] for row in document], dtype=np.int64),
        rate=np.array([as_float(row["fundingRate"]) for row in document]),
        mark_price=np.array([as_float(row.get("markPrice")) for row in document]),
        interval_ms=np.full(len(document), NOT_STATED, dtype=np.int64),
        raw=[json.dumps(row, separators=(",", ":")).encode() for row in document],
    )


def _check_payment(row: Any, symbol: str, note_field: NoteField | None) -> None:
    if not isinstance(row, dict) or not row.keys() >= FUNDING_FIELDS:
        gone = sorted(FUNDING_FIELDS - (row.keys() if isinstance(row, dict) else set()))
        if note_field is not None:
            for name in gone:
                note_field("fundingRate", name, "removed")
        raise ContractError(f"fundingRate lost {', '.join(gone)}: was {str(row)[:120]}")
    instant_ms, rate = row["fundingTime"], row["fundingRate"]
    if type(instant_ms) is not int or not EARLIEST_MS < instant_ms < LATEST_MS:
        if note_field is not None:
            note_field("fundingRate", "fundingTime", "unit")
        raise ContractError(f"fundingRate: expected epoch milliseconds, was {instant_ms!r:.80}")
    if isinstance(rate, bool) or not isinstance(rate, int | float | str):
        raise ContractError(f"fundingRate: expected a number, was {rate!r:.80}")
    if row["symbol"] != symbol:
        raise SourceUnavailableError(
            f"asked for funding of {symbol} the venue sent {str(row['symbol'])[:40]!r}"
        )
    if note_field is not None:
        for name in row.keys() - KNOWN_FUNDING_FIELDS:
            note_field("fundingRate", name)


def parse_funding_intervals(document: Any) -> dict[str, int]:
    """Return the stated interval of each symbol in a ``fundingInfo`` answer, milliseconds.

    Raises:
        ContractError: a field we store is missing, or the interval is no number of hours.
    """
    try:
        found = {row["symbol"]: row["fundingIntervalHours"] for row in document}
    except (LookupError, TypeError) as error:
        raise ContractError(f"fundingInfo lost a field we need: {error!r}") from None
    for symbol, hours in found.items():
        if type(hours) is not int or not 0 < hours <= 24:
            raise ContractError(f"fundingInfo: {symbol} every {hours!r:.40} h, expected 1 to 24")
    return {symbol: hours * HOUR_MS for symbol, hours in found.items()}
