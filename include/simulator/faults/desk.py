"""The desk at which all REST requests pass: it logs them and makes the answers of the rules.

An answer is made clean, then lied about, then damaged on the wire; what fired is in the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from include.simulator.clock import Clock
from include.simulator.faults.answer import Answer, read_answer
from include.simulator.faults.asked import Asked, read_asked
from include.simulator.faults.book import Firing, RuleBook
from include.simulator.faults.content import Liar
from include.simulator.faults.hits import Hit, HitLog
from include.simulator.faults.refusals import REFUSALS, answer_ban
from include.simulator.faults.standing import Standing
from include.simulator.faults.transport import DamagedResponse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTROL_PREFIX = "/sim/"
_SMALL_BYTES = 65_536


class FaultDesk:
    """Rules, log and bans of one simulator; ``handle`` is the middleware."""

    def __init__(self, clock: Clock) -> None:
        """Begin honest, with an empty log."""
        self.book = RuleBook()
        self.log = HitLog()
        self.standing = Standing()
        self.liar = Liar()
        self._clock = clock

    def calm(self) -> int:
        """Switch all rules off, lift bans, forget pauses; return how many rules were on."""
        self.standing.pardon()
        self.liar.forget()
        return self.book.switch_off()

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request as the rules wish; streams and ``/sim/`` pass untouched."""
        is_stream = request.headers.get("Upgrade", "").lower() == "websocket"
        if is_stream or request.path.startswith(CONTROL_PREFIX):
            return await handler(request)
        address = request.remote or ""
        hit = self.log.open(address, request.method, request.path, request.query_string)
        asked = read_asked(request.path, request.query)
        ban_left_s = self.standing.ban_left_s(address, asked.venue)
        if ban_left_s is not None:
            hit.during_ban = True
            return _send(answer_ban(ban_left_s, time.time()), [], hit)
        paused_for_s = self.standing.paused_for_s(address, asked.venue)
        hit.pause_age_ms = None if paused_for_s is None else int(paused_for_s * 1000)
        firings = self.book.claim(asked)
        try:
            return await self._answer(request, handler, asked, firings, hit)
        except web.HTTPException as refusal:
            hit.finish(refusal.status, 0)
            raise

    async def _answer(
        self,
        request: web.Request,
        handler: Handler,
        asked: Asked,
        firings: list[Firing],
        hit: Hit,
    ) -> web.StreamResponse:
        refusal = next((firing for firing in firings if firing.kind == "instead"), None)
        if refusal is not None:
            answer = REFUSALS[refusal.name](refusal, time.time())
            if refusal.name == "banned":
                venue = asked.venue if refusal["scope"] == "venue" else None
                self.standing.ban(hit.address, venue, refusal["ban_s"])
            bitten = [refusal]
        else:
            response = await handler(request)
            clean = read_answer(response)
            if clean is None:
                hit.finish(response.status, 0)
                return response
            answer, bitten = await self._lie(clean, firings, asked)
        if answer.status == 429 and answer.wait_s is not None:
            self.standing.pause(hit.address, asked.venue, answer.wait_s)
        damages = [firing for firing in firings if firing.kind == "transport"]
        return _send(answer, [*bitten, *damages], hit)

    async def _lie(
        self, clean: Answer, firings: list[Firing], asked: Asked
    ) -> tuple[Answer, list[Firing]]:
        """Return the answer with its lies; firings that found nothing to change are released."""
        content = [firing for firing in firings if firing.kind in ("rows", "bytes")]
        clean = self.liar.checksum_of(clean, asked)
        work = (clean, content, asked, self._clock.now_ms())
        if content and (len(clean.body) > _SMALL_BYTES or any(_is_heavy(f) for f in content)):
            answer, bitten = await asyncio.to_thread(self.liar.change, *work)
        else:
            answer, bitten = self.liar.change(*work)
        for firing in content:
            if firing not in bitten:
                firing.release()
        return answer, bitten


def _is_heavy(firing: Firing) -> bool:
    return firing.name in ("gzip_bomb", "zip_bomb", "huge_integer", "deep_nesting")


def _send(answer: Answer, firings: list[Firing], hit: Hit) -> web.StreamResponse:
    hit.faults = [firing.name for firing in firings]
    if firings and firings[-1].kind == "transport":
        return DamagedResponse(answer, firings[-1], hit)
    hit.finish(answer.status, len(answer.body))
    return answer.response()
