"""A line of some length: passes bytes on both ways, each half of the round trip later."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what comes, ``delay_s`` after it came."""
    loop = asyncio.get_running_loop()
    while chunk := await source.read(1 << 20):
        loop.call_later(delay_s, target.write, chunk)
    loop.call_later(delay_s, target.close)


async def main(url: str, delay_s: float) -> None:
    """Listen on a free port, print the address and serve until terminated."""
    venue = urlsplit(url)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(venue.hostname, venue.port, limit=1 << 22)
        await asyncio.gather(carry(reader, back, delay_s / 2), carry(there, writer, delay_s / 2))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
