"""A loopback HTTP server that answers exactly what a test scripts, byte for byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Script:
    """Answers in order, the last one repeated; ``requests`` keeps what was asked."""

    answers: Sequence[bytes]
    trickle_s: float = 0.0
    requests: list[str] = field(default_factory=list)
    base_url: str = ""


def answer(
    body: bytes, status: str = "200 OK", *, kind: str = "application/json", extra: str = ""
) -> bytes:
    """Return a whole HTTP/1.1 answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


@contextmanager
def serve(*answers: bytes, trickle_s: float = 0.0) -> Iterator[Script]:
    """Serve ``answers`` on a free loopback port; with ``trickle_s``, one byte at a time."""
    script = Script(answers, trickle_s)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(0.05)
        stop = threading.Event()
        thread = threading.Thread(target=_loop, args=(listener, script, stop))
        thread.start()
        try:
            yield script
        finally:
            stop.set()
            thread.join()


def _loop(listener: socket.socket, script: Script, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        with client:
            _serve_one(client, script, stop)


def _serve_one(client: socket.socket, script: Script, stop: threading.Event) -> None:
    client.settimeout(5)
    request = client.recv(65_536).decode("latin-1")
    script.requests.append(request.split("\r\n", 1)[0])
    reply = script.answers[min(len(script.requests), len(script.answers)) - 1]
    try:
        if not script.trickle_s:
            client.sendall(reply)
            return
        for index in range(len(reply)):
            if stop.is_set():
                return
            client.sendall(reply[index : index + 1])
            time.sleep(script.trickle_s)
    except OSError:
        return
