"""The control routes under ``/sim/``: they are never faulty, never logged and weigh nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from include.market.errors import InvalidInputError
from include.simulator.faults.desk import FaultDesk
from include.simulator.faults.rules import parse_rules
from include.simulator.faults.scenario import Scenario, Stage, parse_scenario
from include.simulator.protocol import VenueError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DESK = web.AppKey("faults", FaultDesk)

_DEFAULT_HITS = 10_000


def attach_faults(app: web.Application, stage: Stage) -> None:
    """Let rules make the application's REST routes misbehave, and serve the control routes.

    Call it before a route that catches all paths is added.
    """
    desk = FaultDesk(stage.clock)
    app[DESK] = desk

    @web.middleware
    async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await desk.handle(request, handler)

    app.middlewares.append(misbehave)
    control = _Control(desk, stage)
    app.router.add_post("/sim/faults", control.answer(control.switch_on))
    app.router.add_get("/sim/faults", control.answer(control.list_rules))
    app.router.add_delete("/sim/faults", control.answer(control.switch_all_off))
    app.router.add_delete("/sim/faults/{id}", control.answer(control.switch_off))
    app.router.add_post("/sim/scenario", control.answer(control.play))
    app.router.add_get("/sim/hits", control.answer(control.list_hits))
    app.router.add_delete("/sim/hits", control.answer(control.clear_hits))
    app.router.add_get("/sim/hits/summary", control.answer(control.summarise))


def put_in_force(app: web.Application, stage: Stage, scenario: Scenario) -> None:
    """Put a scenario in force at an application that ``attach_faults`` has prepared.

    Raises:
        InvalidInputError: an amendment that cannot be right.
    """
    scenario.put_in_force(app[DESK].book, stage)


class _Control:
    """The answers of the control routes."""

    def __init__(self, desk: FaultDesk, stage: Stage) -> None:
        self._desk = desk
        self._stage = stage

    def answer(self, act: Callable[[web.Request], Awaitable[object]]) -> Handler:
        """Return a handler that answers what ``act`` returns, refusals in the venue's form."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return web.json_response(await act(request))
            except InvalidInputError as error:
                refusal = VenueError(-1130, str(error))
            except VenueError as error:
                refusal = error
            return web.Response(
                text=refusal.body(), status=refusal.status, content_type="application/json"
            )

        return handle

    async def switch_on(self, request: web.Request) -> object:
        """Switch on one rule or a list of them: all, or none where one is wrong."""
        return {"ids": self._desk.book.switch_on(parse_rules(await _read_json(request)))}

    async def list_rules(self, _: web.Request) -> object:
        """List the rules with their counts."""
        return {"faults": self._desk.book.describe()}

    async def switch_all_off(self, _: web.Request) -> object:
        """Switch all rules off, lift bans and forget pauses."""
        return {"switched_off": self._desk.calm()}

    async def switch_off(self, request: web.Request) -> object:
        """Switch one rule off; a ban that it made goes on."""
        text = request.match_info["id"]
        if not text.isdecimal() or not self._desk.book.switch_off(int(text)):
            raise VenueError(
                -1000,
                f"No fault rule {text[:40]} is on: GET /sim/faults lists those that are.",
                status=404,
            )
        return {"switched_off": 1}

    async def play(self, request: web.Request) -> object:
        """Put a scenario in force: all of it, or nothing."""
        scenario = parse_scenario(await _read_json(request))
        ids = scenario.put_in_force(self._desk.book, self._stage)
        return {"ids": ids, "amendments": len(scenario.amendments)}

    async def list_hits(self, request: web.Request) -> object:
        """List logged requests after ``since`` whose path fits ``path``."""
        since, limit = _whole(request, "since", 0), _whole(request, "limit", _DEFAULT_HITS)
        return self._desk.log.select(since, request.query.get("path", "*"), limit)

    async def clear_hits(self, _: web.Request) -> object:
        """Forget all logged requests; serial numbers go on."""
        return {"forgotten": self._desk.log.clear()}

    async def summarise(self, _: web.Request) -> object:
        """Count the logged requests."""
        return self._desk.log.summarise()


async def _read_json(request: web.Request) -> object:
    try:
        document: object = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the body is not JSON ({error}): send rules as JSON") from None
    return document


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or len(text) > 18:
        raise InvalidInputError(f"{name} {text[:40]!r}: write a whole number")
    return int(text)
