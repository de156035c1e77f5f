"""WebSocket connections: reading control messages, pushing events, keeping alive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from include.simulator.catalogue import SPOT, USDM
from include.simulator.control import MAX_STREAMS, Stream, Subscriptions, parse_stream
from include.simulator.feed import Feed, TradeFeed, open_feed
from include.simulator.venue import Venue

_CLOSE_TIMEOUT_S = 2.0
_FUTURES_PONG_S = 600.0
_FUTURES_LANES = ("market", "public", "private")
_CONTROL = {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a stream connection behaves, in real seconds; the defaults are Binance's."""

    push_s: float = 2.0
    """How often an open candle is told."""
    trade_look_s: float = 0.1
    """How often new trades are looked for."""
    ping_s: float = 20.0
    """How often the server sends a PING frame."""
    pong_timeout_s: float = 60.0
    """How long a connection may leave them unanswered."""
    lifetime_s: float = 86_400.0
    """When a connection is closed in any case."""
    messages_per_second: int = 5
    """Incoming frames of any kind beyond which a connection is closed."""
    futures_push_s: float = 0.25
    """How often an open candle of futures is told."""
    futures_ping_s: float = 180.0
    """How often connections to futures are sent a PING frame."""
    futures_messages_per_second: int = 10
    """The same limit of incoming frames for futures."""

    def of_venue(self, venue: str) -> StreamSettings:
        """Return the settings with those of the venue in their first place."""
        if venue == SPOT:
            return self
        return replace(
            self,
            push_s=self.futures_push_s,
            ping_s=self.futures_ping_s,
            pong_timeout_s=_FUTURES_PONG_S,
            messages_per_second=self.futures_messages_per_second,
        )


