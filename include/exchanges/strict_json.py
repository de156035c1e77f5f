"""JSON as exchanges must send it: no NaN, no duplicate keys, no bottomless nesting."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from include.market.errors import SourceUnavailableError


def parse_strict(body: bytes) -> Any:
    """Return the document in ``body``; floats stay exact only as text, as venues send prices.

    Raises:
        SourceUnavailableError: cut short, not UTF-8, NaN or Infinity, a repeated key, or nested
            deeper than the parser can follow. All of these are transport damage: ask again.
    """
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique_keys
        )
    except RecursionError:
        raise SourceUnavailableError("answer is nested too deeply to be market data") from None
    except ValueError as error:
        shown = body[:80].decode("ascii", errors="backslashreplace")
        raise SourceUnavailableError(f"answer is not JSON ({error}): {shown!r}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("an object repeats a key")
    return document
