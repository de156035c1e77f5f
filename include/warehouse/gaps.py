"""What is absent and why: settles what a load says with what the ledger knew."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Generic, Literal, TypeVar

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from include.market.errors import InvalidInputError
from include.market.span import Span, subtract_spans, to_ms
from include.quality.looks import read_looks, with_look
from include.warehouse.engine import Connection
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import statement

GapReason = Literal[
    "outage",
    "no_trade",
    "pre_listing",
    "delisted",
    "halted",
    "unpublished",
    "fetch_failed",
    "disconnected",
    "depth_exhausted",
    "unknown",
]
EXPLAINED_REASONS: Final = frozenset(
    {"outage", "no_trade", "pre_listing", "delisted", "halted", "unpublished"}
)
"""Facts about the venue; the same set as the SQL function ``ledger.is_explained``."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An absent span (half-open), why it is absent, and what that rests on.

    ``outage_id`` names the outage of the venue that explains it.
    """

    span: Span
    reason: GapReason = "unknown"
    proof: Mapping[str, Any] = field(default_factory=dict)
    outage_id: int | None = None


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap of the ledger that is not filled; ``attempts`` counts the looks in vain.

    ``given_up_at`` is when they had been too many to go on.
    """

    gap_id: int
    instrument_id: int
    span: Span
    reason: GapReason
    attempts: int
    next_attempt_at: datetime | None
    proof: Mapping[str, Any]
    found_at: datetime | None
    outage_id: int | None = None
    given_up_at: datetime | None = None


AnyGap = TypeVar("AnyGap", Gap, OpenGap)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What replaces the open gaps a load touched: those still open, those now filled."""

    still_open: list[OpenGap]
    filled: list[OpenGap]


def settle_gaps(
    known: Sequence[OpenGap], stated: Sequence[Gap], holes: Sequence[Span], span: Span
) -> Settlement:
    """Decide the open gaps of one series after a load that speaks for ``span``.

    ``holes`` are the spans inside ``span`` without stored rows, sorted and disjoint; they alone
    decide what is open. ``stated`` gives them reasons, else the reason known before stays, else
    it is ``unknown``; an explanation is not lost to a later ``unknown``. Parts of known gaps
    outside ``span`` stay as they were.
    """
    outside = [
        replace(gap, span=part) for gap in known for part in subtract_spans(gap.span, [span])
    ]
    filled = [
        replace(gap, span=part)
        for gap in known
        for part in subtract_spans(_clip(gap.span, span), holes)
    ]
    old, new = _Timeline(known), _Timeline(stated)
    inside = [piece for hole in holes for piece in _explain(hole, old, new)]
    return Settlement(sorted(outside + _join(inside), key=_start), sorted(filled, key=_start))


def record_gap_attempt(
    connection: Connection,
    gap_id: int,
    *,
    reason: GapReason,
    next_attempt_at: datetime | None,
    proof: Mapping[str, Any] | None = None,
    given_up_at: datetime | None = None,
) -> None:
    """Note that an open gap was looked for in vain; runs in the caller's transaction.

    With ``given_up_at`` it is not looked for again.

    Raises:
        InvalidInputError: the gap is closed or was replaced by a load meanwhile.
    """
    values = {
        "gap_id": gap_id,
        "reason": reason,
        "next_attempt_at": next_attempt_at,
        "given_up_at": given_up_at,
        "proof": None if proof is None else finite_json(dict(proof)),
    }
    if connection.execute(statement("ledger/record_gap_attempt"), values).rowcount == 0:
        raise InvalidInputError(f"gap {gap_id} is no longer open: read open_gaps again")


def replace_gaps(
    connection: Connection,
    dataset: str,
    instrument_id: int,
    *,
    known: Sequence[OpenGap],
    settlement: Settlement,
) -> None:
    """Store a settlement in place of the gaps it was made from; the caller's transaction."""
    connection.execute(
        "DELETE FROM ledger.gap WHERE gap_id = ANY(%s)", ([gap.gap_id for gap in known],)
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            statement("ledger/write_gap"),
            [
                {
                    "dataset": dataset,
                    "instrument_id": instrument_id,
                    "span_start": gap.span.start_time,
                    "span_end": gap.span.end_time,
                    "reason": gap.reason,
                    "attempts": gap.attempts,
                    "next_attempt_at": gap.next_attempt_at,
                    "proof": _proof(gap),
                    "found_at": gap.found_at,
                    "outage_id": gap.outage_id,
                    "given_up_at": gap.given_up_at,
                    "is_filled": is_filled,
                }
                for is_filled, gaps in ((False, settlement.still_open), (True, settlement.filled))
                for gap in gaps
            ],
        )


