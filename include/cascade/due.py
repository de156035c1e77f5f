"""Which buckets a stage has to build again, given what changed and what is proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from include.cascade.rollup import settled_buckets, touched_span
from include.market.span import Span, merge_spans, subtract_spans
from include.market.timeframe import Timeframe

SpansByInstrument: TypeAlias = Mapping[int, Sequence[Span]]
_Spans: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class DueBuckets:
    """Spans of whole buckets, each with its instrument: ``rebuilt``, of them ``proven``.

    What is rebuilt and not proven any more was built before, and has to be what is left of it.
    """

    rebuilt: list[tuple[int, Span]] = field(default_factory=list)
    proven: list[tuple[int, Span]] = field(default_factory=list)


def find_due(
    changed: SpansByInstrument,
    proven: SpansByInstrument,
    built: SpansByInstrument,
    retired: Sequence[Span],
    target: Timeframe,
) -> DueBuckets:
    """Return the buckets of ``target`` that changes touch and that may be built.

    A bucket may be built once all of it is proven, so none is ever stored half formed; and once it
    was built it is kept up with its children, even when they are withdrawn and it is proven no
    more.

    Args:
        changed: spans of the finer candles that changed, by instrument, in any order.
        proven: what is covered of the finer candles.
        built: what is covered of the target: whole buckets.
        retired: spans whose candles, finer or coarser, were taken out of their tables: what is
            left there is not all there was, so nothing is built from it.
        target: the coarser timeframe.
    """
    due = DueBuckets()
    # Instruments of one live minute mostly share their spans, and the very lists of them: what is
    # the same as that of the instrument before is not even hashed.
    known: dict[tuple[_Spans, _Spans, _Spans], tuple[list[Span], list[Span]]] = {}
    before: tuple[Sequence[Span], Sequence[Span], Sequence[Span]] | None = None
    rebuilt, settled = list[Span](), list[Span]()
    for instrument_id, spans in changed.items():
        own = spans, proven.get(instrument_id, ()), built.get(instrument_id, ())
        if own != before:
            before, key = own, (tuple(own[0]), tuple(own[1]), tuple(own[2]))
            if key not in known:
                known[key] = _find_due(*key, retired, target)
            rebuilt, settled = known[key]
        due.rebuilt.extend([(instrument_id, span) for span in rebuilt])
        due.proven.extend([(instrument_id, span) for span in settled])
    return due


def touched_spans(spans: Iterable[Span], target: Timeframe) -> list[Span]:
    """Return the whole ``target`` buckets that ``spans`` touch, merged."""
    return merge_spans(touched_span(span, target) for span in spans)


def _find_due(
    changed: Sequence[Span],
    proven: Sequence[Span],
    built: Sequence[Span],
    retired: Sequence[Span],
    target: Timeframe,
) -> tuple[list[Span], list[Span]]:
    out = [touched_span(span, target) for span in retired]
    touched = [
        part for span in touched_spans(changed, target) for part in subtract_spans(span, out)
    ]
    either = [*proven, *built]
    return (
        [part for span in touched for part in settled_buckets(either, span, target)],
        [part for span in touched for part in settled_buckets(proven, span, target)],
    )
