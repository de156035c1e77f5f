"""What a venue's refusal means: which error, and how long to stay away."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from include.exchanges.strict_json import parse_strict
from include.exchanges.wire import Reply
from include.market.errors import (
    AccessDeniedError,
    FinalError,
    RetryableError,
    SourceUnavailableError,
    UnknownInstrumentError,
)
from include.market.printable import printable

BANNED: Final = 418
SLOW_DOWN: Final = 429
# A venue that says nothing usable means the rest of its minute; its bans begin at two minutes.
USUAL_PAUSE_S: Final = 60.0
USUAL_BAN_S: Final = 120.0
# Nobody else's clock or typing error may silence us for longer.
LONGEST_PAUSE_S: Final = 3600.0
LONGEST_BAN_S: Final = 3 * 86_400.0
_BRIEFLY_AWAY: Final = (408, 425)
# Binance's own codes: developers.binance.com, "Error codes".
_UNKNOWN_SYMBOL: Final = -1121
_TOO_MANY_REQUESTS: Final = -1003
_VENUE_IN_TROUBLE: Final = (-1001, -1006, -1007, -1008, -1016)


def pause_s(reply: Reply) -> float:
    """Return how long to stay away after a 429: at least a second, at most an hour."""
    wished_s = _retry_after_s(reply)
    return USUAL_PAUSE_S if wished_s is None else min(max(wished_s, 1.0), LONGEST_PAUSE_S)


def ban_s(reply: Reply) -> float:
    """Return how long a 418 lasts: at least a second, at most the three days Binance bans for."""
    wished_s = _retry_after_s(reply)
    return USUAL_BAN_S if wished_s is None else min(max(wished_s, 1.0), LONGEST_BAN_S)


def refusal(reply: Reply, where: str) -> FinalError | RetryableError:
    """Return the error that an answer of ``where`` other than 200, 418 and 429 stands for."""
    status = reply.status
    if status >= 500 or status in _BRIEFLY_AWAY:
        wished_s = _retry_after_s(reply)
        return SourceUnavailableError(
            f"{where}: the venue is in trouble (HTTP {status})",
            retry_after_s=None if wished_s is None else min(wished_s, LONGEST_PAUSE_S),
        )
    if 300 <= status < 400:
        return FinalError(
            f"{where}: HTTP {status} points to {_target(reply)}, which is not followed; "
            "correct the Connection if the venue has moved"
        )
    if status in (401, 403, 451):
        return AccessDeniedError(
            f"{where}: the venue refuses this address or region (HTTP {status}): "
            f"'{printable(reply.body)}'; repeating can only make it worse"
        )
    return _by_code(reply, where)


def _by_code(reply: Reply, where: str) -> FinalError | RetryableError:
    code, message = _venue_error(reply.body)
    text = f"{where}: HTTP {reply.status}, code {code}: {message}"
    if code == _UNKNOWN_SYMBOL:
        return UnknownInstrumentError(text)
    if code == _TOO_MANY_REQUESTS:
        return SourceUnavailableError(text, retry_after_s=pause_s(reply))
    if code in _VENUE_IN_TROUBLE:
        return SourceUnavailableError(text)
    return FinalError(text)


def _venue_error(body: bytes) -> tuple[int, str]:
    try:
        document: Any = parse_strict(body)
        return int(document["code"]), printable(str(document["msg"]))
    except (RetryableError, LookupError, TypeError, ValueError):
        return 0, f"'{printable(body)}'"


def _target(reply: Reply) -> str:
    try:
        # Only the host: the rest may hold a token.
        host = urlsplit(reply.header("location")).hostname
    except ValueError:
        host = None
    return printable(host or "an address without a host")


def _retry_after_s(reply: Reply) -> float | None:
    value = reply.header("retry-after").strip()
    if value.isascii() and value.isdigit():
        # More digits than any wait has would not fit a float.
        return float(value[:12]) if len(value) <= 12 else LONGEST_BAN_S
    until_s = _epoch_s(value)
    if until_s is None:
        return None
    # Its own clock, if it tells it, cannot differ from itself.
    now_s = _epoch_s(reply.header("date"))
    return max(0.0, until_s - (time.time() if now_s is None else now_s))


def _epoch_s(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
