"""The session below ccxt: what is damaged, refused, too large or too slow never reaches it."""

from __future__ import annotations

import time

import pytest

from include.market.errors import (
    AccessDeniedError,
    BannedError,
    ContractError,
    FinalError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownInstrumentError,
)
from tests.support.ccxt_exchanges import (
    BINANCE_INFO,
    BINANCE_TIME,
    END_MS,
    NOW_MS,
    minutes,
    page,
    scripted,
    source_at,
)
from tests.support.http_server import answer, serve
from tests.support.klines import body, kline


def test_a_truncated_answer_is_asked_for_again_and_never_becomes_candles() -> None:
    whole = page(3, 2, 1)
    cut = answer(body([kline(END_MS - 180_000), kline(END_MS - 120_000)])[:-30])
    with scripted(BINANCE_INFO, BINANCE_TIME, cut, whole, attempts=2) as (source, script, governor):
        assert minutes(source, 3, 0) == [3, 2, 1]
    assert len(script.requests) == governor.granted == 4


def test_an_answer_that_stays_truncated_ends_in_an_error() -> None:
    with (
        scripted(BINANCE_INFO, BINANCE_TIME, answer(b"[[1499")) as (source, _, _),
        pytest.raises(SourceUnavailableError, match="not JSON"),
    ):
        minutes(source, 3, 0)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (answer(b'{"code":-1121,"msg":"Invalid symbol."}', "400 Bad"), UnknownInstrumentError),
        (answer(b'{"code":-1100,"msg":"Illegal"}', "400 Bad"), FinalError),
        (answer(b"{}", "429 Slow", extra="Retry-After: 1\r\n"), RateLimitedError),
        (answer(b"{}", "418 Banned", extra="Retry-After: 9\r\n"), BannedError),
        (answer(b"<html>", "403 No", kind="text/html"), AccessDeniedError),
        (answer(b"{}", "451 Region"), AccessDeniedError),
        (answer(b"<html>busy", "503 Busy", kind="text/html"), SourceUnavailableError),
        (answer(b"{}", "302 Found", extra="Location: http://127.0.0.9/\r\n"), FinalError),
        (answer(b"<html>hello", kind="text/html"), SourceUnavailableError),
        (answer(b'[{"a":1,"a":2}]'), SourceUnavailableError),
        (answer(b"[[NaN]]"), SourceUnavailableError),
        (b"", SourceUnavailableError),
        (page(2, 1)[:-40], SourceUnavailableError),
        (answer(b"[]").replace(b"Length: 2", b"Length: 9"), SourceUnavailableError),
        (answer(b'{"unexpected":1}'), ContractError),
        (answer(b"[[1,2]]"), ContractError),
    ],
    ids=[
        "unknown symbol", "bad request", "429", "418", "403", "451", "503", "redirect", "html",
        "repeated key", "nan", "no answer", "cut body", "fewer than announced",
        "object", "short rows",
    ],
)  # fmt: skip
def test_every_refusal_is_one_of_our_errors(refusal: bytes, error: type[Exception]) -> None:
    with (
        scripted(BINANCE_INFO, BINANCE_TIME, refusal) as (source, script, _),
        pytest.raises(error) as caught,
    ):
        minutes(source, 3, 0)
    assert type(caught.value) is error
    assert "startTime" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(script.requests) == 3


def test_a_ban_silences_every_later_request() -> None:
    banned = answer(b"{}", "418 Banned", extra="Retry-After: 60\r\n")
    with scripted(BINANCE_INFO, BINANCE_TIME, banned, attempts=3) as (source, script, _):
        for _ in range(2):
            with pytest.raises(BannedError):
                minutes(source, 3, 0)
    assert len(script.requests) == 3


def test_a_slow_trickle_ends_at_the_deadline() -> None:
    with (
        serve(answer(b"[" + b" " * 5000 + b"]"), trickle_s=0.01) as script,
        source_at(script.base_url, deadline_s=1) as (source, _),
        pytest.raises(SourceUnavailableError),
    ):
        source.server_time_ms()


def test_an_endless_body_is_cut_off() -> None:
    with (
        scripted(answer(b" " * 200_000), max_bytes=100_000) as (source, _, _),
        pytest.raises(FinalError, match="over 100000 bytes"),
    ):
        source.server_time_ms()


def test_a_redirects_body_is_bounded_like_any_other() -> None:
    endless = answer(b" " * 200_000, "302 Found", extra="Location: http://127.0.0.9/\r\n")
    with (
        scripted(endless, max_bytes=100_000) as (source, _, _),
        pytest.raises(FinalError, match="over 100000 bytes"),
    ):
        source.server_time_ms()


def test_nobody_home_is_passing_trouble() -> None:
    with (
        source_at("http://127.0.0.1:9") as (source, _),
        pytest.raises(SourceUnavailableError, match="is the exchange up"),
    ):
        source.server_time_ms()


def test_without_a_time_endpoint_the_date_of_the_last_answer_is_the_clock() -> None:
    pairs = b'[[["BTCUSD",[null,null,null,"0.0001","1000",null,null,null,null,null]]],[],[],[]]'
    dated = answer(pairs, extra="Date: Sun, 15 Jun 2025 15:06:40 GMT\r\n")
    began_s = time.monotonic()
    with scripted(dated, exchange="bitfinex") as (source, _, _):
        since_ms = source.server_time_ms() - NOW_MS
    assert 0 <= since_ms <= (time.monotonic() - began_s) * 1000 + 1
