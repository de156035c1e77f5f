import json
import logging
from collections.abc import Callable
from functools import partial

import pytest

from include.exchanges import drift
from include.exchanges.binance_klines import parse_klines
from include.exchanges.binance_trades import parse_agg_trades
from include.exchanges.binance_usdm.parse import parse_funding
from include.exchanges.drift import OnceLog
from include.market.errors import ContractError
from tests.support.agg_trades import trade


def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    log = OnceLog()
    with caplog.at_level(logging.WARNING):
        assert log.note("binance_spot", "/api/v3/klines", "new", "added") is True
        assert log.note("binance_spot", "/api/v3/klines", "new", "added") is False
        assert log.note("binance_spot", "/api/v3/klines", "new", "removed") is True
    assert [record.getMessage() for record in caplog.records] == [
        "binance_spot /api/v3/klines: field 'new' was added",
        "binance_spot /api/v3/klines: field 'new' was removed",
    ]


def test_what_someone_told_before_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    shared = OnceLog()
    assert OnceLog(shared).note("v", "/x", "new", "added") is True
    caplog.clear()
    assert OnceLog(shared).note("v", "/x", "new", "added") is False
    assert caplog.records == []


def test_a_name_from_outside_cannot_forge_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    OnceLog().note("v", "/x", "a\x1b[31m\nERROR é", "added")
    assert caplog.records[0].getMessage().isprintable()
    assert caplog.records[0].getMessage().isascii()


def test_endless_new_names_are_not_followed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drift, "MOST_CHANGES", 5)
    log = OnceLog()
    assert [log.note("v", "/x", str(name), "added") for name in range(7)] == [True] * 5 + [
        False
    ] * 2


def test_a_field_in_another_unit_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert OnceLog().note("v", "klines", "open_time", "unit") is True
    assert caplog.records[0].getMessage() == "v klines: field 'open_time' changed its unit"


Told = list[tuple[str, ...]]


def told_by(parse: Callable[..., object], document: object) -> Told:
    """Return what a parser tells of an answer that it refuses."""
    told: Told = []
    body = json.dumps(document).encode()
    with pytest.raises(ContractError):
        parse(body, note_field=lambda *change: told.append(change))
    with pytest.raises(ContractError):
        parse(body)
    return told


KLINE = [1_700_000_000_000, "1", "2", "1", "1", "5", 1_700_000_059_999, "5", 3, "1", "1", "0"]
PAYMENT = {"symbol": "BTCUSDT", "fundingTime": 1_700_000_000_000, "fundingRate": "0.0001"}


def test_what_makes_us_refuse_an_answer_is_told() -> None:
    assert told_by(parse_klines, [KLINE[:11]]) == [("klines", "[11]", "removed")]
    assert told_by(parse_klines, [[KLINE[0] * 1000, *KLINE[1:]]]) == [
        ("klines", "open_time", "unit")
    ]
    assert told_by(parse_klines, [[*KLINE[:6], 1_700_000_059, *KLINE[7:]]]) == [
        ("klines", "close_time", "unit")
    ]
    lost = {key: value for key, value in trade(1, 0).items() if key not in "qT"}
    assert told_by(parse_agg_trades, [lost]) == [
        ("aggTrades", "q", "removed"),
        ("aggTrades", "T", "removed"),
    ]
    assert told_by(parse_agg_trades, [trade(1, 0, T=1_700_000_000)]) == [("aggTrades", "T", "unit")]
    parse = partial(parse_funding, symbol="BTCUSDT")
    assert told_by(parse, [{"symbol": "BTCUSDT", "fundingTime": 1}]) == [
        ("fundingRate", "fundingRate", "removed")
    ]
    assert told_by(parse, [PAYMENT | {"fundingTime": 1_700_000_000_000_000}]) == [
        ("fundingRate", "fundingTime", "unit")
    ]
