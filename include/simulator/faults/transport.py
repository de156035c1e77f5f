"""Faults of the wire: bytes written past aiohttp, which would never send them so.

Every damaged connection is closed afterwards. A slow one costs a sleeping task and no thread, and
what a client does not read is not written: an endless body holds a few chunks at a time.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from include.simulator.faults.answer import Answer
from include.simulator.faults.book import Firing
from include.simulator.faults.hits import Hit

_BUFFER_BYTES = 262_144
_CHUNK_BYTES = 65_536
_POLL_S = 0.02
_LEAVE_S = 0.25
_TLS_ALERT = bytes.fromhex("15030300020228")
"""A fatal handshake_failure alert of TLS 1.2."""


class Wire:
    """The connection of one request, written to directly."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        """Take the transport; None stands for a client that has already left."""
        self._transport = transport
        self.sent = 0

    @property
    def is_open(self) -> bool:
        """Tell whether the client is still there."""
        return self._transport is not None and not self._transport.is_closing()

    async def write(self, data: bytes) -> None:
        """Write, waiting while the client does not read; without a client nothing happens."""
        while self._held() > _BUFFER_BYTES and self.is_open:
            await asyncio.sleep(_POLL_S)
        if self._transport is not None and self.is_open:
            self._transport.write(data)
            self.sent += len(data)

    async def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the client stays."""
        deadline_s = time.monotonic() + seconds
        while self.is_open and (left_s := deadline_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, _LEAVE_S))

    async def flush(self) -> None:
        """Wait until all that was written has left this process."""
        while self._held() and self.is_open:
            await asyncio.sleep(_POLL_S)

    async def reset(self) -> None:
        """Close with RST once the bytes so far have had time to arrive."""
        await self.flush()
        await asyncio.sleep(_POLL_S)
        if self._transport is None:
            return
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None and self.is_open:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    async def close(self) -> None:
        """Close with FIN after what is written."""
        await self.flush()
        if self._transport is not None:
            self._transport.close()

    def _held(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()


class DamagedResponse(web.StreamResponse):
    """A response that aiohttp believes to send while a fault writes the connection itself."""

    def __init__(self, answer: Answer, firing: Firing, hit: Hit) -> None:
        """Take the clean answer, the fault of transport and the entry of the hit log."""
        super().__init__(status=answer.status)
        self.force_close()
        self._answer, self._firing, self._hit = answer, firing, hit

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything, then close."""
        wire = Wire(request.transport)
        has_head = self._firing.name not in _HEADLESS
        try:
            await DAMAGES[self._firing.name](wire, self._answer, self._firing)
            await wire.close()
        finally:
            is_told = has_head and wire.sent > 0
            self._hit.finish(self._answer.status if is_told else None, wire.sent)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: ``prepare`` has ended the connection."""


def _kept(answer: Answer, firing: Firing) -> bytes:
    """Return the first part of the body; never all of it, for rules keep less than 1."""
    return answer.body[: int(len(answer.body) * firing["keep"])]


def _whole(answer: Answer) -> bytes:
    return answer.head(f"Content-Length: {len(answer.body)}") + answer.body


async def cut_length(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send less than Content-Length promises."""
    promised = max(len(answer.body), 1)
    await wire.write(answer.head(f"Content-Length: {promised}") + _kept(answer, firing))


async def cut_chunks(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send a chunk and end within the next."""
    kept = _kept(answer, firing)
    chunk = f"{len(kept):x}\r\n".encode() + kept + b"\r\n" if kept else b""
    await wire.write(answer.head("Transfer-Encoding: chunked") + chunk + b"40\r\n[")


async def reset_body(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Reset the connection within the body."""
    promised = max(len(answer.body), 1)
    await wire.write(answer.head(f"Content-Length: {promised}") + _kept(answer, firing))
    await wire.reset()


async def cut_unframed(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send part of a body that only the end of the connection ends."""
    await wire.write(answer.head() + (_kept(answer, firing) or answer.body[:1]))


async def trickle(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send one byte at a time."""
    whole, end_s = _whole(answer), time.monotonic() + firing["max_s"]
    for index in range(len(whole)):
        if not wire.is_open or time.monotonic() >= end_s:
            return
        await wire.write(whole[index : index + 1])
        await wire.wait(firing["gap_s"])


async def stay_silent(wire: Wire, _: Answer, firing: Firing) -> None:
    """Send nothing."""
    await wire.wait(firing["hold_s"])


async def answer_late(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send the whole answer after a while."""
    await wire.wait(firing["delay_s"])
    await wire.write(_whole(answer))


async def never_end(wire: Wire, answer: Answer, firing: Firing) -> None:
    """Send the rows again and again, as one list that never closes."""
    rows = answer.body.strip()[1:-1] if answer.body[:1] == b"[" else b""
    unit = (rows or json.dumps("x" * 60).encode()) + b","
    block = unit * max(1, _CHUNK_BYTES // len(unit))
    chunk = f"{len(block):x}\r\n".encode() + block + b"\r\n"
    await wire.write(answer.head("Transfer-Encoding: chunked") + b"1\r\n[\r\n")
    end_s = time.monotonic() + firing["max_s"]
    while wire.is_open and time.monotonic() < end_s:
        await wire.write(chunk)
        await asyncio.sleep(0)


async def refuse_connection(wire: Wire, _: Answer, firing: Firing) -> None:
    """Close without a byte."""
    if firing["reset"]:
        await wire.reset()


async def speak_tls(wire: Wire, *_: Any) -> None:
    """Send a TLS alert instead of HTTP."""
    await wire.write(_TLS_ALERT)


DAMAGES: dict[str, Callable[[Wire, Answer, Firing], Awaitable[None]]] = {
    "truncated_length": cut_length,
    "truncated_chunked": cut_chunks,
    "reset_mid_body": reset_body,
    "cut_invalid_json": cut_unframed,
    "slow_loris": trickle,
    "silent": stay_silent,
    "late_answer": answer_late,
    "endless_body": never_end,
    "refuse_connection": refuse_connection,
    "tls_garbage": speak_tls,
}
_HEADLESS = ("silent", "refuse_connection", "tls_garbage")
