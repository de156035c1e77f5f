"""JSON as exchanges must send it: no NaN, no repeated keys, no bottomless nesting, no odd text."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from include.market.errors import SourceUnavailableError
from include.market.printable import printable

MOST_LEVELS: Final = 32
# Everything but brackets: what is left after deleting it shows the nesting.
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def parse_strict(body: bytes) -> Any:
    """Return the document in ``body``; floats stay exact only as text, as venues send prices.

    Raises:
        SourceUnavailableError: cut short, not UTF-8, a byte order mark, NaN or Infinity (1e999 is
            one too), an integer beyond 4300 digits, a repeated key, text that no database stores
            (NUL, half a surrogate pair), or more than 32 levels. All of these are damage on the
            way: ask again.
    """
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except RecursionError:
        raise SourceUnavailableError("answer is nested too deeply to be market data") from None
    except ValueError as error:
        raise SourceUnavailableError(
            f"answer is not JSON ({error}): '{printable(body[:80])}'"
        ) from None
    if not _is_shallow(body) or b"\\u" in body:
        _check_closely(document)
    return document


def _is_shallow(body: bytes) -> bool:
    """Tell at the speed of C that nesting is no danger; False can also mean brackets in text."""
    brackets = body.translate(None, _NO_BRACKETS)
    for _ in range(MOST_LEVELS // 2):
        if not brackets:
            return True
        # One round takes away at most two levels, a list around an object or the reverse.
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


def _check_closely(document: Any) -> None:
    level, levels = [document], 0
    while level:
        levels += 1
        if levels > MOST_LEVELS and any(isinstance(value, list | dict) for value in level):
            raise SourceUnavailableError(
                f"answer has over {MOST_LEVELS} levels: too deep to be market data"
            )
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, list):
                below += value
            elif isinstance(value, dict):
                below += value.keys()
                below += value.values()
        level = below


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise SourceUnavailableError(
            f"answer holds text that cannot be stored: '{printable(text, 80)}'"
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("an object repeats a key")
    return document
