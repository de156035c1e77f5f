"""The HTTP and WebSocket server around a venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from aiohttp import web

from include.simulator.params import Params
from include.simulator.protocol import VenueError
from include.simulator.rest import ENDPOINTS, Endpoint, Venue, weigh
from include.simulator.stream import StreamHub, StreamSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_LINE_BYTES = 65_536
"""Longest request line: an URL may name 1024 streams. Runners need it as ``max_line_size``."""

_THREADS = 4


def build_app(venue: Venue, settings: StreamSettings | None = None) -> web.Application:
    """Return the application; all engine work runs in a few threads, so pushes stay prompt."""
    app = web.Application()
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="engine")
    for path, endpoint in ENDPOINTS.items():
        app.router.add_get(path, _rest_handler(venue, path, endpoint, threads))
    hub = StreamHub(venue, settings or StreamSettings(), threads)
    app.router.add_get("/ws", hub.handle)
    app.router.add_get("/ws/{streams:.*}", hub.handle)
    app.router.add_get("/stream", hub.handle)
    app.router.add_route("*", "/{path:.*}", _refuse_path)

    async def close(_: web.Application) -> None:
        await hub.close()
        threads.shutdown(wait=False, cancel_futures=True)

    app.on_shutdown.append(close)
    return app


def _rest_handler(
    venue: Venue, path: str, endpoint: Endpoint, threads: ThreadPoolExecutor
) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        weight = weigh(path, set(request.query))
        used = venue.meter.add(request.remote or "", weight)
        headers = {
            "x-mbx-uuid": str(uuid4()),
            "x-mbx-used-weight": str(used),
            "x-mbx-used-weight-1m": str(used),
        }
        try:
            venue.meter.check(used if weight else 0)
            params = Params(list(request.query.items()), endpoint.known)
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(threads, endpoint.answer, venue, params)
        except VenueError as error:
            return _refusal(error, headers)
        return web.Response(text=body, headers=headers, content_type="application/json")

    return handle


async def _refuse_path(request: web.Request) -> web.StreamResponse:
    known = ", ".join([*ENDPOINTS, "/ws", "/stream"])
    if request.path in ENDPOINTS:
        message, status = f"Only GET is answered here, was {request.method}.", 405
    else:
        message, status = f"Unknown path {request.path}: the simulator serves {known}.", 404
    return _refusal(VenueError(-1000, message, status=status), {})


def _refusal(error: VenueError, headers: dict[str, str]) -> web.Response:
    if error.retry_after_s is not None:
        headers = {**headers, "Retry-After": str(error.retry_after_s)}
    return web.Response(
        text=error.body(), status=error.status, headers=headers, content_type="application/json"
    )
