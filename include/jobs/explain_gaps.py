"""Find out why candles are absent: what the reference, known outages and other instruments tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from include.market.span import Span, merge_spans
from include.market.timeframe import DAY_MS
from include.quality.outages import (
    AROUND_MS,
    LEAST_QUIET_MS,
    VenueSilence,
    disconnected_spans,
    find_venue_silences,
    rare_silences,
)
from include.warehouse.connections import alive_spans
from include.warehouse.engine import Connection, database_errors
from include.warehouse.expected import explain_by_master, overrule
from include.warehouse.explanation import Explainer, explain
from include.warehouse.gaps import EXPLAINED_REASONS, Gap, GapReason, OpenGap
from include.warehouse.outages import (
    asked_gaps,
    disproved_outages,
    explain_by_outages,
    gaps_of_withdrawn,
    lock_outages,
    note_outage,
    silent_series,
    was_refused,
    withdraw_outages,
)
from include.warehouse.reference import instrument_ids

DATASET: Final = "candle_1m"
FROM_REFERENCE: Final = frozenset({"pre_listing", "delisted", "halted"})

Explanations = Mapping[int, Sequence[Gap]]


@dataclass(frozen=True, slots=True)
class _Silence:
    """A silence of a whole venue, and the instruments that were silent in it."""

    found: VenueSilence
    instrument_ids: Sequence[int]


def explain_venue(
    conn: Connection,
    venue: str,
    span: Span,
    *,
    run_id: str,
    at: datetime,
    thorough: bool = False,
) -> dict[str, int]:
    """Explain the gaps of one venue's 1m candles that meet ``span``; return what changed.

    Without ``thorough`` only gaps nobody has explained are looked at, which costs next to nothing
    when there are none. With it explained ones are held against what is known by now: halts and
    outages learnt later, and outages that trades have disproved since. What becomes explained is
    covered and told to the later stages, in one transaction.
    """
    who = Explainer(DATASET, venue, run_id, at)
    withdrawn = 0
    with database_errors(f"explaining gaps of {venue}"):
        if not thorough and not asked_gaps(conn, DATASET, venue, span, unexplained_only=True):
            return {}
        if thorough:
            # On its own: the locks of series are taken in one go, or two writers could meet.
            with conn.transaction():
                lock_outages(conn, venue)
                withdrawn = _withdraw(conn, who, span)
        with conn.transaction():
            lock_outages(conn, venue)
            changed, found = _explain(conn, who, span, thorough=thorough)
    return {"explained": changed, "outages": found, "withdrawn": withdrawn}


def _explain(conn: Connection, who: Explainer, span: Span, *, thorough: bool) -> tuple[int, int]:
    """Explain what can be by now; return how many gaps changed and outages were found."""
    gaps = asked_gaps(conn, who.dataset, who.venue, span, unexplained_only=not thorough)
    silences = _silences_of_flat(conn, who.venue, gaps)
    if thorough or span.end_ms - span.start_ms >= DAY_MS:
        silences += _silences_of_quiet(conn, who.venue, gaps)
    by_outage = _overruled(_by_known_outages(conn, gaps), _note(conn, who.venue, silences))
    by_outage = _overruled(_by_connections(conn, who.venue, gaps), by_outage)
    explanations = _overruled(by_outage, _by_reference(conn, gaps))
    return explain(conn, who, explanations, applies=_applies), len(silences)


def _applies(gap: OpenGap, why: Gap) -> bool:
    """Tell whether a gap may have that explanation: an outage needs that the venue was asked."""
    if gap.reason in FROM_REFERENCE:
        return False
    if why.reason == "outage":
        asked = "asked" in gap.proof and not was_refused(gap)
        return asked and gap.reason in ("unknown", "no_trade", "unpublished")
    return True


def _by_reference(conn: Connection, gaps: Sequence[OpenGap]) -> dict[int, list[Gap]]:
    return {
        instrument_id: explain_by_master(conn, instrument_id, [gap.span for gap in own])
        for instrument_id, own in _by_instrument(gaps).items()
    }


def _by_known_outages(conn: Connection, gaps: Sequence[OpenGap]) -> dict[int, list[Gap]]:
    unexplained = [
        gap for gap in gaps if gap.reason not in EXPLAINED_REASONS or gap.reason == "unpublished"
    ]
    return {
        instrument_id: explain_by_outages(conn, instrument_id, merge_spans(gap.span for gap in own))
        for instrument_id, own in _by_instrument(unexplained).items()
    }


def _by_connections(conn: Connection, venue: str, gaps: Sequence[OpenGap]) -> dict[int, list[Gap]]:
    """Return what of gaps in a stream fell into times in which no connection was alive."""
    heard = [gap for gap in gaps if gap.reason == "unknown" and "heard_in_landing" in gap.proof]
    if not heard:
        return {}
    symbols = {owner: symbol for symbol, owner in instrument_ids(conn, venue).items()}
    lost: dict[int, list[Gap]] = defaultdict(list)
    for gap in heard:
        alive = alive_spans(conn, venue, symbols.get(gap.instrument_id, ""), gap.span)
        lost[gap.instrument_id] += [
            Gap(part, "disconnected") for part in disconnected_spans(alive, gap.span)
        ]
    return lost


def _silences_of_flat(conn: Connection, venue: str, gaps: Sequence[OpenGap]) -> list[_Silence]:
    """Return the silences of a venue that writes flat candles: any of all together is an outage."""
    asked = [
        gap.span
        for gap in gaps
        if gap.reason in ("unknown", "unpublished") and gap.proof.get("means") == "outage"
    ]
    return _silences(conn, venue, asked) if asked else []


def _silences_of_quiet(conn: Connection, venue: str, gaps: Sequence[OpenGap]) -> list[_Silence]:
    """Return the silences of a venue that omits minutes which are too long to be chance."""
    asked = [
        gap.span
        for gap in gaps
        if gap.reason in ("unknown", "no_trade")
        and gap.proof.get("means") in ("no_trade", "unknown")
        and gap.span.end_ms - gap.span.start_ms >= LEAST_QUIET_MS
    ]
    long = [
        one.found.span
        for one in (_silences(conn, venue, asked, quorum=1) if asked else [])
        if one.found.span.end_ms - one.found.span.start_ms >= LEAST_QUIET_MS
    ]
    if not long:
        return []
    # What is usual is read only where something could be unusual.
    around = [Span(one.start_ms - AROUND_MS, one.end_ms + AROUND_MS) for one in long]
    found = _silences(conn, venue, around, quorum=1)
    rare = {one.span for one in rare_silences([one.found for one in found])}
    return [one for one in found if one.found.span in rare and one.found.span in set(long)]


def _silences(
    conn: Connection, venue: str, spans: Sequence[Span], *, quorum: int = 2
) -> list[_Silence]:
    series = silent_series(conn, DATASET, venue, spans)
    return [
        _Silence(found, [one.instrument_id for one in series if one.silent])
        for found in find_venue_silences(series, quorum=quorum)
    ]


def _note(conn: Connection, venue: str, silences: Sequence[_Silence]) -> dict[int, list[Gap]]:
    """Write down each silence as an outage, once; return what it explains, by instrument."""
    explained: dict[int, list[Gap]] = defaultdict(list)
    for one in silences:
        proof = {"silent": one.found.silent, "active": one.found.active}
        for outage in note_outage(conn, venue, one.found.span, source="detected", proof=proof):
            told = {**proof, "outage_id": outage.outage_id, "source": outage.source}
            gap = Gap(_common(outage.span, one.found.span), "outage", told, outage.outage_id)
            for instrument_id in one.instrument_ids:
                explained[instrument_id].append(gap)
    return explained


def _withdraw(conn: Connection, who: Explainer, span: Span) -> int:
    """Take back outages inside which somebody traded; what was absent is looked for at once.

    So is what outages explained that nobody states any more.
    """
    wrong = disproved_outages(conn, who.dataset, who.venue, span)
    if wrong:
        withdraw_outages(conn, wrong)
    explanations: dict[int, list[Gap]] = defaultdict(list)
    for gap in gaps_of_withdrawn(conn, who.dataset, who.venue):
        writes_flat = gap.proof.get("means", "outage") == "outage"
        reason: GapReason = "unpublished" if writes_flat else "no_trade"
        why = Gap(gap.span, reason, {"withdrawn_outage": gap.outage_id})
        explanations[gap.instrument_id].append(why)
    explain(conn, replace(who, look_again=True), explanations)
    return len(wrong)


def _by_instrument(gaps: Sequence[OpenGap]) -> dict[int, list[OpenGap]]:
    found: dict[int, list[OpenGap]] = defaultdict(list)
    for gap in gaps:
        found[gap.instrument_id].append(gap)
    return found


def _overruled(one: Explanations, other: Explanations) -> dict[int, list[Gap]]:
    """Return both, by instrument; where both speak of an instant the second is believed."""
    return {owner: overrule(one.get(owner, ()), other.get(owner, ())) for owner in {*one, *other}}


def _common(one: Span, other: Span) -> Span:
    start_ms = max(one.start_ms, other.start_ms)
    return Span(start_ms, max(start_ms, min(one.end_ms, other.end_ms)))
