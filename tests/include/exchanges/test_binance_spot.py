"""The client against scripted answers in Binance's own wire format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.binance_spot.parse import parse_instruments, parse_klines
from include.exchanges.http import HttpSettings, JsonClient
from include.exchanges.weights import WeightBudget
from include.market.errors import ContractError, SourceUnavailableError, UnknownInstrumentError
from include.market.span import Span
from include.market.timeframe import M1
from tests.support.http_server import Script, answer, serve

# Documented example: Binance spot API documentation, "Kline/Candlestick data".
DOCUMENTED = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
    1499040059999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip


def kline(open_ms: int, price: str = "100.0") -> list[Any]:
    row = list(DOCUMENTED)
    row[0], row[6] = open_ms, open_ms + M1.length_ms - 1
    row[1:5] = [price] * 4
    return row


def page(*minutes: int) -> bytes:
    return answer(json.dumps([kline(minute * M1.length_ms + BASE) for minute in minutes]).encode())


BASE = 1499040000000
EMPTY = answer(b"[]")


@contextmanager
def exchange(*answers: bytes) -> Iterator[tuple[BinanceSpot, Script]]:
    with serve(*answers) as script:
        client = JsonClient(script.base_url, HttpSettings(attempts=1), budget=WeightBudget(6000))
        yield BinanceSpot(client), script
        client.close()


def minutes(client: BinanceSpot, first: int, last: int, page_limit: int = 3) -> list[int]:
    span = Span(BASE + first * M1.length_ms, BASE + last * M1.length_ms)
    return [
        (int(instant) // 1000 - BASE) // M1.length_ms
        for got in client.candles("BTCUSDT", M1, span, page_limit=page_limit)
        for instant in got.frame["open_time"].astype("int64")
    ]


def test_the_documented_row_becomes_a_landed_row() -> None:
    row = parse_klines([DOCUMENTED]).iloc[0]
    assert row["open_time"].isoformat() == "2017-07-03T00:00:00+00:00"
    assert (row["open"], row["high"], row["low"], row["close"]) == (
        0.0163479,
        0.8,
        0.015758,
        0.015771,
    )
    assert (row["volume"], row["quote_volume"]) == (148976.11427815, 2434.19055334)
    assert (row["taker_buy_volume"], row["taker_buy_quote_volume"]) == (1756.87402397, 28.46694368)
    assert row["trade_count"] == 308
    assert json.loads(row["raw"]) == DOCUMENTED


def test_a_value_that_is_no_number_waits_for_the_gate_with_its_raw_row() -> None:
    rows = [[*DOCUMENTED], [*DOCUMENTED]]
    rows[1][4] = "n/a"
    frame = parse_klines(rows)
    assert frame["close"].isna().tolist() == [False, True]
    assert "n/a" in frame["raw"][1]


@pytest.mark.parametrize(
    "document",
    [
        {"code": 0},
        [DOCUMENTED[:11]],
        [[*DOCUMENTED, "new"]],
        [["1499040000000", *DOCUMENTED[1:]]],
        [[1499040000000000, *DOCUMENTED[1:]]],
        [{"t": 1}],
    ],
    ids=["object", "field lost", "field added", "text time", "microseconds", "objects"],
)
def test_a_changed_format_stops_before_anything_is_kept(document: Any) -> None:
    with pytest.raises(ContractError, match="klines: expected"):
        parse_klines(document)


def test_an_instrument_without_its_tick_size_stops_the_sync() -> None:
    with pytest.raises(ContractError, match="exchangeInfo"):
        parse_instruments({"symbols": [{"symbol": "BTCUSDT", "filters": []}]})


def test_pages_join_without_overlap_and_each_asks_where_the_last_ended() -> None:
    with exchange(page(0, 1, 2), page(3, 4, 5), page(6)) as (client, script):
        assert minutes(client, 0, 7) == [0, 1, 2, 3, 4, 5, 6]
    starts = [int(line.split("startTime=")[1].split("&")[0]) for line in script.requests]
    assert starts == [BASE, BASE + 3 * M1.length_ms, BASE + 6 * M1.length_ms]
    assert f"endTime={BASE + 7 * M1.length_ms - 1}" in script.requests[0]


def test_an_empty_page_is_believed_only_when_a_wider_one_agrees() -> None:
    with exchange(page(0, 1, 2), EMPTY, page(2, 3)) as (client, script):
        assert minutes(client, 0, 4) == [0, 1, 2, 3]
    wider = int(script.requests[2].split("startTime=")[1].split("&")[0])
    assert wider == BASE + 2 * M1.length_ms


def test_a_span_without_candles_is_one_empty_page_after_two_requests() -> None:
    with exchange(EMPTY) as (client, script):
        pages = list(client.candles("BTCUSDT", M1, Span(BASE, BASE + M1.length_ms), page_limit=10))
    assert [len(got.frame) for got in pages] == [0]
    assert len(script.requests) == 2


def test_a_hole_inside_a_page_does_not_end_the_history() -> None:
    with exchange(page(0, 1, 4), page(5)) as (client, _):
        assert minutes(client, 0, 6) == [0, 1, 4, 5]


def test_rows_outside_the_range_are_dropped_and_counted() -> None:
    with exchange(page(7, 8, 9, 10)) as (client, _):
        span = Span(BASE + 8 * M1.length_ms, BASE + 10 * M1.length_ms)
        got = next(iter(client.candles("BTCUSDT", M1, span, page_limit=10)))
    assert (len(got.frame), got.outside) == (2, 2)


def test_a_page_out_of_order_is_put_in_order() -> None:
    with exchange(page(2, 0, 1)) as (client, _):
        assert minutes(client, 0, 3) == [0, 1, 2]


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
