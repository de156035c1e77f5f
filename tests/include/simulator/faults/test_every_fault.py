"""Every fault at every kind of route of the whole simulator, which must outlive them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from include.simulator.clock import FrozenClock
from include.simulator.faults.table import FAULTS
from include.simulator.synthetic import SyntheticEngine
from include.simulator.venue import Venue
from include.simulator.weights import WeightMeter

MINUTE_MS = 60_000
SHORT = {"hold_s": 0.05, "delay_s": 0.05, "max_s": 0.1, "ban_s": 0.01, "gap_s": 0.01}
ARCHIVE = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-07-29.zip"


def routes(now_ms: int) -> list[str]:
    current_ms = now_ms - now_ms % MINUTE_MS
    klines = [
        f"/{base}/klines?symbol=BTCUSDT&interval=1m&startTime={current_ms - n * 30 * MINUTE_MS}"
        f"&endTime={current_ms - (n - 1) * 30 * MINUTE_MS - 1}"
        for base in ("api/v3", "fapi/v1")
        for n in (2, 1)
    ]
    funding = f"/fapi/v1/fundingRate?symbol=BTCUSDT&endTime={current_ms}&limit=5"
    objects = ["/api/v3/exchangeInfo?symbol=BTCUSDT", "/api/v3/time", "/fapi/v1/time"]
    trades = "/api/v3/aggTrades?symbol=BTCUSDT&limit=20"
    return [*klines, trades, funding, *objects, ARCHIVE, f"{ARCHIVE}.CHECKSUM"]


def rule_of(name: str) -> dict[str, object]:
    params = {param.name for param in FAULTS[name].params}
    return {"fault": name, **{key: SHORT[key] for key in params & set(SHORT)}, "seed": 3}


async def fetch(port: int, target: str) -> bytes:
    """Return all bytes of one answer, whatever they are."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    seen = b""
    try:
        while chunk := await reader.read(65_536):
            seen += chunk
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return seen


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def told(engine: SyntheticEngine, now_ms: int, run_server: Callable[..., Any]) -> dict[str, Any]:
    """What every fault made of every route, twice, and the clean answers before and after."""
    clock, plenty = FrozenClock(now_ms), WeightMeter(10**6)
    venue = Venue(engine, clock, plenty, futures_meter=WeightMeter(10**6))

    async def round_of(session: ClientSession, base: str, name: str) -> dict[str, Any]:
        async with session.post(f"{base}/sim/faults", json=rule_of(name)) as reply:
            assert reply.status == 200, await reply.text()
        port = int(base.rsplit(":", 1)[1])
        answers = [body(await fetch(port, target)) for target in routes(now_ms)]
        async with session.get(f"{base}/sim/faults") as reply:
            fired = (await reply.json())["faults"][0]["fired"]
        async with session.delete(f"{base}/sim/faults") as reply:
            assert reply.status == 200
        return {"answers": answers, "fired": fired}

    async def work(session: ClientSession, base: str) -> dict[str, Any]:
        port = int(base.rsplit(":", 1)[1])
        seen: dict[str, Any] = {}
        for key in ("before", "after"):
            seen[key] = [body(await fetch(port, target)) for target in routes(now_ms)]
            if key == "before":
                for name in FAULTS:
                    runs = 2 if FAULTS[name].kind in ("rows", "bytes") else 1
                    seen[name] = [await round_of(session, base, name) for _ in range(runs)]
        return seen

    seen: dict[str, Any] = run_server(venue, work)
    return seen


def test_the_routes_answer_when_nothing_is_wrong(told: dict[str, Any]) -> None:
    assert all(len(answer) > 10 for answer in told["before"])
    assert not any(b'"code"' in answer for answer in told["before"])


def test_the_simulator_outlives_every_fault(told: dict[str, Any]) -> None:
    assert told["after"] == told["before"]


@pytest.mark.parametrize("name", list(FAULTS))
def test_every_fault_fires_somewhere_and_changes_what_is_told(
    told: dict[str, Any], name: str
) -> None:
    first = told[name][0]
    assert first["fired"] >= 1
    if name != "late_answer":
        assert first["answers"] != told["before"]


@pytest.mark.parametrize(
    "name", [fault.name for fault in FAULTS.values() if fault.kind in ("rows", "bytes")]
)
def test_every_lie_can_be_repeated(told: dict[str, Any], name: str) -> None:
    first, second = told[name]
    assert first == second
