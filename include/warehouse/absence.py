"""Writes down a span that will not be loaded, so that it is not taken for one nobody asked for."""

from __future__ import annotations

from include.market.span import subtract_spans
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap, as_open_gap, replace_gaps, settle_gaps
from include.warehouse.ledger import coverage
from include.warehouse.merge import lock_series
from include.warehouse.statements import statement


def note_absence(connection: Connection, dataset: str, instrument_id: int, gap: Gap) -> None:
    """Store ``gap`` where nothing is proven loaded; runs in the caller's transaction.

    What is covered stays covered, and a gap already written keeps its better explanation.
    """
    lock_series(connection, dataset, [instrument_id])
    values = {
        "dataset": dataset,
        "instrument_id": instrument_id,
        "span_start": gap.span.start_time,
        "span_end": gap.span.end_time,
    }
    known = [
        as_open_gap(row) for row in connection.execute(statement("ledger/touched_gaps"), values)
    ]
    holes = subtract_spans(gap.span, coverage(connection, dataset, instrument_id))
    settlement = settle_gaps(known, [gap], holes, gap.span)
    replace_gaps(connection, dataset, instrument_id, known=known, settlement=settlement)
