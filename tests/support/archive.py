"""Files of a made-up archive: CSV lines, zips and checksums as data.binance.vision has them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence

from include.exchanges.binance_archive.layout import ArchiveFile, plan_files
from include.exchanges.binance_archive.parse import KLINE_NAMES, Published
from include.market.span import Span
from include.market.timeframe import DAY_MS, M1

DAY_0 = 1_735_689_600_000
"""2025-01-01, a day from which on spot files count microseconds."""
LATER = 10**13


def day_file(market: str = "spot", day: int = 0) -> ArchiveFile:
    """Return the file of one day of BTCUSDT 1m candles."""
    span = Span(DAY_0 + day * DAY_MS, DAY_0 + (day + 1) * DAY_MS)
    (file,) = plan_files(market, "BTCUSDT", M1, span, now_ms=LATER)  # type: ignore[arg-type]
    return file


def kline(minute: int, *, per_ms: int = 1, price: float = 100.0, volume: float = 2.0) -> str:
    """Return one CSV line; ``per_ms`` is 1000 for microseconds."""
    open_at = (DAY_0 + minute * M1.length_ms) * per_ms
    close_at = open_at + M1.length_ms * per_ms - 1
    return (
        f"{open_at},{price},{price + 1},{price - 1},{price},{volume},{close_at},"
        f"{price * volume},7,{volume / 2},{price * volume / 2},0"
    )


def text_of(lines: Sequence[str], *, header: bool = False) -> bytes:
    """Return lines as the bytes of a CSV file."""
    return "".join(
        f"{line}\n" for line in ([",".join(KLINE_NAMES)] if header else []) + [*lines]
    ).encode()


def published(file: ArchiveFile, text: bytes) -> Published:
    """Return a file as if it were downloaded."""
    return Published(file, "0" * 64, len(text), text)


def zipped(text: bytes, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip with ``text`` under each name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name in names:
            archive.writestr(name, text)
    return target.getvalue()


def checksum(file: ArchiveFile, packed: bytes) -> bytes:
    """Return the text of the file's CHECKSUM."""
    name = file.path.rpartition("/")[2]
    return f"{hashlib.sha256(packed).hexdigest()}  {name}\n".encode()
