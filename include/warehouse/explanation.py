"""Gives gaps already written down a better reason, and proves what that explains.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from include.market.span import Span, from_ms, subtract_spans, to_ms
from include.quality.looks import next_recheck_ms
from include.warehouse.engine import Connection
from include.warehouse.gaps import (
    EXPLAINED_REASONS,
    Gap,
    OpenGap,
    Settlement,
    as_open_gap,
    replace_gaps,
)
from include.warehouse.judgement import lock_series
from include.warehouse.multiranges import as_multirange
from include.warehouse.settlement import Proof, extend_coverage
from include.warehouse.statements import fetch_value, statement

Applies = Callable[[OpenGap, Gap], bool]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Who explains, and when: ``run_id`` goes into the receipt, ``at`` sets the next look.

    With ``look_again`` the next look is due at once.
    """

    dataset: str
    venue: str
    run_id: str
    at: datetime
    look_again: bool = False


def explain(
    connection: Connection,
    who: Explainer,
    explanations: Mapping[int, Sequence[Gap]],
    *,
    applies: Applies = lambda gap, why: True,
) -> int:
    """Give open gaps the reasons in ``explanations``, by instrument; return how many changed.

    What is no longer open is left alone, and so is a pair that ``applies`` rejects. What becomes
    explained becomes coverage and is told to the later stages. An explained gap is looked at again
    for a week after it was found, for venues mend their data late.
    """
    wanted = {owner: list(found) for owner, found in explanations.items() if found}
    if not wanted:
        return 0
    lock_series(connection, who.dataset, list(wanted))
    changed, proofs = 0, dict[int, list[Span]]()
    for instrument_id, found in sorted(wanted.items()):
        known = open_gaps_within(connection, who.dataset, [instrument_id], [g.span for g in found])
        for gap in known:
            pieces = _recut(gap, found, who, applies)
            if pieces is None:
                continue
            changed += 1
            replace_gaps(
                connection,
                who.dataset,
                instrument_id,
                known=[gap],
                settlement=Settlement(pieces, []),
            )
            if gap.reason not in EXPLAINED_REASONS:
                proven = [one.span for one in pieces if one.reason in EXPLAINED_REASONS]
                proofs.setdefault(instrument_id, []).extend(proven)
    _prove(connection, who, proofs)
    return changed


def open_gaps_within(
    connection: Connection, dataset: str, instrument_ids: Sequence[int], spans: Sequence[Span]
) -> list[OpenGap]:
    """Return the open gaps of some series that meet any of ``spans``, locked, in order."""
    values = {
        "dataset": dataset,
        "instrument_ids": list(instrument_ids),
        "spans": as_multirange(spans),
    }
    found = connection.execute(statement("ledger/gaps_within"), values)
    return [as_open_gap(row) for row in found]


def _recut(
    gap: OpenGap, found: Sequence[Gap], who: Explainer, applies: Applies
) -> list[OpenGap] | None:
    """Return the pieces that replace ``gap``, None where nothing of it changes."""
    explained: list[OpenGap] = []
    for why in found:
        start_ms = max(gap.span.start_ms, why.span.start_ms)
        end_ms = min(gap.span.end_ms, why.span.end_ms)
        same = (gap.reason, gap.outage_id) == (why.reason, why.outage_id)
        if start_ms < end_ms and not same and applies(gap, why):
            explained.append(_explained(gap, Span(start_ms, end_ms), why, who))
    if not explained:
        return None
    rest = subtract_spans(gap.span, [piece.span for piece in explained])
    pieces = [*explained, *(replace(gap, span=part) for part in rest)]
    return sorted(pieces, key=lambda piece: piece.span)


def _explained(gap: OpenGap, span: Span, why: Gap, who: Explainer) -> OpenGap:
    at_ms = to_ms(who.at)
    looks = {key: gap.proof[key] for key in ("asked", "means", "looks") if key in gap.proof}
    if why.reason not in EXPLAINED_REASONS:
        return replace(gap, span=span, reason=why.reason, proof={**gap.proof, **why.proof})
    again_ms = at_ms if who.look_again else next_recheck_ms(to_ms(gap.found_at or who.at), at_ms)
    return replace(
        gap,
        span=span,
        reason=why.reason,
        proof={**looks, **why.proof},
        outage_id=why.outage_id,
        next_attempt_at=None if again_ms is None else from_ms(again_ms),
        given_up_at=None,
    )


def _prove(connection: Connection, who: Explainer, proofs: Mapping[int, Sequence[Span]]) -> None:
    spans = [span for found in proofs.values() for span in found]
    if not spans:
        return
    load_id = fetch_value(
        connection,
        statement("ledger/write_explanation"),
        {
            "dataset": who.dataset,
            "venue": who.venue,
            "run_id": who.run_id,
            "span_start": min(spans).start_time,
            "span_end": max(span.end_time for span in spans),
        },
    )
    extend_coverage(
        connection,
        who.dataset,
        [Proof(owner, found, load_id) for owner, found in sorted(proofs.items())],
    )
