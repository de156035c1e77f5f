"""Find spans that nobody ever asked for, and put them among the gaps that are looked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from include.jobs.explain_gaps import DATASET
from include.market.span import Span, intersect_spans, subtract_all
from include.market.timeframe import DAY_MS, M1
from include.warehouse.absence import note_absence
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from include.warehouse.ledger import coverage
from include.warehouse.repairs import is_filling, spans_under_way, unasked_spans

MOST_UNASKED_MS = 7 * DAY_MS
"""Longer spans nobody asked for are history nobody ordered: ``backfill_history``'s work."""
SETTLED_MS = 3_600_000
"""Younger spans nobody asked for may be on their way."""


def note_unasked(
    conn: Connection, venue: str, followed: Mapping[int, str], span: Span, at: datetime
) -> int:
    """Write down what lies between covered spans and was never asked for; return how many.

    ``followed`` names the symbols of instruments. What is on its way, and what is longer than a
    week, is left alone.
    """
    settled = Span(span.start_ms, max(span.start_ms, span.end_ms - SETTLED_MS))
    noted = 0
    for instrument_id, spans in unasked_spans(conn, DATASET, settled).items():
        symbol = followed.get(instrument_id)
        covered = coverage(conn, DATASET, instrument_id) if symbol is not None else []
        if symbol is None or not covered:
            continue
        hull = Span(covered[0].start_ms, covered[-1].end_ms)
        # Before its first candle nearly every series lacks something: that asks no more questions.
        inside = intersect_spans(spans, [hull])
        if not inside or is_filling(conn, DATASET, venue, symbol, at):
            continue
        under_way = spans_under_way(conn, DATASET, venue, symbol)
        for whole in _whole_minutes(subtract_all(inside, under_way)):
            if whole.end_ms - whole.start_ms <= MOST_UNASKED_MS:
                gap = Gap(whole, "unknown", {"never_asked": True})
                with conn.transaction():
                    note_absence(conn, DATASET, instrument_id, gap)
                noted += 1
    return noted


def _whole_minutes(spans: Iterable[Span]) -> Iterator[Span]:
    for rest in spans:
        start_ms = M1.ceil_ms(rest.start_ms)
        whole = Span(start_ms, max(start_ms, M1.floor_ms(rest.end_ms)))
        if whole:
            yield whole
