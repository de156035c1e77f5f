"""When an instrument is expected to trade, by what the venue's reference says of it.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from include.market.span import Span, subtract_spans, to_ms
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap, GapReason
from include.warehouse.statements import statement

# What is true of a whole life outranks what is true of a day.
_PRECEDENCE: Final[tuple[GapReason, ...]] = ("pre_listing", "delisted", "halted", "no_trade")


def explain_by_master(
    connection: Connection, instrument_id: int, holes: Sequence[Span]
) -> list[Gap]:
    """Return the parts of ``holes`` in which the instrument cannot have traded, and why.

    Before its listing ``pre_listing``, after its end ``delisted``, in halts and while its name
    changed ``halted``, between the sessions of its venue ``no_trade``; what the reference does not
    explain is left out. Sorted and disjoint, clipped to the holes; ``proof`` names the rows of the
    reference it rests on.
    """
    asked = [hole for hole in holes if hole]
    if not asked:
        return []
    hull = Span(min(hole.start_ms for hole in asked), max(hole.end_ms for hole in asked))
    values = {
        "instrument_id": instrument_id,
        "span_start": hull.start_time,
        "span_end": hull.end_time,
    }
    found = connection.execute(statement("market/known_absence"), values)
    absences = [
        Gap(Span(to_ms(start), to_ms(end)), reason, proof) for start, end, reason, proof in found
    ]
    absences.sort(key=lambda gap: _PRECEDENCE.index(gap.reason))
    explained = [part for hole in asked for part in _carve(hole, absences)]
    return sorted(explained, key=lambda gap: gap.span)


def overrule(stated: Sequence[Gap], known: Sequence[Gap]) -> list[Gap]:
    """Return ``known`` and what of ``stated`` lies outside it, sorted."""
    spans = [gap.span for gap in known]
    rest = [replace(gap, span=part) for gap in stated for part in subtract_spans(gap.span, spans)]
    return sorted([*known, *rest], key=lambda gap: gap.span)


def expected_spans(connection: Connection, instrument_id: int, span: Span) -> list[Span]:
    """Return when, within ``span``, the instrument is expected to trade; sorted.

    Its life, within the sessions of its venue, without halts. Empty for an unknown instrument.
    """
    values = {
        "instrument_id": instrument_id,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }
    found = connection.execute(statement("market/expected_span"), values)
    return [Span(to_ms(start), to_ms(end)) for start, end in found]


def trading_status(connection: Connection, instrument_id: int, at: datetime) -> str | None:
    """Return an instrument's status at an instant, in the words of its venue.

    ``PRE_LISTING`` and ``DELISTED`` outside its life; None before it was first observed.
    """
    row = connection.execute(
        statement("market/trading_status"), {"instrument_id": instrument_id, "at": at}
    ).fetchone()
    return row[0] if row else None


def _carve(hole: Span, absences: Sequence[Gap]) -> list[Gap]:
    """Give each part of ``hole`` the first of ``absences`` that holds it."""
    parts: list[Gap] = []
    rest = [hole]
    for absence in absences:
        inside = [common for part in rest if (common := _intersect(part, absence.span))]
        parts += [replace(absence, span=part) for part in inside]
        rest = [left for part in rest for left in subtract_spans(part, inside)]
    return parts


def _intersect(one: Span, other: Span) -> Span:
    start_ms = max(one.start_ms, other.start_ms)
    return Span(start_ms, max(start_ms, min(one.end_ms, other.end_ms)))
