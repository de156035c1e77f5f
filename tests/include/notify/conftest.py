"""A loopback server that answers as Discord's webhooks do, and as they should not."""

from __future__ import annotations

import email
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest

from include.notify.discord import DiscordSender, SendLimits
from include.notify.sender import Message

TOKEN = "T0ken-secret_abcdefghijklmnop"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40


@dataclass
class Reply:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b'{"id": "1"}'
    headers: dict[str, str] = field(default_factory=dict)
    act: Literal["answer", "hang", "close", "stall"] = "answer"


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    parts: dict[str, tuple[str | None, bytes]]


class FakeDiscord:
    """Play ``replies`` in order, the last one for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.received: list[Received] = []
        self.over = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fake._answer(self)

            def do_GET(self) -> None:
                fake._answer(self)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.received.append(
            Received(handler.path, dict(handler.headers), read_parts(handler.headers, body))
        )
        reply = self.replies[min(len(self.received), len(self.replies)) - 1]
        if reply.act == "hang":
            self.over.wait(300)
        if reply.act in ("hang", "close"):
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        length = len(reply.body) + (100 if reply.act == "stall" else 0)
        for name, value in {"Content-Length": str(length), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if reply.status != 204:
            handler.wfile.write(reply.body)
        if reply.act == "stall":
            handler.wfile.flush()
            self.over.wait(300)


def read_parts(headers: Any, body: bytes) -> dict[str, tuple[str | None, bytes]]:
    """Split a multipart body into name -> (file name, content)."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    found = {}
    for part in email.message_from_bytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            found[name] = (part.get_filename(), bytes(part.get_payload(decode=True)))
    return found


@pytest.fixture
def discord() -> Iterator[FakeDiscord]:
    fake = FakeDiscord()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield fake
    fake.over.set()
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


@pytest.fixture
def pauses() -> list[float]:
    """The pauses a sender asked for, none of them taken."""
    return []


@pytest.fixture
def make_sender(discord: FakeDiscord, pauses: list[float]) -> Callable[..., DiscordSender]:
    def make(**limits: float) -> DiscordSender:
        return DiscordSender(
            "123",
            TOKEN,
            discord.url,
            allow_loopback=True,
            limits=SendLimits(**{"timeout_s": 30.0, **limits}),
            sleep=pauses.append,
        )

    return make


@pytest.fixture
def make_message() -> Callable[..., Message]:
    def make(**changes: Any) -> Message:
        plain = {
            "title": "Channels of 4h",
            "text": "All is well",
            "event_key": "publish_report:run-1",
            "event_time": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        }
        return Message(**{**plain, **changes})

    return make


@pytest.fixture
def png() -> bytes:
    return PNG


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def reply() -> type[Reply]:
    return Reply