def as_open_gap(row: TupleRow) -> OpenGap:
    """Read a row of the statements ``ledger/open_gaps`` and ``ledger/touched_gaps``."""
    gap_id, instrument_id, start, end, *rest = row
    return OpenGap(gap_id, instrument_id, Span(to_ms(start), to_ms(end)), *rest)


def _proof(gap: OpenGap) -> Jsonb:
    return finite_json(dict(gap.proof))


def _explain(hole: Span, known: _Timeline[OpenGap], stated: _Timeline[Gap]) -> list[OpenGap]:
    """Cut ``hole`` wherever a known or stated gap begins or ends, and give each part a reason."""
    old_parts, new_parts = known.within(hole), stated.within(hole)
    edges = {hole.start_ms, hole.end_ms}
    for part in (*(span for span, _ in old_parts), *(span for span, _ in new_parts)):
        edges |= {part.start_ms, part.end_ms}
    cuts = sorted(edges)
    pieces = []
    for start_ms, end_ms in pairwise(cuts):
        old = _holding(old_parts, start_ms)
        new = _holding(new_parts, start_ms)
        pieces.append(_merge(Span(start_ms, end_ms), old, new))
    return pieces


def _merge(span: Span, old: OpenGap | None, new: Gap | None) -> OpenGap:
    if old is None:
        gap = new or Gap(span)
        return OpenGap(0, 0, span, gap.reason, 1, None, gap.proof, None, gap.outage_id)
    again = replace(old, span=span, attempts=old.attempts + 1)
    if new is None or (new.reason == "unknown" and old.reason in EXPLAINED_REASONS):
        return again
    proof = _both(old.proof, new.proof) if new.reason == old.reason else new.proof
    return replace(again, reason=new.reason, proof=proof, outage_id=new.outage_id)


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two proofs of one reason say; looks in vain add up."""
    proof = {**old, **new}
    if "looks" in old:
        proof["looks"] = old["looks"]
        for look in read_looks(new):
            proof = with_look(proof, look)
    return proof


def _join(pieces: Iterable[OpenGap]) -> list[OpenGap]:
    joined: list[OpenGap] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.span.end_ms == piece.span.start_ms
            and replace(last, span=piece.span) == piece
        ):
            joined[-1] = replace(last, span=Span(last.span.start_ms, piece.span.end_ms))
        else:
            joined.append(piece)
    return joined


def _holding(parts: Sequence[tuple[Span, AnyGap]], instant_ms: int) -> AnyGap | None:
    return next((gap for span, gap in parts if span.start_ms <= instant_ms < span.end_ms), None)


class _Timeline(Generic[AnyGap]):
    """Gaps made disjoint (of two that overlap the earlier one wins), found by bisection."""

    def __init__(self, gaps: Iterable[AnyGap]) -> None:
        self._parts: list[tuple[Span, AnyGap]] = []
        ordered = sorted((gap for gap in gaps if gap.span), key=_start)
        end_ms = ordered[0].span.start_ms if ordered else 0
        for gap in ordered:
            if gap.span.end_ms > end_ms:
                start_ms = max(gap.span.start_ms, end_ms)
                self._parts.append((Span(start_ms, gap.span.end_ms), gap))
                end_ms = gap.span.end_ms
        self._ends = [span.end_ms for span, _ in self._parts]

    def within(self, limits: Span) -> list[tuple[Span, AnyGap]]:
        """Return what lies inside ``limits``, clipped to it, sorted."""
        found = []
        for span, gap in self._parts[bisect_right(self._ends, limits.start_ms) :]:
            if span.start_ms >= limits.end_ms:
                break
            found.append((_clip(span, limits), gap))
        return found


def _clip(span: Span, limits: Span) -> Span:
    start_ms = min(max(span.start_ms, limits.start_ms), limits.end_ms)
    return Span(start_ms, max(start_ms, min(span.end_ms, limits.end_ms)))


def _start(gap: Gap | OpenGap) -> int:
    return gap.span.start_ms
