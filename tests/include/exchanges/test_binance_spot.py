"""The client against scripted answers in Binance's own wire format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.binance_spot.parse import parse_instruments
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import ContractError, SourceUnavailableError, UnknownInstrumentError
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import M1
from tests.support.http_server import Script, answer, serve
from tests.support.klines import body, kline

BASE = 1499040000000
EMPTY = answer(b"[]")


def page(*minutes: int) -> bytes:
    return answer(body(kline(BASE + minute * M1.length_ms) for minute in minutes))


@contextmanager
def exchange(*answers: bytes) -> Iterator[tuple[BinanceSpot, Script]]:
    with serve(*answers) as script:
        governor = LocalGovernor(RateLimit("binance_spot", 6000))
        client = HttpClient(script.base_url, HttpSettings(attempts=1), governor=governor)
        yield BinanceSpot(client), script
        client.close()


def minutes(client: BinanceSpot, first: int, last: int, page_limit: int = 3) -> list[int]:
    span = Span(BASE + first * M1.length_ms, BASE + last * M1.length_ms)
    return [
        (open_ms - BASE) // M1.length_ms
        for got in client.candles("BTCUSDT", M1, span, page_limit=page_limit)
        for open_ms in got.rows.open_ms.tolist()
    ]


def test_an_instrument_without_its_tick_size_stops_the_sync() -> None:
    with pytest.raises(ContractError, match="exchangeInfo"):
        parse_instruments({"symbols": [{"symbol": "BTCUSDT", "filters": []}]})


def test_pages_overlap_by_one_candle_and_end_with_the_span() -> None:
    with exchange(page(0, 1, 2), page(2, 3, 4), page(4, 5, 6)) as (client, script):
        assert minutes(client, 0, 7) == [0, 1, 2, 3, 4, 5, 6]
    starts = [int(line.split("startTime=")[1].split("&")[0]) for line in script.requests]
    assert starts == [BASE, BASE + 2 * M1.length_ms, BASE + 4 * M1.length_ms]
    assert f"endTime={BASE + 7 * M1.length_ms - 1}" in script.requests[0]


def test_the_first_candle_is_asked_for_from_the_beginning_of_time() -> None:
    with exchange(page(5), EMPTY) as (client, script):
        assert client.first_open_ms("BTCUSDT", M1) == BASE + 5 * M1.length_ms
        assert client.first_open_ms("BTCUSDT", M1) is None
    assert "startTime=0&limit=1" in script.requests[0]


def test_a_field_nobody_knows_is_told_of_and_does_no_harm() -> None:
    told: list[tuple[str, str]] = []
    grown = answer(body([[*kline(BASE), "new"]]))
    with serve(grown) as script:
        governor = LocalGovernor(RateLimit("binance_spot", 6000))
        client = HttpClient(script.base_url, HttpSettings(attempts=1), governor=governor)
        source = BinanceSpot(client, note_field=lambda *field: told.append(field))
        assert minutes(source, 0, 1) == [0]
        client.close()
    assert told == [("klines", "[12]")]


def test_an_unlisted_symbol_is_named_with_the_remedy() -> None:
    refusal = answer(b'{"code":-1121,"msg":"Invalid symbol."}', "400 Bad")
    with (
        exchange(refusal) as (client, _),
        pytest.raises(UnknownInstrumentError, match=r"NOPEUSDT.*Variable universe"),
    ):
        client.instruments(["NOPEUSDT"])


def test_a_clock_that_does_not_answer_in_its_format_is_a_broken_contract() -> None:
    with exchange(answer(b"{}")) as (client, _), pytest.raises(ContractError, match="serverTime"):
        client.server_time_ms()


def test_trouble_inside_a_span_is_not_mistaken_for_its_end() -> None:
    with (
        exchange(page(0, 1, 2), answer(b"[[1,", "200 OK")) as (client, _),
        pytest.raises(SourceUnavailableError),
    ):
        minutes(client, 0, 9)
