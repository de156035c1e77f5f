"""The futures wire format: documented samples, and recordings where they are at hand."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from include.exchanges.binance_usdm.parse import (
    parse_funding,
    parse_funding_intervals,
    parse_instruments,
)
from include.exchanges.funding_pages import HOUR_MS, intervals_ms
from include.market.errors import ContractError, SourceUnavailableError
from tests.support.recorded import recorded_json

CONTRACT: dict[str, Any] = {
    "symbol": "BLZUSDT",
    "pair": "BLZUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1598252400000,
    "status": "TRADING",
    "baseAsset": "BLZ",
    "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.00001"},
        {"filterType": "LOT_SIZE", "stepSize": "1"},
    ],
}
PAYMENT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "fundingRate": "-0.03750000",
    "fundingTime": 1570608000007,
    "markPrice": "34287.54619963",
}


def funding_of(*rows: dict[str, Any]) -> bytes:
    return json.dumps(rows).encode()


def test_a_perpetual_is_never_delivered() -> None:
    record = parse_instruments({"symbols": [CONTRACT]})[0]
    assert (record.kind, record.status, record.delisted_at) == ("perpetual", "TRADING", None)
    assert (record.tick_size, record.lot_size) == ("0.00001", "1")
    assert record.listed_at is not None
    assert record.listed_at.isoformat() == "2020-08-24T07:00:00+00:00"


@pytest.mark.parametrize(
    ("contract", "kind"),
    [
        ("TRADIFI_PERPETUAL", "perpetual"),
        ("NEXT_QUARTER", "quarterly"),
        ("", "unlisted"),
        ("CURRENT_QUARTER DELIVERING", "current_quarter_delivering"),
    ],
)
def test_a_delivered_contract_has_its_end(contract: str, kind: str) -> None:
    changed = CONTRACT | {"contractType": contract, "deliveryDate": 1632470400000}
    record = parse_instruments({"symbols": [changed]})[0]
    assert record.kind == kind
    assert record.delisted_at is not None
    assert record.delisted_at.isoformat() == "2021-09-24T08:00:00+00:00"


@pytest.mark.parametrize("name", ["symbol", "contractType", "deliveryDate", "filters", "status"])
def test_a_lost_reference_field_stops_the_sync(name: str) -> None:
    lost = {key: value for key, value in CONTRACT.items() if key != name}
    with pytest.raises(ContractError, match="exchangeInfo lost"):
        parse_instruments({"symbols": [CONTRACT, lost]})


def test_payments_keep_their_time_as_sent() -> None:
    rows = parse_funding(funding_of(PAYMENT), "BTCUSDT")
    assert (rows.funding_ms[0], rows.rate[0], rows.mark_price[0]) == (
        1570608000007, -0.0375, 34287.54619963,
    )  # fmt: skip
    assert json.loads(rows.raw[0]) == PAYMENT


@pytest.mark.parametrize("price", ["", None])
def test_old_payments_have_no_mark_price(price: str | None) -> None:
    sent = {key: value for key, value in PAYMENT.items() if key != "markPrice"}
    rows = parse_funding(funding_of(sent, sent | {"markPrice": price}), "BTCUSDT")
    assert np.isnan(rows.mark_price).all()


def test_an_added_field_is_told_and_no_payments_are_no_rows() -> None:
    told: list[tuple[str, str]] = []
    parse_funding(funding_of(PAYMENT | {"x": 1}), "BTCUSDT", lambda *pair: told.append(pair))
    assert told == [("fundingRate", "x")]
    assert len(parse_funding(b"[]", "BTCUSDT")) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"fundingTime": "1570608000007"},
        {"fundingTime": True},
        {"fundingTime": 1570608000},
        {"fundingRate": True},
        {"fundingRate": [1]},
        {"fundingRate": None},
    ],
)
def test_a_changed_type_or_unit_stops_before_anything_is_kept(changed: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="fundingRate: expected"):
        parse_funding(funding_of(PAYMENT, PAYMENT | changed), "BTCUSDT")


@pytest.mark.parametrize("name", ["symbol", "fundingTime", "fundingRate"])
def test_a_lost_field_stops_before_anything_is_kept(name: str) -> None:
    lost = {key: value for key, value in PAYMENT.items() if key != name}
    with pytest.raises(ContractError, match="fundingRate lost"):
        parse_funding(funding_of(PAYMENT, lost), "BTCUSDT")


def test_another_symbols_payments_are_never_taken() -> None:
    with pytest.raises(SourceUnavailableError, match="ETHUSDT"):
        parse_funding(funding_of(PAYMENT), "ETHUSDT")


def test_a_repeated_key_is_damage() -> None:
    with pytest.raises(SourceUnavailableError, match="repeats a key"):
        parse_funding(funding_of(PAYMENT).replace(b'"symbol"', b'"symbol":"X","symbol"'), "BTCUSDT")


@pytest.mark.parametrize("hours", ["8", 0, 25, True, None])
def test_an_interval_that_is_none_stops_the_sync(hours: Any) -> None:
    with pytest.raises(ContractError, match="fundingInfo"):
        parse_funding_intervals([{"symbol": "BTCUSDT", "fundingIntervalHours": hours}])


def test_recorded_contracts_are_read() -> None:
    old = parse_instruments(
        recorded_json("exchange_info/binance_usdm_exchangeInfo_2021-07-22.json.gz")
    )
    assert Counter(record.kind for record in old) == {
        "perpetual": 119, "quarterly": 2, "unlisted": 1,
    }  # fmt: skip
    new = parse_instruments(
        recorded_json("binance_rest_2026/public-market-bstock-ali__fapi-v1-exchangeInfo.json.gz")
    )
    assert Counter(record.kind for record in new) == {"perpetual": 816, "quarterly": 4}
    settled = [record for record in new if record.status == "SETTLING"]
    assert len(settled) == 123
    assert all(record.delisted_at is not None for record in settled)


def test_recorded_intervals_are_one_four_and_eight_hours() -> None:
    found = parse_funding_intervals(
        recorded_json("binance_rest_2026/night-collection-2026-07__fapi-v1-fundingInfo.json.gz")
    )
    assert Counter(ms // HOUR_MS for ms in found.values()) == {4: 440, 8: 269, 1: 2}


def test_recorded_payments_are_eight_hours_apart_whatever_their_jitter() -> None:
    for name in ("funding-annualiz", "history-backgrou"):
        document = recorded_json(
            f"binance_rest_2026/2026-07-{name}__fapi-v1-fundingRate-BTCUSDT-limit1000.json.gz"
        )
        rows = parse_funding(json.dumps(document).encode(), "BTCUSDT")
        assert (rows.funding_ms % HOUR_MS > 0).any()
        assert set(intervals_ms(rows.funding_ms).tolist()) == {8 * HOUR_MS}
