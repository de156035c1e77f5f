"""The routes that are no REST endpoints: the published files and the amendments."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from include.market.errors import InvalidInputError
from include.simulator.amendments import Amendments
from include.simulator.protocol import VenueError
from include.simulator.venue import Venue

_NO_SUCH_KEY = """\
<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"""


def add_archive_routes(app: web.Application, venue: Venue, threads: ThreadPoolExecutor) -> None:
    """Serve the published files below ``/data/``; others are 404, as a bucket answers."""

    async def read(request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        path, now_ms = request.match_info["path"], venue.clock.now_ms()
        content = await loop.run_in_executor(threads, venue.archive.read, path, now_ms)
        if content is None:
            return web.Response(status=404, text=_NO_SUCH_KEY, content_type="application/xml")
        kind = "application/zip" if path.endswith(".zip") else "binary/octet-stream"
        return web.Response(body=content, content_type=kind)

    app.router.add_get("/data/{path:.*}", read)


def add_amendment_routes(app: web.Application, venue: Venue) -> None:
    """Answer ``/sim/amendments``: GET lists, POST adds (a rule or a list), DELETE takes all."""

    async def show(_: web.Request) -> web.StreamResponse:
        return _list_rules(venue)

    async def add(request: web.Request) -> web.StreamResponse:
        try:
            venue.amendments.add(_read_rules(await request.text(), venue.clock.now_ms()))
        except InvalidInputError as error:
            return refuse(VenueError(-1130, str(error)), {})
        return _list_rules(venue)

    async def clear(_: web.Request) -> web.StreamResponse:
        venue.amendments.clear()
        return _list_rules(venue)

    app.router.add_get("/sim/amendments", show)
    app.router.add_post("/sim/amendments", add)
    app.router.add_delete("/sim/amendments", clear)


def refuse(error: VenueError, headers: dict[str, str]) -> web.Response:
    """Return the answer that a refused request gets."""
    if error.retry_after_s is not None:
        headers = {**headers, "Retry-After": str(error.retry_after_s)}
    return web.Response(
        text=error.body(), status=error.status, headers=headers, content_type="application/json"
    )


def _list_rules(venue: Venue) -> web.Response:
    return web.json_response([rule.describe() for rule in venue.amendments.rules])


def _read_rules(text: str, now_ms: int) -> Amendments:
    try:
        rules = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"the body is not JSON ({error}): send a rule or a list") from None
    if isinstance(rules, Mapping):
        rules = [rules]
    if not isinstance(rules, list):
        raise InvalidInputError(f"expected a rule or a list of rules, was {rules!r}")
    return Amendments.from_rules(rules, now_ms=now_ms)
