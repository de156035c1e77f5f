from __future__ import annotations

import json

import pytest

from include.simulator.catalogue import list_symbol
from include.simulator.engine import AggTrade, Kline, Trade
from include.simulator.interval import ONE_MINUTE
from include.simulator.protocol import (
    VenueError,
    agg_trade_event,
    agg_trade_json,
    kline_event,
    kline_json,
    rate_limits,
    symbol_object,
    trade_event,
    trade_json,
)

KLINE = Kline(60_000, 119_999, "1.1", "1.4", "1.0", "1.2", "9.0", "10.0", "4.0", "4.4", 7, 100)
TRADE = Trade(5, "1.0", "2.0", "2.0", 1_234, True)
AGGREGATE = AggTrade(3, "1.0", "2.0", 5, 6, 1_234, False)


def test_a_kline_is_an_array_of_twelve() -> None:
    row = json.loads(kline_json(KLINE))
    assert row == [
        *(60_000, "1.1", "1.4", "1.0", "1.2", "9.0", 119_999, "10.0", 7, "4.0", "4.4", "0")
    ]


@pytest.mark.parametrize(("now_ms", "closed"), [(119_999, False), (120_000, True)])
def test_a_kline_event_has_binances_keys_and_flag(now_ms: int, closed: bool) -> None:
    event = json.loads(kline_event("BTCUSDT", ONE_MINUTE, KLINE, now_ms))
    assert list(event) == ["e", "E", "s", "k"]
    assert list(event["k"]) == list("tTsifLocHlvnxqVQB".replace("H", "h"))
    assert event["k"]["x"] is closed
    assert (event["k"]["f"], event["k"]["L"]) == (100, 106)


@pytest.mark.parametrize("kline", [KLINE._replace(trade_count=0), KLINE._replace(first_id=-1)])
def test_unknown_trade_ids_are_minus_one(kline: Kline) -> None:
    event = json.loads(kline_event("BTCUSDT", ONE_MINUTE, kline, 0))
    assert (event["k"]["f"], event["k"]["L"]) == (-1, -1)


def test_trades_have_binances_keys() -> None:
    assert list(json.loads(agg_trade_json(AGGREGATE))) == list("apqflTmM")
    rest = json.loads(trade_json(TRADE))
    assert " ".join(rest) == "id price qty quoteQty time isBuyerMaker isBestMatch"
    assert rest["isBuyerMaker"] is True
    assert list(json.loads(agg_trade_event("X", AGGREGATE, 9))) == list("eEsapqflTmM")
    assert list(json.loads(trade_event("X", TRADE, 9))) == list("eEstpqTmM")


def test_reference_data_states_grids_and_limits() -> None:
    entry = symbol_object(list_symbol("ETHBTC"))
    assert (entry["baseAsset"], entry["quoteAsset"], entry["status"]) == ("ETH", "BTC", "TRADING")
    assert '"tickSize": "0.00001000"' in json.dumps(entry)
    assert '"stepSize": "0.00100000"' in json.dumps(entry)
    assert rate_limits(6_000)[0] == {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6_000,
    }


def test_errors_carry_code_and_message() -> None:
    assert json.loads(VenueError(-1121, "Invalid symbol.").body()) == {
        "code": -1121,
        "msg": "Invalid symbol.",
    }
