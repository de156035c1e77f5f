"""A small exchange with the faults of the simulator before it, and a client that sees each byte.

The market is a formula, so that tests can say what the clean answer would have been.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from include.simulator.amendments import Amendments
from include.simulator.clock import Clock, FrozenClock
from include.simulator.faults.page import zip_bytes
from include.simulator.faults.routes import attach_faults

MINUTE_MS = 60_000
NOW_MS = 1_753_939_050_500
"""In the middle of a minute."""

CURRENT_MS = NOW_MS - NOW_MS % MINUTE_MS
FIRST_MS = CURRENT_MS - 100 * MINUTE_MS
ZIP_PATH = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-07-30.zip"
KLINES = f"/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={FIRST_MS}&endTime={CURRENT_MS - 1}"


def candle(open_ms: int) -> list[Any]:
    """Return the candle that opens at ``open_ms``."""
    base = 100 + open_ms // MINUTE_MS % 50
    prices = [f"{price:.8f}" for price in (base, base + 2, base - 2, base + 1)]
    end = [open_ms + MINUTE_MS - 1, "2000.00000000", 14, "6.00000000", "1000.00000000", "0"]
    return [open_ms, *prices, "12.50000000", *end]


def page(count: int = 100, start_ms: int = FIRST_MS) -> list[list[Any]]:
    """Return ``count`` candles from ``start_ms`` on."""
    return [candle(start_ms + index * MINUTE_MS) for index in range(count)]


def agg_trades(count: int = 10) -> list[dict[str, Any]]:
    """Return aggregate trades."""
    return [
        {
            "a": 7 + index,
            "p": f"{100 + index}.00",
            "q": "0.50",
            "f": 3 * index,
            "l": 3 * index + 2,
            "T": FIRST_MS + index,
            "m": True,
        }
        for index in range(count)
    ]


def archive_lines(count: int = 50) -> list[str]:
    """Return the CSV lines of the archive's one file."""
    return [",".join(str(cell) for cell in row) for row in page(count)]


def archive_zip() -> bytes:
    """Return the archive's one file."""
    return zip_bytes("BTCUSDT-1m-2025-07-30.csv", ("\n".join(archive_lines()) + "\n").encode())


@dataclass(frozen=True)
class FakeStage:
    """What a scenario changes."""

    clock: Clock = field(default_factory=lambda: FrozenClock(NOW_MS))
    amendments: Amendments = field(default_factory=Amendments)


@dataclass(frozen=True)
class Raw:
    """What came over the wire: ``status`` None without a status line, ``body`` still framed."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    is_reset: bool
    all: bytes

    def json(self) -> Any:
        """Return the body as Python's lenient parser reads it."""
        return json.loads(self.body)


class FaultServer:
    """The running server as tests speak to it."""

    def __init__(self, port: int, stage: FakeStage) -> None:
        """Speak to ``port``."""
        self.port, self.stage = port, stage

    def on(self, *rules: dict[str, object]) -> list[int]:
        """Switch rules on."""
        reply = self.send("POST", "/sim/faults", list(rules))
        assert reply.status == 200, reply.body
        ids: list[int] = reply.json()["ids"]
        return ids

    def send(self, method: str, target: str, document: object = None) -> Raw:
        """Send a control request."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.ask(target, method=method, body=body)

    def get(self, target: str) -> Any:
        """Return the JSON of an answer of status 200."""
        reply = self.ask(target)
        assert reply.status == 200, (reply.status, reply.body)
        return reply.json()

    def fired(self) -> list[int]:
        """Return how often each rule has fired."""
        return [rule["fired"] for rule in self.get("/sim/faults")["faults"]]

    def hits(self, query: str = "") -> list[dict[str, Any]]:
        """Return the log."""
        hits: list[dict[str, Any]] = self.get(f"/sim/hits?{query}")["hits"]
        return hits

    def ask(
        self, target: str, *, method: str = "GET", body: bytes = b"", most_bytes: int = 10**8
    ) -> Raw:
        """Send one request and read until the connection ends or ``most_bytes`` have come."""
        with self.connect() as client:
            client.sendall(self.request(target, method, body))
            return _read(client, most_bytes)

    def connect(self) -> socket.socket:
        """Return a connection that gives up after five silent minutes."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=300)

    @staticmethod
    def request(target: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Return the bytes of a request."""
        head = f"{method} {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _read(client: socket.socket, most_bytes: int) -> Raw:
    data, is_reset = bytearray(), False
    while len(data) < most_bytes:
        try:
            chunk = client.recv(65_536)
        except ConnectionResetError:
            is_reset = True
            break
        if not chunk:
            break
        data += chunk
    head, mark, body = bytes(data).partition(b"\r\n\r\n")
    if not mark or not head.startswith(b"HTTP/"):
        return Raw(None, {}, b"", is_reset, bytes(data))
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines[1:])
    headers = {name.lower(): value for name, value in pairs}
    return Raw(int(lines[0].split()[1]), headers, body, is_reset, bytes(data))


@contextmanager
def run_fault_server() -> Iterator[FaultServer]:
    """Serve on a free port of loopback, in a thread."""
    loop, stage, ready = asyncio.new_event_loop(), FakeStage(), threading.Event()
    ports: list[int] = []

    async def start() -> web.AppRunner:
        runner = web.AppRunner(_build(stage), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
        return runner

    def work() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(300)
        yield FaultServer(ports[0], stage)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _build(stage: FakeStage) -> web.Application:
    app = web.Application()
    attach_faults(app, stage)
    routes = {
        "/api/v3/klines": _klines,
        "/fapi/v1/klines": _klines,
        "/api/v3/aggTrades": lambda _: agg_trades(),
        "/api/v3/time": lambda _: {"serverTime": NOW_MS},
        "/api/v3/exchangeInfo": _exchange_info,
        "/fapi/v1/fundingRate": _funding,
        "/api/v3/limited": None,
    }
    for path, make in routes.items():
        app.router.add_get(path, _limited if make is None else _handler(make))
    app.router.add_get(ZIP_PATH, _zip)
    app.router.add_get(f"{ZIP_PATH}.CHECKSUM", _checksum)
    return app


def _handler(make: Any) -> Any:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(make(request.query))

    return handle


def _klines(query: Any) -> list[list[Any]]:
    start_ms = int(query.get("startTime", FIRST_MS))
    end_ms = min(int(query.get("endTime", NOW_MS)), NOW_MS)
    count = (end_ms - start_ms) // MINUTE_MS + 1
    return page(max(0, min(count, int(query.get("limit", 500)))), start_ms)


def _exchange_info(_: Any) -> dict[str, Any]:
    symbols = [
        {"symbol": symbol, "status": "TRADING", "baseAssetPrecision": 8}
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    return {"timezone": "UTC", "serverTime": NOW_MS, "symbols": symbols}


def _funding(_: Any) -> list[dict[str, Any]]:
    rows = range(3)
    return [
        {"symbol": "BTCUSDT", "fundingTime": FIRST_MS + n, "fundingRate": "0.0001"} for n in rows
    ]


async def _limited(_: web.Request) -> web.Response:
    return web.json_response({"code": -1003}, status=429, headers={"Retry-After": "30"})


async def _zip(_: web.Request) -> web.Response:
    return web.Response(body=archive_zip(), content_type="application/zip")


async def _checksum(_: web.Request) -> web.Response:
    name = ZIP_PATH.rsplit("/", 1)[-1]
    return web.Response(text=f"{hashlib.sha256(archive_zip()).hexdigest()}  {name}\n")
