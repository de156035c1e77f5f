"""The one way to ask a venue something over HTTP.

Every request goes to the one host of its client, is granted by the governor, is whole within its
deadline or fails, is unpacked under a cap, and is retried as a whole: connect, read and parse.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

from include.exchanges.governor import RateGovernor
from include.exchanges.refusals import BANNED, SLOW_DOWN, ban_s, pause_s, refusal
from include.exchanges.strict_json import parse_strict
from include.exchanges.wire import Reply, Wire
from include.market.errors import (
    BannedError,
    InvalidInputError,
    RateLimitedError,
    RetryableError,
    SourceUnavailableError,
)
from include.market.printable import printable

T = TypeVar("T")
_LOG: Final = logging.getLogger(__name__)
_JSON: Final = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "candlewick"}
_FILE: Final = {"Accept-Encoding": "identity", "User-Agent": "candlewick"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Bounds of one request and of its retries.

    ``deadline_s`` holds for one request, ``total_s`` for all its tries and the pauses between,
    from the first grant on. ``max_bytes`` is the size of an unpacked document.
    """

    deadline_s: float = 30.0
    attempts: int = 5
    total_s: float = 300.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 20.0
    max_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse settings under which no request could ever succeed.

        Raises:
            InvalidInputError: no attempt, or no time for one.
        """
        if self.attempts < 1 or self.deadline_s <= 0:
            raise InvalidInputError(
                f"expected at least 1 attempt within a time, was {self.attempts} attempts of "
                f"{self.deadline_s:g} s; correct Variable settings"
            )


class HttpClient:
    """GETs documents and files below one base URL; not to be shared by threads."""

    def __init__(
        self,
        base_url: str,
        settings: HttpSettings,
        *,
        governor: RateGovernor,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind to the host of ``base_url``; ``governor`` stays the caller's to close.

        Raises:
            InvalidInputError: not an http(s) base URL, or one with credentials.
        """
        self._wire = Wire(base_url)
        self._settings = settings
        self._governor = governor
        self._sleep = sleep
        self._now = now

    def get(
        self,
        path: str,
        params: Mapping[str, str | int],
        *,
        weight: int,
        parse: Callable[[bytes], T] = parse_strict,
        scope: str | None = None,
    ) -> T:
        """Return what ``parse`` makes of the JSON document at ``path``.

        ``parse`` raises SourceUnavailableError for damage, which is asked for again, and anything
        else for what asking again cannot mend. ``scope`` names the limit the request counts in.

        Raises:
            BannedError: the venue has banned this address.
            RateLimitedError: the governor, or the venue, wants a longer wait than we hold a worker.
            SourceUnavailableError: every try failed in transport, status or parse.
            UnknownInstrumentError: the venue knows no such symbol.
            AccessDeniedError: the venue refuses this address or region.
            FinalError: the venue refuses for a reason that repeating cannot change.
        """
        query = urlencode(params)
        _check_path(path)

        def ask() -> T:
            reply = self._ask(path, query, _JSON, cap=self._settings.max_bytes)
            if reply.status != 200:
                raise refusal(reply, path)
            _check_kind(reply, path)
            return parse(reply.body)

        return self._retry(ask, weight, scope)

    def download(self, path: str, *, weight: int = 0, max_bytes: int) -> bytes | None:
        """Return the file at ``path`` as it lies there, or None when there is none (404).

        Raises:
            FinalError: it is larger than ``max_bytes``, or the host refuses for good.
            RetryableError: as for ``get``.
        """
        _check_path(path)

        def ask() -> bytes | None:
            reply = self._ask(path, "", _FILE, cap=max_bytes)
            if reply.status == 404:
                return None
            if reply.status != 200:
                raise refusal(reply, path)
            _check_file(reply, path)
            return reply.body

        return self._retry(ask, weight, None)

    def close(self) -> None:
        """Give the socket back."""
        self._wire.close()

    def _retry(self, ask: Callable[[], T], weight: int, scope: str | None) -> T:
        settings = self._settings
        self._governor.acquire(weight, scope=scope)
        ends_at = self._now() + settings.total_s
        for attempt in range(1, settings.attempts + 1):
            try:
                return ask()
            except BannedError:
                raise
            except RetryableError as error:
                wait_s = self._pause_before_retry(error, attempt)
                left_s = ends_at - self._now()
                if attempt == settings.attempts or max(wait_s, error.retry_after_s or 0) > left_s:
                    raise
                _LOG.info("%s; try %d of %d follows", error, attempt + 1, settings.attempts)
            self._sleep(wait_s)
            self._governor.acquire(weight, scope=scope)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause_before_retry(self, error: RetryableError, attempt: int) -> float:
        if isinstance(error, RateLimitedError):
            # The governor knows of the pause and keeps this try waiting with all the others.
            return 0.0
        # Full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
        ceiling_s = min(
            self._settings.backoff_cap_s, self._settings.backoff_base_s * 2 ** (attempt - 1)
        )
        return (error.retry_after_s or 0.0) + random.uniform(0, ceiling_s)

    def _ask(self, path: str, query: str, headers: Mapping[str, str], *, cap: int) -> Reply:
        reply = self._wire.ask(path, query, headers, deadline_s=self._settings.deadline_s, cap=cap)
        used = reply.header("x-mbx-used-weight-1m")
        if used.isascii() and used.isdigit() and len(used) < 10:
            self._governor.note_usage(int(used))
        if reply.status == BANNED:
            wait_s = ban_s(reply)
            is_new = self._governor.note_ban(wait_s, reason=f"HTTP 418 from {path}")
            raise BannedError(
                f"{path}: the venue has banned this address for {wait_s:.0f} s (HTTP 418); "
                "nothing is asked until then",
                retry_after_s=wait_s,
                is_new=is_new,
            )
        if reply.status == SLOW_DOWN:
            wait_s = pause_s(reply)
            self._governor.note_pause(wait_s)
            raise RateLimitedError(
                f"{path}: the venue asks to slow down for {wait_s:.0f} s (HTTP 429)",
                retry_after_s=wait_s,
            )
        return reply


def _check_kind(reply: Reply, path: str) -> None:
    kind = reply.header("content-type")
    if "json" not in kind.lower():
        raise SourceUnavailableError(
            f"{path} answered {printable(kind, 60) or 'without a content type'}, expected JSON: "
            f"'{printable(reply.body)}'"
        )


def _check_file(reply: Reply, path: str) -> None:
    if "html" in reply.header("content-type").lower():
        raise SourceUnavailableError(
            f"{path} is a web page instead of a file: '{printable(reply.body)}'"
        )
    if not reply.is_framed:
        raise SourceUnavailableError(f"{path} came without its length: it may have been cut")


def _check_path(path: str) -> None:
    """Refuse a path that could mean another host, a query or a header."""
    odd = any(sign in path for sign in ("?", "#", "\\", "..", " ")) or printable(path) != path
    if odd or not path.startswith("/") or path.startswith("//"):
        raise InvalidInputError(
            f"path must start with one / and hold no query, space or '..', was '{printable(path)}'"
        )
