from collections.abc import Callable
from typing import Any

import pytest

from include.exchanges.http import HttpSettings, JsonClient
from include.exchanges.weights import WeightBudget
from include.market.errors import (
    FinalError,
    InvalidInputError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownInstrumentError,
)
from tests.support.http_server import answer, serve

GOOD = answer(b'{"ok":true}')
BUSY = answer(b"<html>busy</html>", "503 Busy", kind="text/html")


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def ask(base_url: str, pauses: Callable[[float], None] | None = None, **settings: Any) -> Any:
    client = JsonClient(
        base_url,
        HttpSettings(**settings),
        budget=WeightBudget(6000),
        sleep=Pauses() if pauses is None else pauses,
    )
    try:
        return client.get("/api/v3/time", {"symbol": "BTCUSDT"}, weight=1)
    finally:
        client.close()


def test_a_document_comes_back_parsed_and_the_question_was_asked_once() -> None:
    with serve(GOOD) as script:
        assert ask(script.base_url) == {"ok": True}
    assert script.requests == ["GET /api/v3/time?symbol=BTCUSDT HTTP/1.1"]


@pytest.mark.parametrize(
    "broken",
    [
        BUSY,
        answer(b'{"code":-1001,"msg":"Internal error"}', "500 Oops"),
        answer(b"<html>hello</html>", kind="text/html"),
        answer(b'{"ok":'),
        answer(b'{"ok":NaN}'),
        GOOD[:-4],
        b"",
    ],
    ids=["503", "500", "html with 200", "cut json", "nan", "cut body", "no answer"],
)
def test_passing_trouble_is_asked_again(broken: bytes) -> None:
    pauses = Pauses()
    with serve(broken, GOOD) as script:
        assert ask(script.base_url, pauses) == {"ok": True}
    assert len(script.requests) == 2
    assert len(pauses) == 1


def test_trouble_that_stays_ends_after_the_agreed_attempts() -> None:
    pauses = Pauses()
    with serve(BUSY) as script, pytest.raises(SourceUnavailableError, match="HTTP 503"):
        ask(script.base_url, pauses, attempts=3)
    assert len(script.requests) == 3
    assert len(pauses) == 2
    assert all(0 <= pause <= 1.0 for pause in pauses)


def test_a_slow_trickle_ends_at_the_deadline_although_bytes_keep_coming() -> None:
    body = answer(b'{"pad":"' + b"x" * 5000 + b'"}')
    with (
        serve(body, trickle_s=0.01) as script,
        pytest.raises(SourceUnavailableError, match=r"took over 1 s"),
    ):
        ask(script.base_url, deadline_s=1, attempts=1)


def test_429_waits_as_long_as_asked() -> None:
    pauses = Pauses()
    with serve(answer(b"{}", "429 Slow", extra="Retry-After: 7\r\n"), GOOD) as script:
        assert ask(script.base_url, pauses) == {"ok": True}
    assert 7 <= pauses[0] <= 8


@pytest.mark.parametrize(
    ("status", "retry_after"), [("418 Banned", "30"), ("429 Slow", "999999"), ("429 Slow", "soon")]
)
def test_bans_and_absurd_waits_free_the_worker_at_once(status: str, retry_after: str) -> None:
    refusal = answer(b"{}", status, extra=f"Retry-After: {retry_after}\r\n")
    with serve(refusal) as script, pytest.raises(RateLimitedError) as caught:
        ask(script.base_url, attempts=1)
    assert len(script.requests) == 1
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 30


def test_an_address_that_is_banned_is_not_asked_again() -> None:
    with (
        serve(answer(b"{}", "418 Banned", extra="Retry-After: 5\r\n")) as script,
        pytest.raises(RateLimitedError, match="banned"),
    ):
        ask(script.base_url, attempts=5)
    assert len(script.requests) == 1


def test_an_unknown_symbol_is_final_and_named_as_such() -> None:
    refusal = answer(b'{"code":-1121,"msg":"Invalid symbol."}', "400 Bad")
    with serve(refusal) as script, pytest.raises(UnknownInstrumentError, match="Invalid symbol"):
        ask(script.base_url)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", ["302 Found", "403 Forbidden", "404 Missing", "451 Region"])
def test_other_refusals_are_final(status: str) -> None:
    refusal = answer(b"<html>", status, kind="text/html", extra="Location: http://127.0.0.9/\r\n")
    with serve(refusal) as script, pytest.raises(FinalError, match=status.split()[0]):
        ask(script.base_url)
    assert len(script.requests) == 1


def test_an_endless_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.exchanges.http.MAX_BODY_BYTES", 100_000)
    with serve(answer(b" " * 200_000)) as script, pytest.raises(FinalError, match="over 100000"):
        ask(script.base_url)


def test_nobody_home_is_said_with_the_address_and_without_the_query() -> None:
    with pytest.raises(SourceUnavailableError, match=r"http://127.0.0.1:9/api/v3/time") as caught:
        ask("http://127.0.0.1:9", attempts=1)
    assert "BTCUSDT" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x", "binance.com", "http://user:secret@x", "file:///etc"])
def test_an_address_that_cannot_be_a_venue_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="base URL"):
        JsonClient(url, HttpSettings(), budget=WeightBudget(1))
