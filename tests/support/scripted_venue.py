"""The client on a scripted loopback venue, under a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.rate_limit import RateLimit
from tests.support.http_server import Act, Script, answer, serve

GOOD = answer(b'{"ok":true}')
BUSY = answer(b"<html>busy</html>", "503 Busy", kind="text/html")
SLOW_DOWN = answer(b"{}", "429 Slow", extra="Retry-After: 7\r\n")
BANNED = answer(b"{}", "418 Banned", extra="Retry-After: 100\r\n")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 6_000.0
        self.slept_s: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


def client_of(base_url: str, clock: Clock, **settings: Any) -> HttpClient:
    governor = LocalGovernor(RateLimit("venue", 6000), now=clock.now, sleep=clock.sleep)
    return HttpClient(
        base_url, HttpSettings(**settings), governor=governor, sleep=clock.sleep, now=clock.now
    )


@contextmanager
def venue(*answers: Act, **settings: Any) -> Iterator[tuple[HttpClient, Script, Clock]]:
    clock = Clock()
    with serve(*answers) as script:
        client = client_of(script.base_url, clock, **settings)
        try:
            yield client, script, clock
        finally:
            client.close()


def ask(client: HttpClient) -> Any:
    return client.get("/api/v3/time", {"symbol": "BTCUSDT"}, weight=1)
