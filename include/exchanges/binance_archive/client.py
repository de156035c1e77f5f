"""Reads files of data.binance.vision: checksum first, then the zip, then its rows."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from typing import Final

from include.exchanges.binance_archive.layout import ArchiveFile, Market
from include.exchanges.binance_archive.parse import (
    ArchiveCandles,
    ArchiveFunding,
    ArchiveTrades,
    Published,
    parse_candles,
    parse_funding,
    parse_trades,
)
from include.exchanges.binance_archive.unzip import read_only_member
from include.exchanges.http import HttpClient
from include.market.errors import InvalidInputError, SourceUnavailableError

MAX_ZIP_BYTES: Final = 256 * 1024**2
MAX_CHECKSUM_BYTES: Final = 1024
ATTEMPTS: Final = 3
PAUSE_S: Final = 2.0
_CHECKSUM: Final = re.compile(rb"([0-9a-fA-F]{64}) [ *](\S+)\s*")


class BinanceArchive:
    """The files of one market; every answer holds one file, and no more than one is in memory."""

    def __init__(
        self,
        client: HttpClient,
        *,
        market: Market,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read through ``client``, whose base URL is the archive's root."""
        self._client = client
        self.market: Market = market
        self._sleep = sleep

    def read_candles(self, file: ArchiveFile) -> ArchiveCandles | None:
        """Return the candles of a kline file, None when it is not published.

        Raises:
            SourceUnavailableError: the archive does not answer, or its checksum and its zip do not
                belong together however often both are asked for.
            ContractError: the published file is broken or no longer in the agreed format.
        """
        published = self._fetch(file)
        return None if published is None else parse_candles(published)

    def read_trades(self, file: ArchiveFile) -> ArchiveTrades | None:
        """Return the aggregate trades of a file, None when it is not published.

        Raises:
            SourceUnavailableError: see :meth:`read_candles`.
            ContractError: see :meth:`read_candles`.
        """
        published = self._fetch(file)
        return None if published is None else parse_trades(published)

    def read_funding(self, file: ArchiveFile) -> ArchiveFunding | None:
        """Return the funding payments of a file, None when it is not published.

        Raises:
            SourceUnavailableError: see :meth:`read_candles`.
            ContractError: see :meth:`read_candles`.
        """
        published = self._fetch(file)
        return None if published is None else parse_funding(published)

    def published_sha256(self, file: ArchiveFile) -> str | None:
        """Return the checksum the archive states for ``file`` now, None when it states none.

        The archive replaces files: another checksum than the one stored means reading it again.

        Raises:
            SourceUnavailableError: the archive does not answer, or sends no checksum of this file.
        """
        if file.market != self.market:
            raise InvalidInputError(f"{file.path} is not of market {self.market}: plan it anew")
        path = f"{file.path}.CHECKSUM"
        body = self._client.download(path, weight=1, max_bytes=MAX_CHECKSUM_BYTES)
        if body is None:
            return None
        found = _CHECKSUM.fullmatch(body)
        if found is None or found[2].decode("ascii", "replace") != file.path.rpartition("/")[2]:
            shown = body[:120].decode("ascii", "backslashreplace")
            raise SourceUnavailableError(
                f"{path}: expected '<sha256>  {file.path.rpartition('/')[2]}', was {shown!r}"
            )
        return found[1].decode("ascii").lower()

    def _fetch(self, file: ArchiveFile) -> Published | None:
        # The zip may be replaced between the two requests: both are asked for again, never one.
        differs = ""
        for attempt in range(1, ATTEMPTS + 1):
            stated = self.published_sha256(file)
            if stated is None:
                return None
            packed = self._client.download(file.path, weight=1, max_bytes=MAX_ZIP_BYTES)
            was = "nothing" if packed is None else hashlib.sha256(packed).hexdigest()
            if packed is not None and was == stated:
                text = read_only_member(packed, file.csv_name)
                return Published(file, stated, len(packed), text)
            differs = f"expected sha256 {stated[:16]}… as its CHECKSUM says, was {was[:16]}…"
            if attempt < ATTEMPTS:
                self._sleep(PAUSE_S * attempt)
        raise SourceUnavailableError(
            f"{file.path}: {differs}, {ATTEMPTS} times: it may be being replaced, try again later"
        )
