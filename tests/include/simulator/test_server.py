from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import ClientSession, WSMsgType
from aiohttp.test_utils import TestServer

from include.simulator.rest import Venue
from include.simulator.server import build_app


def test_shutdown_is_announced_on_every_connection(venue: Venue) -> None:
    async def main() -> list[Any]:
        server = TestServer(build_app(venue))
        await server.start_server()
        async with ClientSession() as session:
            base = f"http://127.0.0.1:{server.port}"
            raw = await session.ws_connect(f"{base}/ws")
            combined = await session.ws_connect(f"{base}/stream")
            closing = asyncio.create_task(server.close())
            seen: list[Any] = []
            for socket in (raw, combined):
                seen.append(json.loads(await socket.receive_str(timeout=60)))
                assert (await socket.receive(timeout=60)).type is WSMsgType.CLOSE
                assert socket.close_code == 1001
            await closing
            return seen

    raw, combined = asyncio.run(main())
    assert raw["e"] == "serverShutdown"
    assert combined == {"stream": "!serverShutdown", "data": raw}
