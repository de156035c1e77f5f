"""Rows that were refused, kept whole with the rule they broke."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from include.warehouse.engine import Connection
from include.warehouse.statements import statement

# Deeper or longer documents are kept as text: jsonb has limits of its own that must not stop us.
_LONGEST_DOCUMENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A refused row; ``raw`` is the source's own text, ``open_time`` is aware UTC or None."""

    open_time: datetime | None
    raw: str
    rule: str
    detail: str


def write_quarantine(
    connection: Connection,
    rows: Sequence[QuarantinedRow],
    *,
    landing_id: int,
    verdict_id: int,
) -> None:
    """Store refused rows under a verdict, in place of what an earlier try stored under it.

    Runs in the caller's transaction.
    """
    key = {"landing_id": landing_id, "verdict_id": verdict_id}
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger.quarantine WHERE verdict_id = %(verdict_id)s", key)
        cursor.executemany(
            statement("ledger/write_quarantine"),
            [
                key
                | {
                    "open_time": row.open_time,
                    "payload": as_document(row.raw),
                    "rule": row.rule,
                    "detail": row.detail.replace("\x00", "\\x00"),
                }
                for row in rows
            ],
        )


def as_document(raw: str) -> Jsonb:
    """Return foreign text as something jsonb surely takes: the document, else the text itself.

    Duplicate keys, NaN, numbers a double would change and NUL characters make it text.
    """
    if len(raw) > _LONGEST_DOCUMENT:
        return _as_text(raw)
    try:
        parsed = json.loads(
            raw, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique
        )
        # A lone surrogate is an encoding error, which is a ValueError.
        encoded = json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return _as_text(raw)
    return _as_text(raw) if b"\\u0000" in encoded else Jsonb(parsed)


def finite_json(value: Any) -> Jsonb:
    """Return ``value`` for a jsonb column; NaN and infinities become their names as text."""
    return Jsonb(_without_nonfinite(value), dumps=lambda tree: json.dumps(tree, default=str))


def _as_text(raw: str) -> Jsonb:
    return Jsonb(raw.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode())


def _refuse(name: str) -> float:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    # A number a double cannot hold as written would be stored as another number.
    if not math.isfinite(number) or repr(number) != digits:
        raise ValueError(digits)
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def _without_nonfinite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nonfinite(item) for item in value]
    return value
