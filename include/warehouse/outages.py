"""Outages of venues, each written down once, and what is known of a venue's silence.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.rows import TupleRow

from include.market.span import Span, merge_spans, subtract_spans, to_ms
from include.quality.outages import LEAST_QUIET_MS, SeriesKnowledge
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap, OpenGap, as_open_gap
from include.warehouse.multiranges import as_multirange, from_multirange
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import fetch_value, statement

OutageSource = Literal["calendar", "operator", "detected"]
STATED: Final = ("calendar", "operator")
"""Sources that say so; the other is our own finding, and trades inside may disprove it."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage of a whole venue in force: ``span`` is half-open, ``proof`` what it rests on."""

    outage_id: int
    span: Span
    source: OutageSource
    note: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


def lock_outages(connection: Connection, venue: str) -> None:
    """Keep others from writing down outages of ``venue`` until the transaction ends.

    Take it before the locks of series.
    """
    connection.execute(statement("ledger/lock_outages"), {"venue": venue})


def outages(connection: Connection, venue: str, span: Span | None = None) -> list[Outage]:
    """Return the outages of a venue in force that meet or touch ``span``, sorted."""
    values = {
        "venue": venue,
        "span_start": span and span.start_time,
        "span_end": span and span.end_time,
    }
    return [_as_outage(row) for row in connection.execute(statement("ledger/outages"), values)]


def note_outage(
    connection: Connection,
    venue: str,
    span: Span,
    *,
    source: OutageSource,
    note: str = "",
    proof: Mapping[str, Any] | None = None,
) -> list[Outage]:
    """Write down that a venue was silent in ``span``; return the outages that hold it, sorted.

    One that touches it grows instead of getting a neighbour, and a stated one keeps its words over
    a detected one. Again is harmless. The caller holds :func:`lock_outages`.
    """
    known = outages(connection, venue, span)
    for part in subtract_spans(span, [one.span for one in known]):
        beside = [one for one in known if _touch(one.span, part)]
        if beside:
            # What people state alone can be taken back alone.
            by_silence = "detected" in (source, beside[0].source)
            _grow(connection, beside[0], part, by_silence=by_silence)
        else:
            values = {
                "venue": venue,
                "span_start": part.start_time,
                "span_end": part.end_time,
                "source": source,
                "note": note,
                "proof": finite_json(dict(proof or {})),
            }
            connection.execute(statement("ledger/write_outage"), values)
        known = outages(connection, venue, span)
    if source in STATED:
        for one in known:
            if one.source == "detected":
                values = {"outage_id": one.outage_id, "source": source, "note": note}
                connection.execute(statement("ledger/name_outage"), values)
        known = outages(connection, venue, span)
    return [one for one in known if _meet(one.span, span)]


def withdraw_outages(connection: Connection, outage_ids: Iterable[int]) -> None:
    """Take back outages that trades disproved; their gaps are the caller's to explain anew."""
    connection.execute(statement("ledger/withdraw_outages"), {"outage_ids": list(outage_ids)})


def explain_by_outages(
    connection: Connection, instrument_id: int, holes: Sequence[Span]
) -> list[Gap]:
    """Return the parts of ``holes`` that known outages of the instrument's venue explain."""
    asked = [hole for hole in holes if hole]
    if not asked:
        return []
    values = {"instrument_id": instrument_id, "spans": as_multirange(asked)}
    found = connection.execute(statement("ledger/outages_of_series"), values)
    return [
        Gap(part, "outage", {"outage_id": outage_id, "source": source}, outage_id)
        for outage_id, source, parts in found
        for part in from_multirange(parts)
    ]


def was_refused(gap: Gap | OpenGap) -> bool:
    """Tell whether rows came for a gap and were refused: then it is no silence."""
    return "refused_in_landing" in gap.proof


def silent_series(
    connection: Connection, dataset: str, venue: str, spans: Sequence[Span]
) -> list[SeriesKnowledge]:
    """Return what is known, within ``spans``, of every instrument that was asked for around them.

    Spans are widened by what open gaps reach beyond them, so that no silence is cut.
    """
    values = {"dataset": dataset, "venue": venue, "spans": as_multirange(merge_spans(spans))}
    rows = connection.execute(statement("ledger/silent_series"), values)
    return [
        SeriesKnowledge(
            instrument_id,
            from_multirange(active),
            from_multirange(traded),
            from_multirange(silent),
        )
        for instrument_id, active, traded, silent in rows
    ]


