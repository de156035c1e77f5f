"""Delivery to Discord: once, bounded, and never a word about the token."""

from __future__ import annotations

import inspect
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from include.market.errors import InvalidInputError, RetryableError
from include.notify.discord import DiscordSender, SendLimits
from include.notify.errors import NotifyError, NotifyRefusedError
from include.notify.outbox import OutboxSender
from include.notify.sender import Receipt, Sender
from tests.support.ports import free_port

Make = Callable[..., Any]


def read_payload(received: Any) -> dict[str, Any]:
    document = json.loads(received.parts["payload_json"][1])
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("status", [200, 204])
def test_a_message_is_posted_once(
    status: int, discord: Any, reply: Make, make_sender: Make, make_message: Make, token: str
) -> None:
    discord.replies = [reply(status, body=b"" if status == 204 else b"<not json>")]
    assert make_sender().send(make_message()) == Receipt("discord")
    (received,) = discord.received
    assert received.path == f"/api/webhooks/123/{token}?wait=true"
    payload = read_payload(received)
    assert payload == {
        "content": "**Channels of 4h**\nAll is well",
        "allowed_mentions": {"parse": []},
    }


def test_an_image_travels_as_a_file_shown_in_an_embed(
    discord: Any, make_sender: Make, make_message: Make, png: bytes
) -> None:
    make_sender().send(make_message(image=png, image_name="btc-4h.png"))
    (received,) = discord.received
    assert received.parts["files[0]"] == ("btc-4h.png", png)
    payload = read_payload(received)
    assert payload["attachments"] == [{"id": 0, "filename": "btc-4h.png"}]
    (embed,) = payload["embeds"]
    assert embed == {
        "title": "Channels of 4h",
        "image": {"url": "attachment://btc-4h.png"},
        "timestamp": "2026-01-02T03:04:05.000678+00:00",
    }
    assert payload["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        ("2", b'{"retry_after": 0.5}', 2.0),
        ("1", b'{"retry_after": 3.25}', 3.25),
        ("4", b"<html>slow down</html>", 4.0),
        (None, b'{"retry_after": 1.5}', 1.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", b"", 1.0),
        ("nan", b'{"retry_after": NaN}', 1.0),
        ("inf", b'{"retry_after": Infinity}', 1.0),
        ("-5", b"[]", 1.0),
        (None, b'{"retry_after": "soon"}', 1.0),
    ],
)
def test_429_waits_as_long_as_discord_asks(
    header: str | None,
    body: bytes,
    expected: float,
    discord: Any,
    reply: Make,
    make_sender: Make,
    make_message: Make,
    pauses: list[float],
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    discord.replies = [reply(429, body, headers), reply()]
    make_sender().send(make_message())
    assert pauses == [expected]
    assert len(discord.received) == 2


def test_a_long_429_is_handed_on_instead_of_slept(
    discord: Any, reply: Make, make_sender: Make, make_message: Make, pauses: list[float]
) -> None:
    discord.replies = [reply(429, b"{}", {"Retry-After": "3600"})]
    with pytest.raises(NotifyError) as caught:
        make_sender(deadline_s=30).send(make_message())
    assert (caught.value.status, caught.value.retry_after_s) == (429, 3600)
    assert pauses == []
    assert len(discord.received) == 1


def test_endless_429_ends(
    discord: Any, reply: Make, make_sender: Make, make_message: Make, pauses: list[float]
) -> None:
    discord.replies = [reply(429, b'{"retry_after": 0.1}')]
    with pytest.raises(NotifyError, match="TooManyRequests, status 429"):
        make_sender(attempts=3).send(make_message())
    assert len(discord.received) == 3
    assert pauses == [0.1, 0.1]


def test_a_429_whose_body_stalls_still_ends(
    discord: Any, reply: Make, make_sender: Make, make_message: Make, pauses: list[float]
) -> None:
    discord.replies = [reply(429, b'{"retry', {"Retry-After": "2"}, act="stall"), reply()]
    # The second answer, which does not stall, must come within the same time.
    make_sender(timeout_s=2.0).send(make_message())
    assert pauses == [2.0]


def test_server_errors_are_tried_again_with_growing_pauses(
    discord: Any, reply: Make, make_sender: Make, make_message: Make, pauses: list[float]
) -> None:
    discord.replies = [reply(500), reply(502, b"<html>"), reply(204, b"")]
    make_sender().send(make_message())
    assert pauses == [1.0, 2.0]


def test_lasting_server_errors_are_raised(
    discord: Any, reply: Make, make_sender: Make, make_message: Make
) -> None:
    discord.replies = [reply(503)]
    with pytest.raises(NotifyError, match="ServerError, status 503"):
        make_sender(attempts=2).send(make_message())
    assert len(discord.received) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404])
def test_refusals_and_redirects_are_final(
    status: int, discord: Any, reply: Make, make_sender: Make, make_message: Make
) -> None:
    discord.replies = [reply(status, headers={"Location": f"{discord.url}/elsewhere"}), reply()]
    with pytest.raises(NotifyRefusedError, match=f"status {status}"):
        make_sender().send(make_message())
    assert len(discord.received) == 1


@pytest.mark.parametrize(
    ("act", "timeout_s", "kind"),
    [("hang", 0.3, "ReadTimeout"), ("close", 30.0, "ConnectionError")],
)
def test_silence_after_sending_is_not_tried_again(
    act: str,
    timeout_s: float,
    kind: str,
    discord: Any,
    reply: Make,
    make_sender: Make,
    make_message: Make,
) -> None:
    discord.replies = [reply(act=act)]
    with pytest.raises(NotifyError, match=kind) as caught:
        make_sender(timeout_s=timeout_s).send(make_message())
    assert caught.value.maybe_delivered
    assert caught.value.status is None
    assert len(discord.received) == 1


def test_a_connection_never_made_is_tried_again(
    make_message: Make, token: str, pauses: list[float]
) -> None:
    base = f"http://127.0.0.1:{free_port()}"
    sender = DiscordSender(
        "1", token, base, allow_loopback=True, limits=SendLimits(attempts=3), sleep=pauses.append
    )
    with pytest.raises(NotifyError, match="ConnectionError, no answer") as caught:
        sender.send(make_message())
    assert not caught.value.maybe_delivered
    assert isinstance(caught.value, RetryableError)
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    "trouble",
    [
        {"act": "hang"},
        {"act": "close"},
        {"status": 404, "body": b"unknown webhook"},
        {"status": 500},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:9/x"}},
        {"status": 429, "headers": {"Retry-After": "3600"}},
    ],
)
def test_the_token_is_in_no_error_and_no_log(
    trouble: dict[str, Any],
    discord: Any,
    reply: Make,
    make_sender: Make,
    make_message: Make,
    token: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    discord.replies = [reply(**trouble)]
    sender = make_sender(timeout_s=2.0, attempts=2)
    with pytest.raises((NotifyError, NotifyRefusedError)) as caught:
        sender.send(make_message())
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    told = repr(sender) + repr(caught.value) + "".join(traceback.format_exception(caught.value))
    assert token in discord.received[0].path
    assert token not in told
    assert token not in caplog.text
    assert not any(token in str(vars(record)) for record in caplog.records)


def test_urllib3_still_logs_paths_and_ours_are_blacked_out(
    make_sender: Make, make_message: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")
    make_sender().send(make_message())
    assert "/webhooks/***" in caplog.text


def test_a_refused_connection_keeps_the_token_out(
    make_message: Make, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    base = f"http://127.0.0.1:{free_port()}"
    sender = DiscordSender("1", token, base, allow_loopback=True, limits=SendLimits(attempts=1))
    with pytest.raises(NotifyError) as caught:
        sender.send(make_message())
    assert caught.value.__context__ is None
    assert token not in "".join(traceback.format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize(
    "base_url",
    [
        "http://discord.com",
        "https://discord.com.evil.example",
        "https://evil.example",
        "https://discord.com@evil.example",
        "https://user:pw@discord.com",
        "https://discord.com:8443",
        "https://discord.com/api/webhooks/1/abc",
        "https://discord.com?x=1",
        "file:///etc/passwd",
        "http://127.0.0.1:80",
        "https://[broken",
        "https://discord.com:port",
        "",
    ],
)
def test_only_discord_over_https_is_a_base_url(base_url: str, token: str) -> None:
    with pytest.raises(InvalidInputError, match="the host must be https") as caught:
        DiscordSender("1", token, base_url)
    assert token not in str(caught.value)


def test_loopback_alone_is_added_by_its_flag(token: str) -> None:
    DiscordSender("1", token, "https://discord.com")
    DiscordSender("1", token, "http://127.0.0.1:80", allow_loopback=True)
    for elsewhere in ("http://10.0.0.1", "http://discord.com", "http://127.0.0.1.evil.example"):
        with pytest.raises(InvalidInputError):
            DiscordSender("1", token, elsewhere, allow_loopback=True)


@pytest.mark.parametrize(
    ("webhook_id", "secret"), [("", "abc"), ("12x", "abc"), ("1", ""), ("1", "a/b"), ("1", "a?b=1")]
)
def test_odd_credentials_are_refused_unseen(webhook_id: str, secret: str) -> None:
    with pytest.raises(InvalidInputError, match="not shown") as caught:
        DiscordSender(webhook_id, secret)
    assert secret == "" or secret not in str(caught.value)


def test_environment_proxies_and_netrc_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
    discord: Any,
    make_sender: Make,
    make_message: Make,
    tmp_path: Any,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password sesame\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    make_sender().send(make_message())
    (received,) = discord.received
    assert "Authorization" not in received.headers


def test_a_large_image_never_leaves(discord: Any, make_sender: Make, make_message: Make) -> None:
    with pytest.raises(InvalidInputError, match="bytes"):
        make_sender().send(make_message(image=b"\x89PNG\r\n\x1a\n" + b"0" * (8 * 1024 * 1024)))
    with pytest.raises(InvalidInputError, match="not a PNG"):
        make_sender().send(make_message(image=b"GIF89a"))
    assert discord.received == []


@pytest.mark.parametrize("sender", [DiscordSender, OutboxSender])
def test_every_sender_keeps_the_agreement(sender: type[Sender]) -> None:
    assert inspect.signature(sender.send) == inspect.signature(Sender.send)
