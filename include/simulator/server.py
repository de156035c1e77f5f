"""The HTTP and WebSocket server around a venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from aiohttp import web

from include.simulator.faults.routes import attach_faults
from include.simulator.futures_rest import FUTURES_ENDPOINTS
from include.simulator.params import Params
from include.simulator.protocol import VenueError
from include.simulator.rest import ENDPOINTS
from include.simulator.routes import add_amendment_routes, add_archive_routes, refuse
from include.simulator.sim_rest import SIM_ENDPOINTS
from include.simulator.stream import StreamHub, StreamSettings
from include.simulator.venue import Endpoint, Venue

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_LINE_BYTES = 65_536
"""Longest request line: an URL may name 1024 streams. Runners need it as ``max_line_size``."""

_THREADS = 4
_ENDPOINTS = {**ENDPOINTS, **FUTURES_ENDPOINTS, **SIM_ENDPOINTS}
_STREAM_LANES = ("", "/market", "/public", "/private")
_TIME_UNIT = "X-MBX-TIME-UNIT"


def build_app(venue: Venue, settings: StreamSettings | None = None) -> web.Application:
    """Return the application; all engine work runs in a few threads, so pushes stay prompt."""
    app = web.Application()
    attach_faults(app, venue)
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="engine")
    for path, endpoint in _ENDPOINTS.items():
        app.router.add_get(path, _rest_handler(venue, endpoint, threads))
    add_amendment_routes(app, venue)
    add_archive_routes(app, venue, threads)
    hub = StreamHub(venue, settings or StreamSettings(), threads)
    for lane in _STREAM_LANES:
        app.router.add_get(f"{lane}/ws", hub.handle)
        app.router.add_get(f"{lane}/ws/{{streams:.*}}", hub.handle)
        app.router.add_get(f"{lane}/stream", hub.handle)
    app.router.add_route("*", "/{path:.*}", _refuse_path)

    async def close(_: web.Application) -> None:
        await hub.close()
        threads.shutdown(wait=False, cancel_futures=True)

    app.on_shutdown.append(close)
    return app


def _rest_handler(venue: Venue, endpoint: Endpoint, threads: ThreadPoolExecutor) -> Handler:
    meter = venue.meters()[endpoint.meter]

    async def handle(request: web.Request) -> web.StreamResponse:
        weight = endpoint.weigh(request.query)
        used = meter.add(request.remote or "", weight)
        headers = {"x-mbx-uuid": str(uuid4())}
        if endpoint.tells_weight:
            headers |= {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}
        try:
            meter.check(used if weight else 0)
            pairs, unit = list(request.query.items()), request.headers.get(_TIME_UNIT, "")
            params = Params(pairs, endpoint.known, time_unit=unit)
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(threads, endpoint.answer, venue, params)
        except VenueError as error:
            return refuse(error, headers)
        return web.Response(text=body, headers=headers, content_type="application/json")

    return handle


async def _refuse_path(request: web.Request) -> web.StreamResponse:
    known = ", ".join([*_ENDPOINTS, "/sim/amendments", "/data", "/ws", "/stream"])
    if request.path in _ENDPOINTS:
        message, status = f"Only GET is answered here, was {request.method}.", 405
    else:
        message, status = f"Unknown path {request.path}: the simulator serves {known}.", 404
    return refuse(VenueError(-1000, message, status=status), {})
