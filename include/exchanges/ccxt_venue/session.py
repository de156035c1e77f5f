"""The session that ccxt asks through: every request granted, bounded, whole and sound.

ccxt by itself reads bodies of any size for any time, follows redirects, and hands the text of a
damaged answer on to its parsers, which make candles out of its letters. Here every request waits
for the governor, and an answer that is not whole, strict JSON never reaches ccxt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3

from include.exchanges.governor import RateGovernor
from include.exchanges.refusals import BANNED, SLOW_DOWN, ban_s, pause_s, refusal
from include.exchanges.strict_json import parse_strict
from include.exchanges.wire import Reply
from include.market.errors import (
    BannedError,
    FinalError,
    RateLimitedError,
    SourceUnavailableError,
)

REFUSED = (401, 403, 451)


class GuardedSession(requests.Session):
    """A requests session for ccxt; ``body`` is the last good answer, for who reads it himself."""

    def __init__(
        self,
        governor: RateGovernor,
        *,
        deadline_s: float,
        max_bytes: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bound each request by ``deadline_s`` from its first byte asked to its last received."""
        super().__init__()
        self.trust_env = False
        self.body = b""
        self._governor = governor
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes
        self._now = now
        self._clock: tuple[float, float] | None = None

    def request(  # type: ignore[override]
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """Ask once and return a whole answer, read to its end.

        Raises:
            BannedError: HTTP 418, or a ban is known and lasts.
            RateLimitedError: HTTP 429, or the limit leaves no room.
            SourceUnavailableError: HTTP 5xx, cut, too slow, or no strict JSON.
            AccessDeniedError: HTTP 401, 403, 451.
            FinalError: a redirect, or an answer over the size cap.
        """
        self.body = b""
        self._governor.acquire(1)
        ends_at = self._now() + self._deadline_s
        options |= {"stream": True, "allow_redirects": False}
        options["timeout"] = min(10.0, self._deadline_s)
        with super().request(method, url, **options) as response:
            body = self._read(response, ends_at)
        # ccxt reads the text of the answer; it is complete and needs no socket any more.
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
        self._refuse(response, body)
        self._note_clock(response)
        self.body = body
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nothing; requests would read a redirect's body to its end just to look."""

    def now_ms(self) -> int | None:
        """Return the exchange's time by the Date of its last answer, None before the first one."""
        if self._clock is None:
            return None
        date_s, at = self._clock
        return int((date_s + self._now() - at) * 1000)

    def _read(self, response: requests.Response, ends_at: float) -> bytes:
        where, chunks, size = _where(response), [], 0
        try:
            # read1 returns whatever has arrived, so the deadline is looked at between trickles.
            while chunk := response.raw.read1(65_536, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._max_bytes:
                    raise FinalError(f"{where} sent over {self._max_bytes} bytes; ask for less")
                if self._now() > ends_at:
                    raise SourceUnavailableError(
                        f"{where} gave no whole answer in {self._deadline_s:g} s"
                    )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # urllib3 raises too where fewer bytes came than announced.
            raise SourceUnavailableError(
                f"{where} broke its answer off ({type(error).__name__})"
            ) from None
        return b"".join(chunks)

    def _refuse(self, response: requests.Response, body: bytes) -> None:
        where, status = _where(response), response.status_code
        reply = Reply(status, response.headers, body, is_framed=True)  # type: ignore[arg-type]
        if status == BANNED:
            wait_s = ban_s(reply)
            is_new = self._governor.note_ban(wait_s, reason=f"HTTP 418 from {where}")
            raise BannedError(
                f"{where}: the exchange has banned this address for {wait_s:.0f} s (HTTP 418)",
                retry_after_s=wait_s,
                is_new=is_new,
            )
        if status == SLOW_DOWN:
            wait_s = pause_s(reply)
            self._governor.note_pause(wait_s)
            raise RateLimitedError(
                f"{where}: the exchange asks to slow down for {wait_s:.0f} s (HTTP 429)",
                retry_after_s=wait_s,
            )
        if status >= 500 or 300 <= status < 400 or status in REFUSED:
            raise refusal(reply, where)
        if status == 200:
            parse_strict(body)

    def _note_clock(self, response: requests.Response) -> None:
        try:
            date_s = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        self._clock = (date_s, self._now())


def _where(response: requests.Response) -> str:
    return response.url.split("?")[0]
