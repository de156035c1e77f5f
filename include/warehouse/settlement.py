"""What a load proves: the gaps it leaves, fills or explains, and the coverage of the rest.

Runs in the transaction that stores the rows, under the locks of their series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from include.market.span import Span, subtract_all, subtract_spans
from include.warehouse.engine import Connection
from include.warehouse.expected import explain_by_master, overrule
from include.warehouse.gaps import (
    EXPLAINED_REASONS,
    Gap,
    OpenGap,
    Settlement,
    as_open_gap,
    replace_gaps,
    settle_gaps,
)
from include.warehouse.multiranges import as_array, as_multirange
from include.warehouse.outages import explain_by_outages, was_refused
from include.warehouse.statements import statement

_LISTED_PER_STATEMENT: Final = 8
"""Spans in a list that cost as much as one more statement about instruments with the same span."""


@dataclass(frozen=True, slots=True)
class SettledPart:
    """A span of one series that a load speaks for, and the holes it has once the rows are stored.

    ``holes`` are sorted and disjoint; ``gaps`` are the reasons the load gives for what is absent.
    """

    instrument_id: int
    span: Span
    holes: Sequence[Span]
    gaps: Sequence[Gap]
    load_id: int | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Spans of one series whose every candle is stored or whose absence is explained."""

    instrument_id: int
    spans: Sequence[Span]
    load_id: int | None


def settle(connection: Connection, dataset: str, parts: Sequence[SettledPart]) -> None:
    """Write down what is absent from ``parts``, in their order, and cover the rest of them.

    What the venue's reference says of an instrument's life wins over the reasons of a load.
    """
    known = _touched_gaps(connection, dataset, parts)
    by_instrument: dict[int, list[SettledPart]] = defaultdict(list)
    for part in parts:
        by_instrument[part.instrument_id].append(part)
    proofs: list[Proof] = []
    for instrument_id, own in by_instrument.items():
        proofs += _settle_series(connection, dataset, own, known.get(instrument_id, []))
    extend_coverage(connection, dataset, proofs)


def extend_coverage(connection: Connection, dataset: str, proofs: Iterable[Proof]) -> None:
    """Add proven spans to the coverage, and tell the later stages of those without new rows.

    Absence that has been proven is news too: a bucket may be settled by it alone.
    """
    told = [proof for proof in proofs if proof.spans]
    alike: dict[tuple[int | None, tuple[Span, ...]], list[int]] = defaultdict(list)
    for proof in told:
        alike[proof.load_id, tuple(proof.spans)].append(proof.instrument_id)
    if len(alike) * _LISTED_PER_STATEMENT > max(len(told), _LISTED_PER_STATEMENT):
        _extend_by_list(connection, dataset, told)
        return
    for (load_id, spans), instrument_ids in alike.items():
        values = {
            "dataset": dataset,
            "load_id": load_id,
            "instrument_ids": as_array(instrument_ids),
            "proven": as_multirange(spans),
        }
        connection.execute(statement("ledger/note_new_coverage_alike"), values)
        connection.execute(statement("ledger/extend_coverage_alike"), values)


def _extend_by_list(connection: Connection, dataset: str, told: Sequence[Proof]) -> None:
    values = {
        "dataset": dataset,
        "load_ids": [proof.load_id for proof in told],
        "distinct_load_ids": list({proof.load_id for proof in told}),
        "instrument_ids": [proof.instrument_id for proof in told],
        "proven": [as_multirange(proof.spans) for proof in told],
    }
    connection.execute(statement("ledger/note_new_coverage"), values)
    connection.execute(statement("ledger/extend_coverage"), values)


def _settle_series(
    connection: Connection, dataset: str, parts: Sequence[SettledPart], known: Sequence[OpenGap]
) -> list[Proof]:
    still_open, filled, proofs = list(known), list[OpenGap](), []
    for part in parts:
        touched = [gap for gap in still_open if _meet(gap.span, part.span)]
        stated = part.gaps
        if part.holes:
            # A row that came and was refused is a trade: no outage explains its minute.
            silent = subtract_all(part.holes, [gap.span for gap in stated if was_refused(gap)])
            stated = overrule(stated, explain_by_outages(connection, part.instrument_id, silent))
            stated = overrule(stated, explain_by_master(connection, part.instrument_id, part.holes))
        settlement = settle_gaps(touched, stated, part.holes, part.span)
        if settlement.filled:
            _note_repair(connection, part, settlement.filled)
        still_open = [gap for gap in still_open if not _meet(gap.span, part.span)]
        still_open += settlement.still_open
        filled += settlement.filled
        unproven = [
            gap.span for gap in settlement.still_open if gap.reason not in EXPLAINED_REASONS
        ]
        proven = subtract_spans(part.span, unproven)
        proofs.append(Proof(part.instrument_id, proven, part.load_id))
    if known or still_open:
        replace_gaps(
            connection,
            dataset,
            parts[0].instrument_id,
            known=known,
            settlement=Settlement(still_open, filled),
        )
    return proofs


def _note_repair(connection: Connection, part: SettledPart, filled: Sequence[OpenGap]) -> None:
    """Call the new rows that filled a gap repaired, in what the later stages are told."""
    values = {
        "load_id": part.load_id,
        "instrument_id": part.instrument_id,
        "spans": as_multirange(gap.span for gap in filled),
    }
    connection.execute(statement("ledger/note_repair"), values)


def _touched_gaps(
    connection: Connection, dataset: str, parts: Sequence[SettledPart]
) -> Mapping[int, list[OpenGap]]:
    values = {
        "dataset": dataset,
        "instrument_ids": [part.instrument_id for part in parts],
        "span_starts": [part.span.start_time for part in parts],
        "span_ends": [part.span.end_time for part in parts],
    }
    found: dict[int, list[OpenGap]] = defaultdict(list)
    for row in connection.execute(statement("ledger/touched_gaps_of_many"), values):
        gap = as_open_gap(row)
        found[gap.instrument_id].append(gap)
    return found


def _meet(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms
