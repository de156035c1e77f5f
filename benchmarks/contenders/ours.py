"""Candlewick's own way from the venue to landed Parquet: REST, archive, or decoding alone."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_archive.layout import plan_files
from include.exchanges.binance_klines import parse_klines
from include.exchanges.binance_spot.client import RATE_LIMITS, TRAITS, BinanceSpot
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.exchanges.rows import CandleRows
from include.jobs.ask_twice import fetch_twice
from include.jobs.land_candles import split_batches
from include.jobs.storage import payload_sha256, write_rows
from include.market.rate_limit import RateLimit
from include.market.span import Span
from include.market.timeframe import M1

BATCH_DAYS = 7


def land(rows: CandleRows, folder: Path) -> int:
    """Write one batch as the jobs do; return its rows."""
    path = folder / f"{payload_sha256(rows)}.parquet"
    write_rows(path, rows, server_time_ms=0, traits=TRAITS)
    return len(rows)


def fetch_rest(url: str, symbol: str, span: Span, folder: Path) -> int:
    """Land ``span`` page by page."""
    source = BinanceSpot(open_client(url))
    batches = split_batches(span, BATCH_DAYS)
    return sum(land(fetch_twice(source, symbol, batch, 1000).rows, folder) for batch in batches)


def fetch_archive(url: str, symbol: str, span: Span, folder: Path) -> int:
    """Land ``span`` file by file."""
    archive, total = BinanceArchive(open_client(url), market="spot"), 0
    for file in plan_files("spot", symbol, M1, span, now_ms=span.end_ms + 40 * 86_400_000):
        found = archive.read_candles(file)
        total += 0 if found is None else land(found.rows, folder)
    return total


def decode(url: str, symbol: str, span: Span, folder: Path) -> int:
    """Decode one recorded page again and again: the parser alone."""
    body = (folder / "page.json").read_bytes()
    return sum(len(parse_klines(body)) for _ in range(300))


def open_client(url: str) -> HttpClient:
    """Return the client the jobs use, with a limit nobody reaches."""
    limit = RateLimit(RATE_LIMITS[0].scope, weight=10**9)
    return HttpClient(url, HttpSettings(), governor=LocalGovernor(limit))


WAYS: dict[str, Callable[[str, str, Span, Path], int]] = {
    "rest": fetch_rest,
    "archive": fetch_archive,
    "decode": decode,
}


def main() -> None:
    """Run one way and print rows, seconds, CPU seconds and the peak of memory."""
    way, url, symbol, start, end, folder = sys.argv[1:]
    wall, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[way](url, symbol, Span(int(start), int(end)), Path(folder))
    print(
        json.dumps(
            {
                "rows": rows,
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
