"""Other people's ways, in a virtual environment of their own, and limits.

``wire_*`` only read bodies on one kept-alive connection, ``orjson`` and ``msgspec`` only decode a
recorded page into columns, ``arrow`` a recorded file. These are limits, not rivals.
"""

from __future__ import annotations

import http.client
import importlib
import io
import json
import resource
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

MINUTE_MS = 60_000
DECODED_PAGES = 300
COLUMNS = ["date", "open", "high", "low", "close", "volume"]


def pages(start: int, end: int) -> range:
    """Return where pages of 1,000 candles begin."""
    return range(start, end, 1000 * MINUTE_MS)


def ask(url: str, symbol: str, start: int, end: int) -> Iterator[bytes]:
    """Yield every page's bytes, read by the standard library."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for cursor in pages(start, end):
        query = f"symbol={symbol}&interval=1m&startTime={cursor}&endTime={end - 1}&limit=1000"
        connection.request("GET", f"/api/v3/klines?{query}")
        yield connection.getresponse().read()


def wire_http(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Read every page's bytes and nothing else; counts the candles asked for."""
    for _ in ask(url, symbol, start, end):
        pass
    return (end - start) // MINUTE_MS


def wire_requests(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Do the same with requests, on one session."""
    import requests

    with requests.Session() as session:
        for cursor in pages(start, end):
            known = {"symbol": symbol, "interval": "1m", "startTime": cursor}
            bounds = {**known, "endTime": end - 1, "limit": 1000}
            session.get(f"{url}/api/v3/klines", params=bounds).content  # noqa: B018
    return (end - start) // MINUTE_MS


def wire_msgspec(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Read every page and decode it on arrival; check nothing and write nothing."""
    decode = open_decoder()
    return sum(len(decode(body)) for body in ask(url, symbol, start, end))


def open_decoder() -> Callable[[bytes], np.ndarray]:
    """Return the fastest way found from a page to numbers: see docs/benchmarks.md."""
    import msgspec

    decoder = msgspec.json.Decoder(list[tuple[(float,) * 12]], strict=False)

    def decode(body: bytes) -> np.ndarray:
        found = decoder.decode(body)
        cells = np.fromiter(chain.from_iterable(found), np.float64, count=12 * len(found))
        return cells.reshape(-1, 12)

    return decode


def msgspec(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Decode one recorded page to numbers again and again."""
    body, decode = (folder / "page.json").read_bytes(), open_decoder()
    return sum(len(decode(body)) for _ in range(DECODED_PAGES))


def orjson(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Do the same with orjson."""
    import orjson as library

    body = (folder / "page.json").read_bytes()
    rows = 0
    for _ in range(DECODED_PAGES):
        found = library.loads(body)
        cells = map(float, chain.from_iterable(found))
        rows += len(np.fromiter(cells, np.float64, count=12 * len(found)).reshape(-1, 12))
    return rows


def arrow(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Unpack one recorded month and decode its lines to columns, on one core."""
    from pyarrow import csv

    names = [str(at) for at in range(12)]
    types = {name: "float64" if name not in ["0", "6", "8"] else "int64" for name in names}
    rows = 0
    for _ in range(6):
        with zipfile.ZipFile(folder / "month.zip") as packed:
            text = packed.read(packed.namelist()[0])
        table = csv.read_csv(
            io.BytesIO(text),
            read_options=csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=csv.ParseOptions(quote_char=False),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        arrays = [column.to_numpy() for column in table.columns]
        rows += len(arrays[0])
    return rows


def open_ccxt(library: Any, url: str) -> Any:
    """Return ccxt's Binance client, pointed at the simulator."""
    exchange = library.binance({"options": {"fetchMarkets": {"types": ["spot"]}}})
    exchange.options["fetchCurrencies"] = False
    for key, address in exchange.urls["api"].items():
        if isinstance(address, str):
            exchange.urls["api"][key] = url + urlsplit(address).path
    return exchange


def unified(symbol: str) -> str:
    """Return ccxt's name of a symbol quoted in USDT."""
    return f"{symbol.removesuffix('USDT')}/USDT"


def ccxt(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Page through ``fetch_ohlcv`` and write Parquet, as ccxt's manual shows."""
    import ccxt as library

    exchange = open_ccxt(library, url)
    exchange.enableRateLimit = False
    exchange.load_markets()
    rows: list[list[float]] = []
    cursor = start
    while cursor < end:
        page = exchange.fetch_ohlcv(unified(symbol), "1m", since=cursor, limit=1000)
        if not page:
            break
        rows += page
        cursor = page[-1][0] + MINUTE_MS
    frame = pd.DataFrame([row for row in rows if row[0] < end], columns=COLUMNS)
    frame.to_parquet(folder / "ccxt.parquet", compression="zstd")
    return len(frame)


def archive(url: str, symbol: str, start: int, end: int, folder: Path) -> int:
    """Read the archive as freqtrade does: zip, ``pandas.read_csv``; here written to Parquet."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    frames = []
    for month in pd.period_range(pd.Timestamp(start, unit="ms"), periods=1000, freq="M"):
        if month.start_time.value // 10**6 >= end:
            break
        name = f"{symbol}-1m-{month}"
        connection.request("GET", f"/data/spot/monthly/klines/{symbol}/1m/{name}.zip")
        body = connection.getresponse().read()
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            text = packed.read(f"{name}.csv")
        frames.append(pd.read_csv(io.BytesIO(text), header=None, usecols=range(11)))
    frame = pd.concat(frames, ignore_index=True)
    frame.columns = frame.columns.astype(str)
    frame.to_parquet(folder / "archive.parquet", compression="zstd")
    return len(frame)


WAYS: dict[str, Callable[[str, str, int, int, Path], int]] = {
    function.__name__: function
    for function in (
        wire_http, wire_requests, wire_msgspec, msgspec, orjson, arrow, ccxt, archive,
    )
}  # fmt: skip
LIBRARIES = ("ccxt", "msgspec", "orjson", "pyarrow.csv", "pyarrow.parquet", "requests")


def main() -> None:
    """Run one way and print rows, seconds, CPU seconds and the peak of memory."""
    way, url, symbol, start, end, folder = sys.argv[1:]
    for library in LIBRARIES:
        # Importing is paid once a process, so it is left out for everyone.
        importlib.import_module(library)
    wall, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[way](url, symbol, int(start), int(end), Path(folder))
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
