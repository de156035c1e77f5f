"""A loopback HTTP server that answers exactly what a test scripts, byte for byte."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Act: TypeAlias = "bytes | Callable[[socket.socket, threading.Event], None]"


@dataclass
class Script:
    """Answers in order, the last one repeated; ``requests`` keeps the first line of each request.

    ``heads`` keeps the whole requests, ``connections`` counts how often somebody dialled.
    """

    answers: Sequence[Act]
    requests: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    base_url: str = ""


def answer(
    body: bytes,
    status: str = "200 OK",
    *,
    kind: str = "application/json",
    extra: str = "",
    keep: bool = False,
) -> bytes:
    """Return a whole HTTP/1.1 answer, after which the connection closes unless ``keep``."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}"
    end = "\r\n" if keep else "Connection: close\r\n\r\n"
    return (head + end).encode() + body


def gzipped(body: bytes) -> bytes:
    """Return an answer whose body is packed."""
    return answer(gzip.compress(body), extra="Content-Encoding: gzip\r\n")


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    """Return an answer in chunks; without ``end`` the last, empty chunk is missing."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return head + b"".join(parts) + (b"0\r\n\r\n" if end else b"")


def trickle(reply: bytes, pause_s: float) -> Act:
    """Send ``reply`` one byte at a time."""

    def act(client: socket.socket, stop: threading.Event) -> None:
        for index in range(len(reply)):
            client.sendall(reply[index : index + 1])
            if stop.wait(pause_s):
                return

    return act


def hang(reply: bytes = b"") -> Act:
    """Send ``reply`` and then nothing more, without closing."""

    def act(client: socket.socket, stop: threading.Event) -> None:
        client.sendall(reply)
        stop.wait(30)

    return act


def flood(head: bytes, block: bytes) -> Act:
    """Send ``head`` and then ``block`` again and again."""

    def act(client: socket.socket, stop: threading.Event) -> None:
        client.sendall(head)
        while not stop.is_set():
            client.sendall(block)

    return act


def reset(reply: bytes) -> Act:
    """Send ``reply`` and cut the connection with a TCP reset."""

    def act(client: socket.socket, stop: threading.Event) -> None:
        client.sendall(reply)
        # Wait until it was read: a reset would throw away what still lies in the buffers.
        stop.wait(0.1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


@contextmanager
def serve(
    *answers: Act, trickle_s: float = 0.0, tls: ssl.SSLContext | None = None
) -> Iterator[Script]:
    """Serve ``answers`` on a free loopback port; with ``trickle_s``, one byte at a time."""
    if trickle_s:
        answers = tuple(trickle(act, trickle_s) for act in answers if isinstance(act, bytes))
    script = Script(answers)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "https" if tls else "http"
        script.base_url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(0.05)
        stop = threading.Event()
        thread = threading.Thread(target=_loop, args=(listener, script, stop, tls))
        thread.start()
        try:
            yield script
        finally:
            stop.set()
            thread.join()


def _loop(
    listener: socket.socket, script: Script, stop: threading.Event, tls: ssl.SSLContext | None
) -> None:
    while not stop.is_set():
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        script.connections += 1
        client.settimeout(5)
        try:
            with tls.wrap_socket(client, server_side=True) if tls else client as talking:
                while _serve_one(talking, script, stop):
                    pass
        except OSError:
            # The client hung up, which some tests are about.
            continue
        finally:
            client.close()


def _serve_one(client: socket.socket, script: Script, stop: threading.Event) -> bool:
    """Answer one request; tell whether another may follow on this connection."""
    head = _read_head(client, stop)
    if not head:
        return False
    script.heads.append(head)
    script.requests.append(head.split("\r\n", 1)[0])
    act = script.answers[min(len(script.requests), len(script.answers)) - 1]
    if not isinstance(act, bytes):
        act(client, stop)
        return False
    client.sendall(act)
    return b"\r\n\r\n" in act and b"connection: close" not in act.partition(b"\r\n\r\n")[0].lower()


def _read_head(client: socket.socket, stop: threading.Event) -> str:
    received = b""
    client.settimeout(0.05)
    while b"\r\n\r\n" not in received and not stop.is_set():
        try:
            block = client.recv(65_536)
        except TimeoutError:
            continue
        if not block:
            return ""
        received += block
    client.settimeout(5)
    return received.decode("latin-1")
