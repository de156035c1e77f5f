"""Send to one Discord webhook: bounded in time and tries, silent about the token.

``discord-webhook`` only builds the payload (``include.notify.discord_payload``). Its own sending
has no timeout, loops on 429 and writes the URL, which holds the token, into errors.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from include.market.errors import InvalidInputError
from include.notify.discord_payload import build_payload
from include.notify.errors import NotifyError, NotifyRefusedError
from include.notify.sender import Message, Receipt

HOSTS = ("discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
BODY_LIMIT = 16_384
"""Bytes read of an answer to 429; every other body is left unread."""
_ID = re.compile(r"\d{1,20}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_SECRET_PATH = re.compile(r"(/webhooks/)[^\s\"']*")


@dataclass(frozen=True, slots=True)
class SendLimits:
    """How long and how often one message is tried.

    ``timeout_s`` bounds connecting and every wait for bytes, ``deadline_s`` all tries and pauses
    together; ``backoff_s`` is the first pause after a server error, doubled each time.
    """

    attempts: int = 4
    timeout_s: float = 10.0
    deadline_s: float = 60.0
    backoff_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one try came to; ``failure`` names an exception when there was no answer."""

    status: int | None = None
    failure: str | None = None
    sent: bool = False
    wait_s: float | None = None


class DiscordSender:
    """Carry messages to a Discord webhook."""

    def __init__(
        self,
        webhook_id: str,
        token: str,
        base_url: str = "https://discord.com",
        *,
        allow_loopback: bool = False,
        limits: SendLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Check the settings; nothing is sent.

        Raises:
            InvalidInputError: an id or token of the wrong form, or a ``base_url`` that is not
                https to Discord (with ``allow_loopback`` also http to this machine). The message
                never repeats the token or the URL.
        """
        if not _ID.fullmatch(webhook_id) or not _TOKEN.fullmatch(token):
            raise InvalidInputError(
                "Connection discord needs the webhook id (digits) as login and the webhook token "
                "(letters, digits, - and _) as password; the values are not shown here"
            )
        _refuse_odd_base(base_url, allow_loopback=allow_loopback)
        self._url = f"{base_url.rstrip('/')}/api/webhooks/{webhook_id}/{token}"
        self._limits = limits or SendLimits()
        self._sleep = sleep
        hide_webhook_paths()

    def __repr__(self) -> str:
        """Show the class only: every attribute holds or leads to the token."""
        return "DiscordSender()"

    def send(self, message: Message) -> Receipt:
        """Post ``message`` once and wait for Discord's word that it is there.

        Tried again: 429 after the time Discord asks for, server errors, and connections that were
        never made. Not tried again: silence after the message left, because that may post twice.

        Raises:
            NotifyError: not delivered; ``maybe_delivered`` and ``retry_after_s`` say more.
            NotifyRefusedError: a redirect or a client error other than 429.
            InvalidInputError: the image is too large or not a PNG.
        """
        payload = json.dumps(build_payload(message))
        ends_at = time.monotonic() + self._limits.deadline_s
        pause_s = self._limits.backoff_s
        outcome = _Outcome(failure="NotTried")
        for attempt in range(1, self._limits.attempts + 1):
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                break
            outcome = self._post(message, payload, min(self._limits.timeout_s, left_s))
            if outcome.status is not None and outcome.status < 300:
                return Receipt("discord")
            if not _worth_another_try(outcome):
                break
            wait_s = pause_s if outcome.wait_s is None else outcome.wait_s
            if attempt == self._limits.attempts or wait_s > ends_at - time.monotonic():
                break
            self._sleep(wait_s)
            pause_s *= 2
        raise _to_error(outcome)

    def _post(self, message: Message, payload: str, timeout_s: float) -> _Outcome:
        parts: dict[str, tuple[str | None, bytes | str, str]] = {
            "payload_json": (None, payload, "application/json")
        }
        if message.image is not None:
            parts["files[0]"] = (message.image_name, message.image, "image/png")
        try:
            with requests.Session() as session:
                session.trust_env = False
                with session.post(
                    self._url,
                    params={"wait": "true"},
                    files=parts,
                    timeout=timeout_s,
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    return _judge_answer(answer)
        except requests.RequestException as error:
            # Only the kind leaves this block: the text and the request hold the token, and an
            # error raised from here would carry them along as its context.
            return _Outcome(failure=type(error).__name__, sent=not _never_connected(error))


def hide_webhook_paths() -> None:
    """Black out webhook paths in urllib3's own log lines, at any log level; idempotent."""
    logger = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(known, _HidePath) for known in logger.filters):
        logger.addFilter(_HidePath())


class _HidePath(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        hidden = _SECRET_PATH.sub(r"\1***", text)
        if hidden != text:
            record.msg, record.args = hidden, ()
        return True


def _refuse_odd_base(base_url: str, *, allow_loopback: bool) -> None:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if allow_loopback and bare and parts.scheme in ("http", "https") and parts.hostname in LOOPBACK:
        return
    if bare and parts.scheme == "https" and parts.hostname in HOSTS and port in (None, 443):
        return
    raise InvalidInputError(
        "Connection discord: the host must be https:// and one of "
        f"{', '.join(HOSTS)}, without path, port or password in it"
    )


def _judge_answer(answer: requests.Response) -> _Outcome:
    if answer.status_code == 429:
        return _Outcome(429, sent=True, wait_s=_read_wait(answer))
    return _Outcome(answer.status_code, sent=True)


def _read_wait(answer: requests.Response) -> float:
    """Return the longer of the header's and the JSON's wish, in seconds; 1 if neither is usable."""
    wishes = [_to_seconds(answer.headers.get("Retry-After"))]
    try:
        # One read: a body that drips in must not outlast the deadline.
        document = json.loads(answer.raw.read1(BODY_LIMIT, decode_content=True))
        if isinstance(document, dict):
            wishes.append(_to_seconds(document.get("retry_after")))
    except (ValueError, HTTPError, OSError):
        # An HTML page or a broken body: the header alone must do.
        pass
    return max((wish for wish in wishes if wish is not None), default=1.0)


def _to_seconds(wish: object) -> float | None:
    if not isinstance(wish, str | int | float):
        return None
    try:
        seconds = float(wish)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _never_connected(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _worth_another_try(outcome: _Outcome) -> bool:
    if outcome.status is None:
        return not outcome.sent
    return outcome.status == 429 or outcome.status >= 500


def _to_error(outcome: _Outcome) -> NotifyError | NotifyRefusedError:
    if outcome.status is None:
        return NotifyError(outcome.failure or "Failure", maybe_delivered=outcome.sent)
    if outcome.status == 429:
        return NotifyError("TooManyRequests", 429, retry_after_s=outcome.wait_s)
    if outcome.status >= 500:
        return NotifyError("ServerError", outcome.status)
    return NotifyRefusedError(outcome.status)
