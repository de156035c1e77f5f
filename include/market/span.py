"""Half-open spans of time in epoch milliseconds, UTC."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from include.market.errors import InvalidInputError


def to_ms(instant: datetime) -> int:
    """Return ``instant`` (timezone-aware) as epoch milliseconds, rounded down."""
    if instant.tzinfo is None:
        raise InvalidInputError(f"expected a timezone-aware time, was {instant.isoformat()}")
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(instant_ms: int) -> datetime:
    """Return epoch milliseconds as an aware UTC datetime, exactly."""
    seconds, ms = divmod(instant_ms, 1000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=ms * 1000)


def month_start_ms(instant_ms: int) -> int:
    """Return the first UTC midnight of the month that holds ``instant_ms``."""
    instant = from_ms(instant_ms)
    return to_ms(datetime(instant.year, instant.month, 1, tzinfo=UTC))


def next_month_ms(instant_ms: int) -> int:
    """Return the first UTC midnight of a month that is later than ``instant_ms``."""
    instant = from_ms(instant_ms)
    years, month = divmod(instant.month, 12)
    return to_ms(datetime(instant.year + years, month + 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The instants ``[start_ms, end_ms)``."""

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        """Refuse spans that run backwards."""
        if self.end_ms < self.start_ms:
            raise InvalidInputError(
                f"span runs backwards: {from_ms(self.start_ms).isoformat()} is after "
                f"{from_ms(self.end_ms).isoformat()}; swap the two dates"
            )

    def __bool__(self) -> bool:
        """Tell whether the span holds any instant."""
        return self.end_ms > self.start_ms

    @property
    def start_time(self) -> datetime:
        """First instant, aware UTC."""
        return from_ms(self.start_ms)

    @property
    def end_time(self) -> datetime:
        """First instant after the span, aware UTC."""
        return from_ms(self.end_ms)

    def __str__(self) -> str:
        """Show the span as people write it."""
        return f"[{self.start_time:%Y-%m-%d %H:%M}, {self.end_time:%Y-%m-%d %H:%M})"


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the union of ``spans``, sorted; touching spans become one."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span):
        if merged and span.start_ms <= merged[-1].end_ms:
            merged[-1] = Span(merged[-1].start_ms, max(merged[-1].end_ms, span.end_ms))
        else:
            merged.append(span)
    return merged


def subtract_spans(whole: Span, parts: Iterable[Span]) -> list[Span]:
    """Return what of ``whole`` no span in ``parts`` covers, sorted."""
    rest: list[Span] = []
    cursor_ms = whole.start_ms
    for part in merge_spans(parts):
        if part.end_ms <= cursor_ms:
            continue
        if part.start_ms >= whole.end_ms:
            break
        if part.start_ms > cursor_ms:
            rest.append(Span(cursor_ms, part.start_ms))
        cursor_ms = part.end_ms
    if cursor_ms < whole.end_ms:
        rest.append(Span(cursor_ms, whole.end_ms))
    return rest


def subtract_all(wholes: Iterable[Span], parts: Iterable[Span]) -> list[Span]:
    """Return what of each of ``wholes`` no span in ``parts`` covers, in their order."""
    sought = _Sorted(parts)
    return [rest for whole in wholes for rest in subtract_spans(whole, sought.meeting(whole))]


def intersect_spans(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """Return the instants that both hold, sorted."""
    sought = _Sorted(other)
    return [
        Span(max(span.start_ms, part.start_ms), min(span.end_ms, part.end_ms))
        for span in merge_spans(one)
        for part in sought.meeting(span)
    ]


class _Sorted:
    """Spans merged and sorted, found by bisection."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = merge_spans(spans)
        self._ends = [span.end_ms for span in self._spans]

    def meeting(self, whole: Span) -> Iterator[Span]:
        """Yield those that share an instant with ``whole``."""
        for at in range(bisect_right(self._ends, whole.start_ms), len(self._spans)):
            if self._spans[at].start_ms >= whole.end_ms:
                return
            yield self._spans[at]
