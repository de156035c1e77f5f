"""What is absent is told exactly once, with a reason, and nothing told before is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.market.errors import InvalidInputError
from include.market.span import Span, merge_spans, subtract_spans
from include.warehouse.engine import Connection
from include.warehouse.gaps import (
    EXPLAINED_REASONS,
    Gap,
    OpenGap,
    record_gap_attempt,
    settle_gaps,
)
from include.warehouse.ledger import open_gaps
from tests.support.warehouse import candles, load_frame, minutes, moment, query, seed_reference

REASONS = st.sampled_from(["unknown", "outage", "no_trade", "fetch_failed"])
EDGES = st.lists(st.integers(0, 30), unique=True, max_size=10).map(sorted)


def spans_between(edges: Sequence[int]) -> list[Span]:
    return [Span(edges[at], edges[at + 1]) for at in range(0, len(edges) - 1, 2)]


def known_gap(span: Span, reason: str = "outage", attempts: int = 1) -> OpenGap:
    return OpenGap(7, 1, span, reason, attempts, None, {"was": reason}, moment(0))  # type: ignore[arg-type]


KNOWN = st.builds(
    lambda edges, reasons: [
        known_gap(span, reason, attempts=3)
        for span, reason in zip(spans_between(edges), reasons, strict=False)
    ],
    EDGES,
    st.lists(REASONS, min_size=5, max_size=5),
)
STATED = st.lists(
    st.builds(
        lambda start, length, reason: Gap(Span(start, start + length), reason),
        st.integers(0, 30),
        st.integers(0, 8),
        REASONS,
    ),
    max_size=5,
)


def clip(spans: Sequence[Span], limits: Span) -> list[Span]:
    kept = [
        Span(max(span.start_ms, limits.start_ms), min(span.end_ms, limits.end_ms))
        for span in spans
        if span.start_ms < limits.end_ms and span.end_ms > limits.start_ms
    ]
    return merge_spans(kept)


def pieces_at(gaps: Sequence[OpenGap], instant: int) -> list[OpenGap]:
    return [gap for gap in gaps if gap.span.start_ms <= instant < gap.span.end_ms]


@given(known=KNOWN, stated=STATED, edges=EDGES, start=st.integers(0, 30), end=st.integers(0, 30))
def test_every_instant_is_settled_by_the_rules(
    known: list[OpenGap], stated: list[Gap], edges: list[int], start: int, end: int
) -> None:
    span = Span(min(start, end), max(start, end))
    holes = clip(spans_between(edges), span)
    settled = settle_gaps(known, stated, holes, span)
    assert all(gap.span for gap in settled.still_open + settled.filled)
    for instant in range(31):
        before = pieces_at(known, instant)
        now = pieces_at(settled.still_open, instant)
        filled = pieces_at(settled.filled, instant)
        said = [gap for gap in stated if gap.span.start_ms <= instant < gap.span.end_ms]
        if not span.start_ms <= instant < span.end_ms:
            assert [gap.reason for gap in now] == [gap.reason for gap in before]
            assert filled == []
        elif any(hole.start_ms <= instant < hole.end_ms for hole in holes):
            assert len(now) == 1
            assert filled == []
            assert now[0].attempts == (before[0].attempts + 1 if before else 1)
            assert now[0].reason in {
                *(gap.reason for gap in said),
                *((gap.reason for gap in before) if before else ()),
                *(() if said or before else ("unknown",)),
            }
            if before and before[0].reason in EXPLAINED_REASONS:
                assert now[0].reason != "unknown"
            if len(said) == 1 and said[0].reason != "unknown":
                assert now[0].reason == said[0].reason
        else:
            assert now == []
            assert [gap.reason for gap in filled] == [gap.reason for gap in before]


def test_a_hole_nobody_explains_is_unknown() -> None:
    settled = settle_gaps([], [], [Span(3, 5)], Span(0, 10))
    assert [(gap.span, gap.reason) for gap in settled.still_open] == [(Span(3, 5), "unknown")]


def test_a_thousand_holes_with_a_thousand_reasons_meet_their_own() -> None:
    holes = [Span(at * 10, at * 10 + 5) for at in range(1000)]
    stated = [Gap(hole, "outage", {"at": hole.start_ms}) for hole in reversed(holes)]
    settled = settle_gaps([], stated, holes, Span(0, 10_000))
    assert [gap.span for gap in settled.still_open] == holes
    assert all(gap.proof == {"at": gap.span.start_ms} for gap in settled.still_open)


def test_the_explained_reasons_are_the_same_in_sql(connection: Connection) -> None:
    definition = query(
        connection,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'gap_reason'",
    )[0][0]
    reasons = [part for part in definition.split("'") if part.replace("_", "").isalpha()]
    assert len(reasons) == 10
    explained = query(
        connection,
        "SELECT r FROM unnest(%s::text[]) AS r WHERE ledger.is_explained(r)",
        reasons,
    )
    assert {reason for (reason,) in explained} == EXPLAINED_REASONS


def told(connection: Connection) -> list[tuple[Span, str, int]]:
    gaps = open_gaps(connection, "candle_1m")
    connection.commit()
    return [(gap.span, gap.reason, gap.attempts) for gap in gaps]


def test_a_gap_is_written_when_it_is_found_counted_when_it_stays_and_closed_when_it_is_filled(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0, 1, 5]), minutes(0, 6), content=1)
    assert told(connection) == [(minutes(2, 5), "unknown", 1)]
    load_frame(
        connection,
        candles([0, 1, 3, 5]),
        minutes(0, 6),
        content=2,
        gaps=[Gap(minutes(2, 3), "no_trade", {"asked": 2})],
    )
    assert told(connection) == [
        (minutes(2, 3), "no_trade", 2),
        (minutes(4, 5), "unknown", 2),
    ]
    closed = "SELECT span_start, span_end, reason FROM ledger.gap WHERE closed_at IS NOT NULL"
    assert query(connection, closed) == [(moment(3), moment(4), "unknown")]
    load_frame(connection, candles([2, 4]), minutes(2, 5), path="b")
    assert told(connection) == []
    assert len(query(connection, closed)) == 3


def test_a_stated_gap_whose_candles_are_stored_is_none(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles(range(6)), minutes(0, 6), content=1)
    load_frame(
        connection, candles([0]), minutes(0, 6), content=2, gaps=[Gap(minutes(1, 6), "outage")]
    )
    assert told(connection) == []


def test_an_explanation_outlives_a_later_unknown(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([]), minutes(0, 5), gaps=[Gap(minutes(0, 5), "halted")])
    load_frame(connection, candles([]), minutes(3, 8), path="b", gaps=[Gap(minutes(3, 8))])
    assert told(connection) == [
        (minutes(0, 3), "halted", 1),
        (minutes(3, 5), "halted", 2),
        (minutes(5, 8), "unknown", 1),
    ]


def test_a_look_in_vain_is_counted_and_puts_the_gap_off(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 2))
    [gap] = open_gaps(connection, "candle_1m")
    later = moment(60)
    record_gap_attempt(connection, gap.gap_id, reason="fetch_failed", next_attempt_at=later)
    [again] = open_gaps(connection, "candle_1m")
    assert (again.attempts, again.reason, again.next_attempt_at) == (2, "fetch_failed", later)
    early, due = later - timedelta(seconds=1), later
    assert open_gaps(connection, "candle_1m", due_at=early) == []
    assert open_gaps(connection, "candle_1m", due_at=due) == [again]
    with pytest.raises(InvalidInputError, match="no longer open"):
        record_gap_attempt(connection, 999, reason="unknown", next_attempt_at=None)


def test_facts_about_the_venue_are_no_task(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0]), minutes(0, 3), gaps=[Gap(minutes(1, 2), "no_trade")])
    spans = [gap.span for gap in open_gaps(connection, "candle_1m", unexplained_only=True)]
    assert spans == [minutes(2, 3)]
    assert subtract_spans(minutes(0, 3), spans) == [minutes(0, 2)]
