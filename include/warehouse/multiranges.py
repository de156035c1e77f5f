"""Spans as PostgreSQL's multiranges, and back; whole numbers as its arrays."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from psycopg.types.multirange import Multirange, TimestamptzMultirange
from psycopg.types.range import TimestamptzRange

from include.market.errors import InvalidInputError
from include.market.span import Span, to_ms


def as_multirange(spans: Iterable[Span]) -> TimestamptzMultirange:
    """Return spans, in any order, as one half-open tstzmultirange."""
    return TimestamptzMultirange(
        TimestamptzRange(span.start_time, span.end_time) for span in spans if span
    )


def as_array(numbers: Iterable[int]) -> str:
    """Return whole numbers as the text of an array, to be cast where it is bound.

    A list is written number by number by the driver, which takes longer than the statement.
    """
    return "{" + ",".join(map(str, numbers)) + "}"


def from_multirange(found: Multirange[datetime] | None) -> list[Span]:
    """Return the bounded parts of a tstzmultirange, sorted; none for null.

    Raises:
        InvalidInputError: a part has no end, so it is no span.
    """
    spans = []
    for part in found or ():
        if part.lower is None or part.upper is None:
            raise InvalidInputError(f"expected a range with two ends, was {part}: intersect first")
        spans.append(Span(to_ms(part.lower), to_ms(part.upper)))
    return spans
