"""The client against a server that answers byte for byte what each test scripts."""

from __future__ import annotations

from typing import Any

import pytest

from include.exchanges.http import HttpSettings
from include.market.errors import (
    ContractError,
    FinalError,
    InvalidInputError,
    SourceUnavailableError,
)
from tests.support.http_server import Act, answer, hang, reset
from tests.support.scripted_venue import BUSY, GOOD, SLOW_DOWN, Clock, ask, client_of, venue


def test_a_document_comes_back_parsed_and_the_question_was_asked_once() -> None:
    with venue(GOOD) as (client, script, clock):
        assert ask(client) == {"ok": True}
    assert script.requests == ["GET /api/v3/time?symbol=BTCUSDT HTTP/1.1"]
    assert clock.slept_s == []


@pytest.mark.parametrize(
    "broken",
    [
        BUSY,
        answer(b'{"code":-1001,"msg":"Internal error"}', "500 Oops"),
        answer(b'{"code":-1008,"msg":"Overloaded"}', "400 Bad"),
        answer(b"", "408 Timeout"),
        answer(b"<html>hello</html>", kind="text/html"),
        answer(b'{"ok":true}', kind="text/plain"),
        answer(b'{"ok":'),
        answer(b'{"ok":NaN}'),
        GOOD[:-4],
        b"",
        b"HTTP/1.1 200",
        b"garbage\r\n\r\n",
        reset(GOOD[:-4]),
    ],
    ids=[
        "503",
        "500",
        "overloaded",
        "408",
        "html with 200",
        "text",
        "cut json",
        "nan",
        "cut body",
        "no answer",
        "cut head",
        "no http",
        "reset",
    ],
)
def test_passing_trouble_is_asked_again(broken: Act) -> None:
    with venue(broken, GOOD) as (client, script, clock):
        assert ask(client) == {"ok": True}
    assert len(script.requests) == 2
    assert len(clock.slept_s) == 1


def test_trouble_that_stays_ends_after_the_agreed_attempts() -> None:
    with (
        venue(BUSY, attempts=4) as (client, script, clock),
        pytest.raises(SourceUnavailableError, match="HTTP 503"),
    ):
        ask(client)
    assert len(script.requests) == 4
    assert len(clock.slept_s) == 3
    assert all(0 <= slept_s <= 2.0 for slept_s in clock.slept_s)


def test_trouble_that_stays_ends_when_the_time_for_all_tries_is_up() -> None:
    busy = answer(b"", "503 Busy", extra="Retry-After: 20\r\n")
    with (
        venue(busy, attempts=100, total_s=50) as (client, script, clock),
        pytest.raises(SourceUnavailableError, match="HTTP 503"),
    ):
        ask(client)
    assert 2 <= len(script.requests) <= 3
    assert sum(clock.slept_s) <= 50


def test_waiting_for_the_first_grant_takes_nothing_from_the_time_for_the_tries() -> None:
    with venue(BUSY, GOOD, total_s=21) as (client, _, clock):
        clock.now_s = 6_010.0
        for _ in range(4799):
            client._governor.acquire(1)
        client._governor.acquire(1)
        assert ask(client) == {"ok": True}
    assert clock.slept_s[0] >= 50


def test_what_the_parser_calls_damage_is_asked_again() -> None:
    bodies: list[bytes] = []

    def parse(body: bytes) -> int:
        bodies.append(body)
        if len(bodies) < 3:
            raise SourceUnavailableError("rows cut")
        return len(bodies)

    with venue(GOOD) as (client, script, _):
        assert client.get("/rows", {}, weight=1, parse=parse) == 3
    assert bodies == [b'{"ok":true}'] * 3
    assert len(script.requests) == 3


def test_what_the_parser_calls_a_broken_contract_is_not_asked_again() -> None:
    def parse(body: bytes) -> None:
        raise ContractError("a field is gone")

    with venue(GOOD) as (client, script, _), pytest.raises(ContractError):
        client.get("/rows", {}, weight=1, parse=parse)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("path", "act"),
    [("/api/secrets", hang()), ("/api/secrets", b""), ("/api/secrets", BUSY)],
    ids=["silence", "no answer", "503"],
)
def test_an_error_never_holds_the_query(path: str, act: Act) -> None:
    with (
        venue(act, attempts=1, deadline_s=0.2) as (client, _, _),
        pytest.raises(SourceUnavailableError) as caught,
    ):
        client.get(path, {"apiKey": "hunter2"}, weight=1)
    assert path in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nobody_home_is_said_with_the_address() -> None:
    client = client_of("http://127.0.0.1:9", Clock(), attempts=1)
    with pytest.raises(SourceUnavailableError, match=r"http://127.0.0.1:9/api/v3/time"):
        ask(client)


def test_a_name_that_does_not_resolve_is_passing_trouble() -> None:
    client = client_of("http://venue.invalid", Clock(), attempts=2)
    with pytest.raises(SourceUnavailableError, match=r"venue\.invalid"):
        ask(client)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "binance.com",
        "http://user:secret@x",
        "http://@x",
        "file:///etc",
        "https://x/?token=secret",
        "https://x/#secret",
        "https://x\r\nHost: y/",
        "https://x/\x1b[31m",
        "https://x:port/",
    ],
)
def test_an_address_that_cannot_be_a_venue_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInputError, match="base URL") as caught:
        client_of(url, Clock())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["http://evil.example/x", "//evil.example/x", "/a?b=c", "/a#b", "/a b", "/../x", "/a\r\nX: y"],
)
def test_a_path_cannot_lead_to_another_host_or_add_a_header(path: str) -> None:
    with venue(GOOD) as (client, script, _):
        with pytest.raises(InvalidInputError, match="path must"):
            client.get(path, {}, weight=1)
        with pytest.raises(InvalidInputError, match="path must"):
            client.download(path, max_bytes=10)
    assert script.requests == []


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"deadline_s": 0}])
def test_settings_without_a_single_request_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="attempt"):
        HttpSettings(**settings)


def test_a_file_comes_back_as_it_lies_there() -> None:
    content = bytes(range(256)) * 100
    with venue(answer(content, kind="application/zip")) as (client, script, _):
        assert client.download("/data/a.zip", max_bytes=25_600) == content
    assert "accept-encoding: identity" in script.heads[0].lower()


def test_a_file_that_is_not_there_is_none() -> None:
    missing = answer(b"<Error>NoSuchKey</Error>", "404 Not Found", kind="application/xml")
    with venue(missing) as (client, script, _):
        assert client.download("/data/a.zip", max_bytes=10) is None
    assert len(script.requests) == 1


def test_a_cut_file_is_fetched_again_whole() -> None:
    content = b"z" * 5000
    whole = answer(content, kind="application/zip")
    with venue(whole[:-1], BUSY, whole) as (client, script, _):
        assert client.download("/data/a.zip", max_bytes=5000) == content
    assert len(script.requests) == 3


@pytest.mark.parametrize("length", [12, 17, 50, 60])
def test_a_file_whose_head_was_cut_is_fetched_again(length: int) -> None:
    whole = answer(b"z" * 50, kind="application/zip")
    with venue(whole[:length], whole) as (client, _, _):
        assert client.download("/data/a.zip", max_bytes=50) == b"z" * 50


def test_a_web_page_in_place_of_a_file_is_passing_trouble() -> None:
    page = answer(b"<html>login</html>", kind="Text/HTML")
    with venue(page, answer(b"zip", kind="application/zip")) as (client, _, _):
        assert client.download("/data/a.zip", max_bytes=100) == b"zip"


def test_a_file_larger_than_agreed_is_refused() -> None:
    with (
        venue(answer(b"z" * 101, kind="application/zip")) as (client, script, _),
        pytest.raises(FinalError, match="at most 100"),
    ):
        client.download("/data/a.zip", max_bytes=100)
    assert len(script.requests) == 1


def test_a_file_waits_for_its_grant_and_obeys_a_pause_too() -> None:
    file = answer(b"zip", kind="application/zip")
    with venue(SLOW_DOWN, file) as (client, _, clock):
        assert client.download("/data/a.zip", weight=5, max_bytes=100) == b"zip"
    assert 7 <= sum(clock.slept_s) <= 9
