"""Which absences are due for another look, under which name to ask, and what nobody asked for.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from include.market.span import Span, to_ms
from include.quality.looks import APART_MS
from include.warehouse.engine import Connection
from include.warehouse.gaps import OpenGap, as_open_gap
from include.warehouse.multiranges import from_multirange
from include.warehouse.quarantine import as_document
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class DueGap:
    """An open gap to be looked at, and the symbol that its instrument bore then."""

    gap: OpenGap
    symbol: str


def due_gaps(
    connection: Connection,
    dataset: str,
    instrument_ids: Collection[int],
    at: datetime,
    *,
    limit: int,
) -> list[DueGap]:
    """Return gaps due at ``at``, those never looked at again first, at most ``limit``.

    Unexplained ones are due a while after they were found and until they are given up; explained
    ones when a look was appointed.
    """
    values = {
        "dataset": dataset,
        "instrument_ids": sorted(instrument_ids),
        "at": at,
        "first_wait": timedelta(milliseconds=APART_MS),
        "limit": limit,
    }
    found = connection.execute(statement("ledger/due_gaps"), values)
    return [DueGap(as_open_gap(row[1:]), row[0]) for row in found]


def put_off_gap(connection: Connection, gap_id: int, until: datetime) -> None:
    """Leave a gap alone until then: what was found for it is on its way."""
    connection.execute(statement("ledger/put_off_gap"), {"gap_id": gap_id, "until": until})


def unasked_spans(connection: Connection, dataset: str, span: Span) -> dict[int, list[Span]]:
    """Return, by instrument, the spans within ``span`` of which nothing is known.

    It ought to have traded, and they are neither covered nor written down as a gap.
    """
    values = {
        "dataset": dataset,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }
    found: dict[int, list[Span]] = {}
    for instrument_id, start, end in connection.execute(statement("ledger/unasked"), values):
        found.setdefault(instrument_id, []).append(Span(to_ms(start), to_ms(end)))
    return found


def spans_under_way(connection: Connection, dataset: str, venue: str, symbol: str) -> list[Span]:
    """Return the spans of a symbol that landed and are not loaded yet, held ones included."""
    values = {"dataset": dataset, "venue": venue, "symbol": symbol}
    row = connection.execute(statement("ledger/spans_under_way"), values).fetchone()
    return from_multirange(row[0] if row else None)


def held_spans(connection: Connection, dataset: str, venue: str, symbol: str) -> list[Span]:
    """Return the spans of a symbol that landed and that the gate holds back."""
    values = {"dataset": dataset, "venue": venue, "symbol": symbol}
    row = connection.execute(statement("ledger/held_spans"), values).fetchone()
    return from_multirange(row[0] if row else None)


def is_filling(connection: Connection, dataset: str, venue: str, symbol: str, at: datetime) -> bool:
    """Tell whether history of a symbol landed within the hour before ``at``: more may follow."""
    values = {"dataset": dataset, "venue": venue, "symbol": symbol, "at": at}
    row = connection.execute(statement("ledger/is_filling"), values).fetchone()
    return bool(row and row[0])


def refused_rows(connection: Connection, landing_id: int) -> frozenset[str]:
    """Return the rows of a landing that were refused, each as :func:`same_text` writes it."""
    found = connection.execute(statement("ledger/refused_rows"), {"landing_id": landing_id})
    return frozenset(json.dumps(payload, sort_keys=True) for (payload,) in found)


def same_text(raw: str) -> str:
    """Return a row's own text in a form that is equal for equal rows."""
    return json.dumps(as_document(raw).obj, sort_keys=True)


def writes_flat_candles(connection: Connection, instrument_id: int, span: Span) -> bool:
    """Tell whether candles without trades are stored of an instrument, within ``span``."""
    values = {
        "instrument_id": instrument_id,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }
    row = connection.execute(statement("market/any_flat_candle"), values).fetchone()
    return bool(row and row[0])
