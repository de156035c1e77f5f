"""The one way to ask a venue something over HTTP.

Every request has a total deadline that covers the body (a slow trickle cannot hold a worker), a cap
on decompressed bytes, no redirects, no proxy or netrc from the environment, and is retried as a
whole: connect, read and parse.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from include.exchanges.strict_json import parse_strict
from include.exchanges.weights import WeightBudget
from include.market.errors import (
    FinalError,
    InvalidInputError,
    RateLimitedError,
    RetryableError,
    SourceUnavailableError,
    UnknownInstrumentError,
)

MAX_BODY_BYTES = 64 * 1024 * 1024
LONGEST_PAUSE_S = 120.0
CODE_UNKNOWN_SYMBOL = -1121


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Bounds of one request and of its retries; seconds."""

    deadline_s: float = 30.0
    attempts: int = 5
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 20.0


class JsonClient:
    """GET JSON documents below one base URL."""

    def __init__(
        self,
        base_url: str,
        settings: HttpSettings,
        *,
        budget: WeightBudget,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Refuse anything that is not an http(s) base URL without credentials."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InvalidInputError(
                f"base URL must be http(s)://host[:port] without credentials, was {base_url!r}; "
                "correct the Connection"
            )
        self._base_url = base_url.rstrip("/")
        self._settings = settings
        self._budget = budget
        self._sleep = sleep
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "application/json"

    def get(self, path: str, params: Mapping[str, str | int], *, weight: int) -> Any:
        """Return the JSON document at ``path``.

        Raises:
            RateLimitedError: banned (418), or asked to wait longer than we hold a worker for.
            SourceUnavailableError: every attempt failed in transport, status or parse.
            UnknownInstrumentError: the venue knows no such symbol.
            FinalError: the venue refuses for a reason that repeating cannot change.
        """
        for attempt in range(1, self._settings.attempts + 1):
            self._budget.wait(weight)
            try:
                return self._get_once(path, params)
            except RetryableError as error:
                pause_s = self._pause_before_retry(error, attempt)
                if attempt == self._settings.attempts or pause_s is None:
                    raise
                self._sleep(pause_s)
        raise AssertionError("unreachable: the loop returns or raises")

    def close(self) -> None:
        """Give the sockets back."""
        self._session.close()

    def _pause_before_retry(self, error: RetryableError, attempt: int) -> float | None:
        # Full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
        ceiling_s = min(
            self._settings.backoff_cap_s, self._settings.backoff_base_s * 2 ** (attempt - 1)
        )
        jitter_s = random.uniform(0, ceiling_s)
        if error.retry_after_s is None:
            return jitter_s
        return error.retry_after_s + jitter_s if error.retry_after_s <= LONGEST_PAUSE_S else None

    def _get_once(self, path: str, params: Mapping[str, str | int]) -> Any:
        started = time.monotonic()
        try:
            with self._session.get(
                self._base_url + path,
                params=dict(params),
                timeout=min(10.0, self._settings.deadline_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                used = response.headers.get("x-mbx-used-weight-1m", "")
                if used.isdigit():
                    self._budget.correct(int(used))
                body = self._read(response, started)
                return _document(response, body, path)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The exception text repeats the full URL; the class name says what happened.
            raise SourceUnavailableError(
                f"{self._base_url}{path} did not answer properly ({type(error).__name__}); "
                "is the address right and the network up?"
            ) from None

    def _read(self, response: requests.Response, started: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        # read1 returns whatever has arrived, so the deadline is looked at between trickles.
        while chunk := response.raw.read1(65_536, decode_content=True):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise FinalError(f"{response.url.split('?')[0]} sent over {MAX_BODY_BYTES} bytes")
            if time.monotonic() - started > self._settings.deadline_s:
                raise SourceUnavailableError(
                    f"{response.url.split('?')[0]} took over {self._settings.deadline_s:g} s"
                )
            chunks.append(chunk)
        return b"".join(chunks)


def _document(response: requests.Response, body: bytes, path: str) -> Any:
    if response.status_code == 200:
        kind = response.headers.get("content-type", "")
        if "json" not in kind:
            raise SourceUnavailableError(f"{path} answered {kind or 'no content type'}, not JSON")
        expected = response.headers.get("content-length", "")
        encoded = "content-encoding" in response.headers
        if expected.isdigit() and not encoded and int(expected) != len(body):
            raise SourceUnavailableError(f"{path} sent {len(body)} of {expected} bytes")
        return parse_strict(body)
    raise _refusal(response, body, path)


def _refusal(response: requests.Response, body: bytes, path: str) -> Exception:
    status = response.status_code
    if status in (418, 429):
        wait_s = _retry_after_s(response)
        verb = "has banned this address" if status == 418 else "asks to slow down"
        error = RateLimitedError(f"{path}: the venue {verb} (HTTP {status})", retry_after_s=wait_s)
        if status == 418:
            error.retry_after_s = max(wait_s, LONGEST_PAUSE_S + 1)
        return error
    if status >= 500:
        return SourceUnavailableError(f"{path}: the venue is in trouble (HTTP {status})")
    code, message = _venue_error(body)
    text = f"{path}: HTTP {status}, code {code}: {message}"
    if code == CODE_UNKNOWN_SYMBOL:
        return UnknownInstrumentError(text)
    return FinalError(text)


def _retry_after_s(response: requests.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else LONGEST_PAUSE_S


def _venue_error(body: bytes) -> tuple[int, str]:
    try:
        document = parse_strict(body)
        return int(document["code"]), str(document["msg"])[:200]
    except (RetryableError, LookupError, TypeError, ValueError):
        return 0, body[:80].decode("ascii", errors="backslashreplace")