def asked_gaps(
    connection: Connection, dataset: str, venue: str, span: Span, *, unexplained_only: bool
) -> list[OpenGap]:
    """Return the open gaps of a venue that meet ``span`` and that the venue was asked for.

    Unless ``unexplained_only``, those explained by silence are among them, but none that the
    reference explains, and of the minutes without trades only those that could be something else:
    silences of ``LEAST_QUIET_MS`` and more, and what is not expected to trade by now.
    """
    values = {
        "dataset": dataset,
        "venue": venue,
        "span_start": span.start_time,
        "span_end": span.end_time,
        "unexplained_only": unexplained_only,
        "least_quiet": timedelta(milliseconds=LEAST_QUIET_MS),
    }
    return [as_open_gap(row) for row in connection.execute(statement("ledger/asked_gaps"), values)]


def gaps_of_withdrawn(connection: Connection, dataset: str, venue: str) -> list[OpenGap]:
    """Return the open gaps of a venue that outages explain which are no longer believed."""
    values = {"dataset": dataset, "venue": venue}
    found = connection.execute(statement("ledger/gaps_of_withdrawn"), values)
    return [as_open_gap(row) for row in found]


def disproved_outages(connection: Connection, dataset: str, venue: str, span: Span) -> list[int]:
    """Return the detected outages meeting ``span`` inside which candles are stored."""
    values = {
        "dataset": dataset,
        "venue": venue,
        "span_start": span.start_time,
        "span_end": span.end_time,
    }
    return [
        outage_id
        for (outage_id,) in connection.execute(statement("ledger/disproved_outages"), values)
    ]


def untold_outages(connection: Connection, venue: str) -> list[Outage]:
    """Return the detected outages of a venue in force that nobody was told of, oldest first."""
    rows = connection.execute(statement("ledger/untold_outages"), {"venue": venue})
    return [
        Outage(outage_id, Span(to_ms(start), to_ms(end)), "detected", proof=proof)
        for outage_id, start, end, proof in rows
    ]


def mark_outages_told(connection: Connection, told: Iterable[Outage], *, at: datetime) -> None:
    """Note that somebody was told of outages at ``at``."""
    values = {"outage_ids": [one.outage_id for one in told], "at": at}
    connection.execute(statement("ledger/mark_outages_told"), values)


def sync_outages(
    connection: Connection,
    venue: str,
    stated: Sequence[tuple[Span, str]],
    *,
    source: OutageSource,
) -> int:
    """Write down what a calendar or the operator states, as span and note; return how many changed.

    What was stated before and is no longer is withdrawn. Nothing for a venue nobody knows yet.
    """
    if not fetch_value(connection, statement("ledger/venue_is_known"), {"venue": venue}):
        return 0
    lock_outages(connection, venue)
    before = outages(connection, venue)
    gone = [
        one.outage_id
        for one in before
        if one.source == source and not _is_stated(one, [span for span, _ in stated])
    ]
    withdraw_outages(connection, gone)
    for span, note in stated:
        note_outage(connection, venue, span, source=source, note=note)
    after = outages(connection, venue)
    return len(set(map(_identity, after)) ^ set(map(_identity, before)))


def _is_stated(outage: Outage, spans: Sequence[Span]) -> bool:
    """Tell whether an outage is still stated; what silence beside it added is its own matter."""
    if outage.proof.get("grown"):
        return any(_meet(outage.span, span) for span in spans)
    return not subtract_spans(outage.span, spans)


def _identity(outage: Outage) -> tuple[int, Span, str]:
    return outage.outage_id, outage.span, outage.source


def _grow(connection: Connection, outage: Outage, part: Span, *, by_silence: bool) -> None:
    values = {
        "grown": finite_json({"grown": True} if by_silence else {}),
        "outage_id": outage.outage_id,
        "span_start": min(outage.span, part).start_time,
        "span_end": Span(0, max(outage.span.end_ms, part.end_ms)).end_time,
    }
    connection.execute(statement("ledger/grow_outage"), values)


def _as_outage(row: TupleRow) -> Outage:
    outage_id, start, end, source, note, proof = row
    return Outage(outage_id, Span(to_ms(start), to_ms(end)), source, note, proof)


def _touch(one: Span, other: Span) -> bool:
    return one.start_ms <= other.end_ms and other.start_ms <= one.end_ms


def _meet(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms
