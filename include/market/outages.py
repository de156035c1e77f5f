"""Outages of whole venues as somebody states them: lists that come with us, and the operator's.

A list is ``known_outages/<venue>.csv`` beside this file, with columns start, end, note; an instant
is that of the last trade before or the first after the outage. More of them, or others, are written
into Variable ``universe``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms
from include.market.timeframe import M1

_FOLDER: Final = Path(__file__).parent / "known_outages"
_KEYS: Final = ("start", "end", "note")


@dataclass(frozen=True, slots=True)
class StatedOutage:
    """A venue traded nothing in ``span``, which is of whole minutes; ``note`` says who says so."""

    span: Span
    note: str = ""


@cache
def known_outages(venue: str) -> tuple[StatedOutage, ...]:
    """Return the outages of a venue on the list that comes with us, in order; none without one.

    Raises:
        InvalidInputError: the list is damaged.
    """
    path = _FOLDER / f"{venue.replace(':', '_')}.csv"
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as lines:
        return read_outages(list(csv.DictReader(lines)), path.name)


def read_outages(written: object, where: str) -> tuple[StatedOutage, ...]:
    """Return outages written as a list of objects with start, end and a note, in order.

    Raises:
        InvalidInputError: another shape, a time without its zone, an outage that holds no whole
            minute, or two that overlap.
    """
    if not isinstance(written, list) or not all(isinstance(one, Mapping) for one in written):
        raise InvalidInputError(f"{where}: outages must be a list of objects, was {written!r}")
    found = sorted((_read(one, where) for one in written), key=lambda one: one.span)
    for one, other in pairwise(found):
        if other.span.start_ms < one.span.end_ms:
            raise InvalidInputError(
                f"{where}: outages {one.span} and {other.span} overlap: write them as one"
            )
    return tuple(found)


def _read(entry: Mapping[str, Any], where: str) -> StatedOutage:
    if unknown := sorted(set(entry) - set(_KEYS), key=str):
        raise InvalidInputError(
            f"{where}: unknown key {unknown[0]!r} of an outage; choose from {', '.join(_KEYS)}"
        )
    start_ms, end_ms = (_instant(entry.get(name), f"{where}, {name}") for name in ("start", "end"))
    # The minutes that hold a trade are there: only those wholly inside are absent.
    start_ms, end_ms = M1.ceil_ms(start_ms), M1.floor_ms(end_ms)
    if start_ms >= end_ms:
        raise InvalidInputError(f"{where}: an outage must hold a whole minute, was {dict(entry)!r}")
    note = entry.get("note", "")
    if not isinstance(note, str):
        raise InvalidInputError(f"{where}: note of an outage must be text, was {note!r}")
    return StatedOutage(Span(start_ms, end_ms), note)


def _instant(written: object, where: str) -> int:
    try:
        instant = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidInputError(
            f"{where}: expected a time like 2018-02-08T00:28:14Z, with its zone, was {written!r}"
        )
    return to_ms(instant)
