"""Faults that answer something else: refusals, error pages, redirects."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

from include.simulator.faults.answer import Answer
from include.simulator.faults.book import Firing

_HTML = "text/html; charset=utf-8"
_TOO_MANY = (
    "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use "
    "WebSocket Streams for live updates to avoid polling the API."
)


def _error(status: int, code: int, message: str, **headers: str) -> Answer:
    body = json.dumps({"code": code, "msg": message}).encode()
    return Answer(status, body, headers=headers)


def _page(status: int, title: str) -> Answer:
    text = (
        f"<!DOCTYPE html><html><head><title>{title}</title></head>"
        f"<body><center><h1>{title}</h1></center><hr></body></html>"
    )
    return Answer(status, text.encode(), _HTML)


def refuse_rate(firing: Firing, now_s: float) -> Answer:
    """Answer 429 with the pause that the rule names."""
    wait_s = firing["retry_after_s"]
    date = formatdate(math.ceil(now_s) + wait_s, usegmt=True)
    told = date if firing["form"] == "http_date" else str(wait_s)
    answer = _error(429, -1003, _TOO_MANY, **{"Retry-After": told})
    return Answer(429, answer.body, headers=answer.headers, wait_s=float(wait_s))


def answer_ban(left_s: float, now_s: float) -> Answer:
    """Answer 418 with the rest of a ban."""
    message = (
        f"Way too much request weight used; IP banned until {int((now_s + left_s) * 1000)}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    wait = {"Retry-After": str(max(1, math.ceil(left_s)))}
    return _error(418, -1003, message, **wait)


def fail_server(firing: Firing, _: float) -> Answer:
    """Answer 5xx."""
    status = firing["status"]
    if firing["form"] == "html":
        known = {code.value: code.phrase for code in HTTPStatus}
        return _page(status, f"{status} {known.get(status, 'Error')}")
    return _error(status, -1001, "Internal error; unable to process your request. Please try again")


def redirect(firing: Firing, _: float) -> Answer:
    """Answer a redirect."""
    where = firing["location"].replace("\r", "").replace("\n", "")
    return Answer(firing["status"], b"", headers={"Location": where})


REFUSALS: dict[str, Callable[[Firing, float], Answer]] = {
    "rate_limited": refuse_rate,
    "rate_limited_mute": lambda *_: _error(429, -1003, _TOO_MANY),
    "rate_limited_long": refuse_rate,
    "banned": lambda firing, now_s: answer_ban(firing["ban_s"], now_s),
    "forbidden_html": lambda *_: _page(403, "403 Forbidden"),
    "geo_blocked": lambda *_: _error(
        451, 0, "Service unavailable from a restricted location according to the terms of use."
    ),
    "server_error": fail_server,
    "html_200": lambda *_: _page(200, "The site is under maintenance"),
    "redirect": redirect,
    "not_found": lambda *_: _page(404, "404 Not Found"),
    "unknown_symbol": lambda *_: _error(400, -1121, "Invalid symbol."),
}
"""Answers by fault; each takes the firing and the real time in epoch seconds."""
