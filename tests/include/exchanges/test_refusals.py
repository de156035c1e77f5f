"""What the client makes of a venue that says no: rate limits, bans, closed doors, redirects."""

from __future__ import annotations

import pytest

from include.market.errors import (
    AccessDeniedError,
    BannedError,
    FinalError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownInstrumentError,
)
from tests.support.http_server import answer, serve
from tests.support.scripted_venue import BANNED, GOOD, ask, venue


@pytest.mark.parametrize(
    "retry_after",
    ["7", "Wed, 21 Oct 2026 07:28:07 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT"],
    ids=["seconds", "http date"],
)
def test_429_waits_as_long_as_asked_and_the_next_request_waits_too(retry_after: str) -> None:
    slow = answer(b"{}", "429 Slow", extra=f"Retry-After: {retry_after}\r\n")
    with venue(slow, GOOD) as (client, script, clock):
        assert ask(client) == {"ok": True}
    assert len(script.requests) == 2
    assert 7 <= sum(clock.slept_s) <= 9


@pytest.mark.parametrize(
    ("retry_after", "expected_s"), [("999999", 3600), ("9" * 400, 3600), ("soon", 60), ("0", 1)]
)
def test_an_absurd_wish_to_wait_is_capped(retry_after: str, expected_s: float) -> None:
    slow = answer(b"{}", "429 Slow", extra=f"Retry-After: {retry_after}\r\n")
    with (
        venue(slow, attempts=1) as (client, script, _),
        pytest.raises(RateLimitedError) as caught,
    ):
        ask(client)
    assert caught.value.retry_after_s == expected_s
    assert len(script.requests) == 1


def test_a_wait_longer_than_a_worker_may_be_held_frees_it_and_stays_in_force() -> None:
    slow = answer(b"{}", "429 Slow", extra="Retry-After: 200\r\n")
    with venue(slow) as (client, script, clock):
        with pytest.raises(RateLimitedError):
            ask(client)
        with pytest.raises(RateLimitedError, match="paused") as caught:
            ask(client)
    assert len(script.requests) == 1
    assert clock.slept_s == [0.0]
    assert caught.value.retry_after_s == 200


def test_a_ban_is_told_once_as_news_and_nothing_is_asked_until_it_is_over() -> None:
    with venue(BANNED, GOOD) as (client, script, clock):
        with pytest.raises(BannedError, match="banned") as caught:
            ask(client)
        assert caught.value.is_new
        for _ in range(5):
            with pytest.raises(BannedError) as caught:
                ask(client)
            assert not caught.value.is_new
        assert len(script.requests) == 1
        assert caught.value.retry_after_s == 100
        clock.now_s += 100
        assert ask(client) == {"ok": True}


def test_a_ban_lasts_at_most_three_days_whatever_the_venue_says() -> None:
    banned = answer(b"{}", "418 Banned", extra="Retry-After: 99999999\r\n")
    with venue(banned) as (client, _, _), pytest.raises(BannedError) as caught:
        ask(client)
    assert caught.value.retry_after_s == 3 * 86_400


def test_the_venues_own_count_is_passed_on() -> None:
    used = answer(b"{}", extra="x-mbx-used-weight-1m: 4800\r\n")
    with venue(used, GOOD) as (client, _, clock):
        ask(client)
        assert clock.slept_s == []
        ask(client)
    assert len(clock.slept_s) == 1


def test_an_unknown_symbol_is_final_and_named_as_such() -> None:
    unknown = answer(b'{"code":-1121,"msg":"Invalid symbol."}', "400 Bad")
    with (
        venue(unknown) as (client, script, _),
        pytest.raises(UnknownInstrumentError, match="Invalid symbol"),
    ):
        ask(client)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", ["401 No", "403 Forbidden", "451 Region"])
def test_a_closed_door_is_final_and_named_as_such(status: str) -> None:
    with (
        venue(answer(b"<html>WAF", status, kind="text/html")) as (client, script, _),
        pytest.raises(AccessDeniedError, match=status.split()[0]),
    ):
        ask(client)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", ["204 Empty", "404 Missing", "413 Large"])
def test_other_refusals_are_final(status: str) -> None:
    with (
        venue(answer(b"", status)) as (client, script, _),
        pytest.raises(FinalError, match=status.split()[0]),
    ):
        ask(client)
    assert len(script.requests) == 1


def test_a_redirect_is_not_followed_and_its_host_is_named_without_its_secrets() -> None:
    with serve(GOOD) as elsewhere:
        moved = answer(
            b"", "302 Found", extra=f"Location: {elsewhere.base_url}/steal?token=hunter2\r\n"
        )
        with venue(moved) as (client, script, _), pytest.raises(FinalError) as caught:
            ask(client)
    assert "127.0.0.1, which is not followed" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert (len(script.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize("status", ["403 Forbidden", "400 Bad", "200 OK"])
def test_what_the_venue_sent_is_shown_short_and_harmless(status: str) -> None:
    nasty = b"\x1b[31mred\r\nERROR forged line\x00\xff" + "é".encode() + b"x" * 5000
    with (
        venue(answer(nasty, status, kind="text/html"), attempts=1) as (client, _, _),
        pytest.raises((FinalError, SourceUnavailableError)) as caught,
    ):
        ask(client)
    message = str(caught.value)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400