class StreamHub:
    """All open stream connections of the server."""

    def __init__(self, venue: Venue, settings: StreamSettings, executor: Executor) -> None:
        """Answer from ``venue``; engine calls run in ``executor``."""
        self._venue = venue
        self._settings = settings
        self._executor = executor
        self._connections: set[Connection] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection on ``/ws[/STREAM…]`` or ``/stream?streams=STREAM[/STREAM…]``.

        Below ``/market``, ``/public`` and ``/private`` the streams are those of futures.
        """
        lane, _, _ = request.path.lstrip("/").partition("/")
        name = USDM if lane in _FUTURES_LANES else SPOT
        combined = request.path.endswith("/stream") and "streams" not in request.match_info
        path = request.query.get("streams", "") if combined else request.match_info.get("streams")
        names = [name for name in (path or "").split("/") if name]
        socket = web.WebSocketResponse(autoping=False, timeout=_CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        if len(names) > MAX_STREAMS:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many streams")
            return socket
        subscriptions = Subscriptions(names, combined=combined)
        connection = Connection(socket, self._venue, name, self._settings, subscriptions)
        self._connections.add(connection)
        try:
            await connection.serve(self._executor)
        finally:
            self._connections.discard(connection)
        return socket

    async def close(self) -> None:
        """Tell every connection that the server goes down, and close it."""
        await asyncio.gather(*(connection.shut_down() for connection in self._connections))


class Connection:
    """One client: its subscriptions, its feeds and its life signs."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        venue: Venue,
        name: str,
        settings: StreamSettings,
        subscriptions: Subscriptions,
    ) -> None:
        """Take over an accepted socket; ``name`` is the market it listens to."""
        self._socket = socket
        self._venue = venue
        self._name = name
        self._engine = venue.market(name)
        self._settings = settings.of_venue(name)
        self._subscriptions = subscriptions
        self._feeds: dict[str, Feed] = {}
        self._changed = asyncio.Event()
        self._arrivals: deque[float] = deque()
        self._ping_sent: tuple[bytes, float] | None = None

    async def serve(self, executor: Executor) -> None:
        """Talk until either side closes, the lifetime is over or an engine fails (raises)."""
        parts = (self._read(), self._push(executor), self._keep_alive())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=self._settings.lifetime_s, return_when=asyncio.FIRST_COMPLETED
            )
            with contextlib.suppress(ConnectionError):
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._socket.close()

    async def shut_down(self) -> None:
        """Send ``serverShutdown`` and close."""
        body = f'{{"e":"serverShutdown","E":{self._venue.clock.now_ms()}}}'
        with contextlib.suppress(ConnectionError):
            await self._socket.send_str(self._wrap("!serverShutdown", body))
            await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _read(self) -> None:
        while True:
            message: WSMessage = await self._socket.receive()
            if message.type not in _CONTROL:
                return
            if self._is_flooding():
                await self._refuse(b"Too many requests")
                return
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._note_pong(message.data)
            else:
                text = _text_of(message)
                await self._socket.send_str(self._subscriptions.answer(text))
                self._changed.set()

    def _is_flooding(self) -> bool:
        now_s = time.monotonic()
        self._arrivals.append(now_s)
        while self._arrivals[0] <= now_s - 1.0:
            self._arrivals.popleft()
        return len(self._arrivals) > self._settings.messages_per_second

    async def _refuse(self, reason: bytes) -> None:
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason)

    def _note_pong(self, payload: bytes) -> None:
        if self._ping_sent and bytes(payload) == self._ping_sent[0]:
            self._ping_sent = None

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._settings.ping_s)
            now_s = time.monotonic()
            if self._ping_sent and now_s - self._ping_sent[1] >= self._settings.pong_timeout_s:
                await self._refuse(b"Pong timeout")
                return
            payload = str(self._venue.clock.now_ms()).encode()
            since_s = self._ping_sent[1] if self._ping_sent else now_s
            self._ping_sent = (payload, since_s)
            await self._socket.ping(payload)

    async def _push(self, executor: Executor) -> None:
        loop = asyncio.get_running_loop()
        next_push_s = time.monotonic()
        while True:
            self._changed.clear()
            now_s, now_ms = time.monotonic(), self._venue.clock.now_ms()
            is_push = now_s >= next_push_s
            if is_push:
                next_push_s = now_s + self._settings.push_s
            self._match_feeds(now_ms)
            feeds = dict(self._feeds)
            events = await loop.run_in_executor(executor, self._collect, feeds, now_ms, is_push)
            for name, event in events:
                await self._socket.send_str(self._wrap(name, event))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._rest_s(feeds, next_push_s))

    def _collect(self, feeds: dict[str, Feed], now_ms: int, is_push: bool) -> list[tuple[str, str]]:
        return [
            (name, event)
            for name, feed in feeds.items()
            for event in feed.collect(self._engine, now_ms, is_push=is_push)
        ]

    def _match_feeds(self, now_ms: int) -> None:
        """Open feeds for new subscriptions and drop those unsubscribed."""
        names = self._subscriptions.names
        self._feeds = {name: feed for name, feed in self._feeds.items() if name in names}
        for name in names:
            stream = None if name in self._feeds else parse_stream(name)
            feed = self._open_feed(stream, now_ms) if stream else None
            if feed is not None:
                self._feeds[name] = feed

    def _open_feed(self, stream: Stream, now_ms: int) -> Feed | None:
        if stream.symbol not in self._engine.listed(now_ms):
            return None
        if stream.interval and stream.interval.label not in self._engine.intervals:
            return None
        return open_feed(stream, now_ms, self._name)

    def _rest_s(self, feeds: dict[str, Feed], next_push_s: float) -> float:
        """Return the real seconds until the next event can be due."""
        rest_s = max(next_push_s - time.monotonic(), 0.0)
        if any(isinstance(feed, TradeFeed) for feed in feeds.values()):
            rest_s = min(rest_s, self._settings.trade_look_s)
        due_ms = min((feed.due_ms() for feed in feeds.values()), default=float("inf"))
        if due_ms < float("inf"):
            rest_s = min(rest_s, self._venue.clock.seconds_until(int(due_ms)))
        # A millisecond more, so that the clock has surely passed the instant waited for.
        return rest_s + 0.001

    def _wrap(self, name: str, event: str) -> str:
        if self._subscriptions.combined:
            return f'{{"stream":"{name}","data":{event}}}'
        return event


def _text_of(message: WSMessage) -> str:
    if message.type is WSMsgType.TEXT:
        return str(message.data)
    return bytes(message.data).decode(errors="replace")
