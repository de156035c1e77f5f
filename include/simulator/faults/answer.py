"""One answer of the simulator on its way out: status, headers and body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

_FRAMING = {"content-length", "transfer-encoding", "content-type", "connection"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be sent; ``headers`` lack framing and content type.

    ``wait_s`` is the pause that a refusal asks for, None where it asks for none.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float | None = None

    def response(self) -> web.Response:
        """Return the answer as aiohttp sends it."""
        headers = {**self.headers, "Content-Type": self.content_type}
        return web.Response(status=self.status, body=self.body, headers=headers)

    def head(self, *framing: str) -> bytes:
        """Return status line and headers as bytes; ``framing`` lines decide how the body ends."""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [
            f"HTTP/1.1 {self.status} {reason}",
            f"Content-Type: {self.content_type}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *framing,
            "Connection: close",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_answer(response: web.StreamResponse) -> Answer | None:
    """Return what a handler made, None where it is no plain answer with its body in memory."""
    if not isinstance(response, web.Response) or response.prepared:
        return None
    body = response.body if response.body is not None else b""
    if not isinstance(body, (bytes, bytearray)):
        return None
    headers = {
        name: value for name, value in response.headers.items() if name.lower() not in _FRAMING
    }
    kind = response.headers.get("Content-Type", "application/octet-stream")
    wait = headers.get("Retry-After", "")
    wait_s = float(wait) if wait.isdigit() else None
    return Answer(response.status, bytes(body), kind, headers, wait_s)
