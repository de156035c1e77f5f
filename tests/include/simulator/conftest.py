"""Fixtures of the simulator's tests: engines that are costly to warm, and a loopback client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from include.market.timeframe import DAY_MS
from include.simulator.catalogue import list_symbols
from include.simulator.clock import FrozenClock
from include.simulator.rest import Venue
from include.simulator.server import MAX_LINE_BYTES, build_app
from include.simulator.stream import StreamSettings
from include.simulator.synthetic import SyntheticEngine
from include.simulator.weights import WeightMeter

DAY = 20_300
NOW_MS = DAY * DAY_MS + 5 * 3_600_000 + 17 * 60_000 + 30_500


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Any


Work = Callable[[ClientSession, str], Awaitable[Any]]


@pytest.fixture(scope="package")
def engine() -> SyntheticEngine:
    """A synthetic engine without outages, shared because blocks are cached and never state."""
    symbols = ("BTCUSDT", "ETHUSDT", "ETHBTC", "ZZZUSDT")
    return SyntheticEngine(7, list_symbols(symbols), outages_per_year=0.0)


@pytest.fixture(scope="package")
def now_ms() -> int:
    """An instant in the middle of a minute: 2025-07-31 05:17:30.5 UTC."""
    return NOW_MS


@pytest.fixture(scope="package")
def venue(engine: SyntheticEngine, now_ms: int) -> Venue:
    """The shared engine at a clock that stands still."""
    return Venue(engine, FrozenClock(now_ms), WeightMeter(1_000_000))


def serve_venue(venue: Venue, work: Work, settings: StreamSettings | None = None) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(60):
            server = TestServer(build_app(venue, settings))
            await server.start_server(max_line_size=MAX_LINE_BYTES)
            try:
                async with ClientSession() as session:
                    return await work(session, f"http://127.0.0.1:{server.port}")
            finally:
                await server.close()

    return asyncio.run(main())


@pytest.fixture(scope="package")
def run_server() -> Callable[..., Any]:
    """Hand out ``serve_venue`` to tests."""
    return serve_venue


@pytest.fixture(scope="package")
def ask(venue: Venue) -> Callable[..., Reply]:
    """Return a function that GETs a path of the given (or shared) venue."""

    def get(path: str, query: str = "", *, of: Venue = venue) -> Reply:
        async def work(session: ClientSession, base: str) -> Reply:
            async with session.get(f"{base}{path}?{query}") as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, headers, json.loads(await response.text()))

        reply: Reply = serve_venue(of, work)
        return reply

    return get


@pytest.fixture(scope="package")
def shared_data() -> Path:
    """The folder of recorded data beside the project; tests skip without it."""
    folder = Path(__file__).parents[3].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}")
    return folder
