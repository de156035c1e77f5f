"""Write down looks in vain: count them, appoint the next one, and conclude when they suffice."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Literal

from include.exchanges.traits import Absence
from include.market.errors import DepthExhaustedError, InvalidInputError
from include.market.span import Span, from_ms, merge_spans, to_ms
from include.market.timeframe import DAY_MS, M1
from include.quality.looks import (
    Look,
    Verdict,
    conclude,
    next_look_ms,
    next_recheck_ms,
    read_looks,
    with_look,
)
from include.warehouse.engine import Connection
from include.warehouse.explanation import Explainer, explain, open_gaps_within
from include.warehouse.gaps import (
    EXPLAINED_REASONS,
    Gap,
    GapReason,
    OpenGap,
    record_gap_attempt,
)
from include.warehouse.judgement import lock_series
from include.warehouse.ledger import coverage
from include.warehouse.outages import was_refused
from include.warehouse.repairs import writes_flat_candles

Outcome = Literal["in_vain", "proven", "given_up", "failed", "held", "moved"]


def note_look(
    conn: Connection, who: Explainer, gap: OpenGap, look: Look, *, means: Absence
) -> Outcome:
    """Count a look that found nothing of a gap; return what follows.

    ``proven``: the looks suffice, the gap has its reason and is covered. ``given_up``: it was the
    last one. ``moved``: a load has replaced the gap meanwhile. ``means`` is what the venue means by
    a candle it leaves out, where the gap itself does not say.
    """
    proof = with_look(gap.proof, look)
    if not was_refused(gap):
        stated = {"asked": int(gap.proof.get("asked", 0)) + 1}
        proof = {**proof, **stated, "means": gap.proof.get("means", means)}
    with conn.transaction():
        lock_series(conn, who.dataset, [gap.instrument_id])
        reason: GapReason = gap.reason if gap.reason in EXPLAINED_REASONS else "unknown"
        outcome = _count(conn, who, gap, reason, proof)
        if outcome == "moved" or gap.reason in EXPLAINED_REASONS or was_refused(gap):
            return outcome
        verdict = _verdict(conn, who, gap, proof)
        if verdict is None:
            return outcome
        explain(conn, who, {gap.instrument_id: [Gap(gap.span, verdict, proof)]})
    return "proven"


def note_failure(conn: Connection, who: Explainer, gap: OpenGap, error: Exception) -> Outcome:
    """Count a look that was not answered; an explanation the gap has is kept."""
    reason: GapReason = "fetch_failed"
    if isinstance(error, DepthExhaustedError):
        reason = "depth_exhausted"
    if gap.reason in EXPLAINED_REASONS:
        reason = gap.reason
    proof = {**gap.proof, "error": f"{type(error).__name__}: {error}"[:500]}
    with conn.transaction():
        lock_series(conn, who.dataset, [gap.instrument_id])
        outcome = _count(conn, who, gap, reason, proof)
    return "failed" if outcome == "in_vain" else outcome


def note_held(conn: Connection, who: Explainer, gap: OpenGap) -> Outcome:
    """Count a look whose rows landed although those of an earlier one are held back.

    The absence is neither proven by it nor filled: only the next look waits longer, and one day
    none is appointed any more.
    """
    with conn.transaction():
        lock_series(conn, who.dataset, [gap.instrument_id])
        outcome = _count(conn, who, gap, gap.reason, {**gap.proof, "held": True})
    return "held" if outcome == "in_vain" else outcome


def note_lent(
    conn: Connection, who: Explainer, gap: OpenGap, note: Mapping[str, object], until: datetime
) -> None:
    """Count a look in vain after which another venue lent its candles; they come by ``until``."""
    with conn.transaction(), suppress(InvalidInputError):
        lock_series(conn, who.dataset, [gap.instrument_id])
        # Replaced by a load meanwhile, it needs none of them.
        record_gap_attempt(
            conn,
            gap.gap_id,
            reason=gap.reason,
            next_attempt_at=until,
            proof={**gap.proof, **note},
        )


def whole_absence(conn: Connection, dataset: str, gap: OpenGap) -> Span:
    """Return a gap together with the open gaps that adjoin it, and those that adjoin them."""
    whole = gap.span
    while True:
        wider = Span(max(0, whole.start_ms - M1.length_ms), whole.end_ms + M1.length_ms)
        known = open_gaps_within(conn, dataset, [gap.instrument_id], [wider])
        grown = merge_spans([whole, *(one.span for one in known)])
        [joined] = [one for one in grown if one.start_ms <= whole.start_ms < one.end_ms]
        if joined == whole:
            return whole
        whole = joined


def _count(
    conn: Connection, who: Explainer, gap: OpenGap, reason: GapReason, proof: dict[str, object]
) -> Outcome:
    at_ms = to_ms(who.at)
    is_explained = gap.reason in EXPLAINED_REASONS
    if is_explained:
        again_ms = next_recheck_ms(to_ms(gap.found_at or who.at), at_ms)
    else:
        again_ms = next_look_ms(gap.attempts + 1, at_ms)
    given_up_at: datetime | None = None
    if again_ms is None and not is_explained:
        given_up_at = who.at
    try:
        record_gap_attempt(
            conn,
            gap.gap_id,
            reason=reason,
            next_attempt_at=None if again_ms is None else from_ms(again_ms),
            proof=proof,
            given_up_at=given_up_at,
        )
    except InvalidInputError:
        # A load cut or filled it: what remains of it is due by itself.
        return "moved"
    return "given_up" if given_up_at is not None else "in_vain"


def _verdict(
    conn: Connection, who: Explainer, gap: OpenGap, proof: dict[str, object]
) -> Verdict | None:
    means = proof.get("means")
    around = Span(gap.span.start_ms - DAY_MS, gap.span.end_ms + DAY_MS)
    writes_flat = means == "outage" or (
        means == "unknown" and writes_flat_candles(conn, gap.instrument_id, around)
    )
    looks = read_looks(proof)
    is_bounded = any(look.neighbours for look in looks) or _is_bounded(conn, who.dataset, gap)
    return conclude(looks, is_bounded=is_bounded, writes_flat=writes_flat)


def _is_bounded(conn: Connection, dataset: str, gap: OpenGap) -> bool:
    """Tell whether candles are proven on both sides of a gap and of the gaps that adjoin it."""
    whole = whole_absence(conn, dataset, gap)
    covered = coverage(conn, dataset, gap.instrument_id)
    return all(
        any(one.start_ms <= edge_ms < one.end_ms for one in covered)
        for edge_ms in (whole.start_ms - 1, whole.end_ms)
    )
