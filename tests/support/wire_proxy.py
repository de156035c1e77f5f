"""A TCP proxy that reads PostgreSQL's wire protocol, to cut, deafen or stall it at a chosen step.

It knows nothing of the code under test: whatever statements a load sends, in whatever order, they
are counted as they pass, so that any of them can be the last one.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Frontend messages that make the server do something: query, execute, copied rows, end of the rows.
_STEPS: Final = b"QEcd"
_NO_ENCRYPTION: Final = (80877103, 80877104)
_SMALL_BUFFER: Final = 16 * 1024


class WireProxy:
    """Stands between a client and the server of ``dsn``; ``self.dsn`` leads through it.

    One plan at a time, for all connections, until the next one or ``clear``. ``steps``
    counts the steps seen since the last plan.
    """

    def __init__(self, dsn: str, **settings: str) -> None:
        """Listen on a free port; ``settings`` are added to the address that leads through."""
        parts = conninfo_to_dict(dsn)
        self._server = (str(parts["host"]), int(str(parts["port"])))
        self._listener = socket.socket()
        # What a stalled network swallows must be less than what the client has to say.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        port = str(self._listener.getsockname()[1])
        off = {"sslmode": "disable", "gssencmode": "disable"}
        self.dsn = make_conninfo(dsn, **({"host": "127.0.0.1", "port": port} | off | settings))
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self.resume = threading.Event()
        self.clear()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def clear(self) -> None:
        """Let everything pass from now on."""
        self.resume.set()
        self.steps = 0
        self.struck = threading.Event()
        self.resume = threading.Event()
        self._cut_at: int | None = None
        self._mute_at: int | None = None
        self._stall_at: int | None = None
        self._lost: bytes | None = None
        self._lost_after = 0
        self._stalls_on_rows = False
        self._old = self._new = b""
        self.rewritten = 0

    def cut_at(self, step: int) -> None:
        """Break the connection in place of the ``step``-th step from now, counted from 1."""
        self.clear()
        self._cut_at = step

    def cut_answer_at(self, step: int) -> None:
        """Let the ``step``-th step through, and break the connection when it is answered."""
        self.clear()
        self._mute_at = step

    def lose_answer_of(self, words: bytes, nth: int = 1) -> None:
        """Let the ``nth`` query that begins with ``words`` through, and break when it is answered.

        Nobody but the server knows then what became of it.
        """
        self.clear()
        self._lost, self._lost_after = words, nth

    def stall_at(self, step: int) -> None:
        """Take no more from the client from the ``step``-th step on, until ``resume`` is set."""
        self.clear()
        self._stall_at = step

    def stall_on_rows(self) -> None:
        """Take nothing more from the client from the first copied rows on."""
        self.clear()
        self._stalls_on_rows = True

    def rewrite(self, old: str, new: str) -> None:
        """Let statements say ``new`` where the client said ``old``; ``rewritten`` counts them."""
        self.clear()
        self._old, self._new = old.encode(), new.encode()

    def reword(self, kind: bytes, payload: bytes) -> bytes:
        """Return what the server shall read in place of ``payload``."""
        if kind not in b"QP" or not self._old or self._old not in payload:
            return payload
        self.rewritten += 1
        return payload.replace(self._old, self._new)

    def judge(self, kind: bytes, payload: bytes) -> str:
        """Return what becomes of a message: pass, cut, mute or stall."""
        with self._lock:
            if kind in b"QP" and self._lost and payload.lstrip(b"\x00").startswith(self._lost):
                self._lost_after -= 1
                if self._lost_after == 0:
                    return "mute"
            if kind not in _STEPS:
                return "pass"
            self.steps += 1
            if kind == b"d" and self._stalls_on_rows:
                return "stall"
            plans = {self._cut_at: "cut", self._mute_at: "mute", self._stall_at: "stall"}
            return plans.get(self.steps, "pass")

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            line = _Line(self, client, socket.create_connection(self._server))
            self._lines.append(line)
            line.start()

    def __enter__(self) -> WireProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Break every connection and stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        self.resume.set()
        for line in self._lines:
            line.end()


class _Line:
    """One client and its server, with a thread for either direction."""

    def __init__(self, proxy: WireProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        for end in (client, server):
            # Messages go out one by one; none may wait for the next.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._muted = False
        self._threads = [
            threading.Thread(target=self._run, args=(work,), daemon=True)
            for work in (self._forward, self._answer)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Close both ends and wait for the threads."""
        self._cut()
        for thread in self._threads:
            thread.join(10)
        self._client.close()
        self._server.close()

    def _run(self, work: object) -> None:
        assert callable(work)
        with suppress(OSError):
            work()
        self._cut()

    def _cut(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _forward(self) -> None:
        while self._greeting() in _NO_ENCRYPTION:
            self._client.sendall(b"N")
        while True:
            kind = self._read(1)
            payload = self._read(struct.unpack("!I", self._read(4))[0] - 4)
            fate = self._proxy.judge(kind, payload)
            if fate == "cut":
                self._proxy.struck.set()
                return
            if fate == "stall":
                resume = self._proxy.resume
                self._proxy.struck.set()
                resume.wait()
            self._muted = self._muted or fate == "mute"
            payload = self._proxy.reword(kind, payload)
            self._server.sendall(kind + struct.pack("!I", len(payload) + 4) + payload)

    def _greeting(self) -> int:
        """Pass the first message on; return its code."""
        header = self._read(8)
        length, code = struct.unpack("!II", header)
        if code not in _NO_ENCRYPTION:
            self._server.sendall(header + self._read(length - 8))
        return int(code)

    def _answer(self) -> None:
        while data := self._server.recv(65536):
            if self._muted:
                self._proxy.struck.set()
                return
            self._client.sendall(data)

    def _read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._client.recv(count - len(parts))
            if not part:
                raise ConnectionResetError
            parts += part
        return bytes(parts)
