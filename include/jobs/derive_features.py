"""Derive features and session returns of what changed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from typing import Final

from include.cascade.bars import Stretch
from include.cascade.features import (
    derive_features,
    look_back_ms,
    needed_span,
    reached_span,
    require_derivable,
)
from include.cascade.rollup import settled_buckets
from include.cascade.sessions import Session, session_returns
from include.market.errors import InvalidInputError
from include.market.settings import Settings
from include.market.span import Span, merge_spans, subtract_spans
from include.market.timeframe import DAY_MS, M1, TIMEFRAMES, Timeframe, parse_timeframe
from include.warehouse.derived import has_months, make_months, read_minutes, unit_changes
from include.warehouse.engine import Connection
from include.warehouse.features import TABLE, Written, merge_features
from include.warehouse.fence import hold_fence, take_fence
from include.warehouse.ledger import Change, changes_in_flight, move_cursor, read_changes
from include.warehouse.live_cascade import coverage_of_many, retired_spans
from include.warehouse.session_returns import merge_session_returns, touched_sessions

HIDDEN_S: Final = 20.0
"""How long to wait, in seconds, for changes that an older open transaction hides."""
CHANGES_AT_ONCE: Final = 2000
"""Changes done in one transaction at most, rounded up to whole transactions of their writers."""
TIME_AT_ONCE_MS: Final = 730 * DAY_MS
"""Time of all instruments together that one transaction derives, where its changes allow it."""
CHUNK_MS: Final = 90 * DAY_MS
"""Longest stretch of one instrument that is held in memory at once."""
BATCH_MS: Final = 350 * DAY_MS
"""So much time of all instruments together, look-back included, is held in memory at once."""
SOURCE: Final = M1.dataset
SESSION_STAGE: Final = "derive_session_returns"

Spans = Mapping[int, Sequence[Span]]
Store = Callable[[], Written]
Derive = Callable[[Connection, Spans, str], list[Store]]
"""Computes what changed spans reach, by reading alone; what it returns stores the results."""


class _MonthsAbsentError(Exception):
    """Raised to leave the transaction when its rows have no partition to go to yet."""

    def __init__(self, spans: Sequence[Span]) -> None:
        super().__init__("months are absent")
        self.spans = spans


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole bars of one instrument that are made anew, and those of them that can be derived."""

    remade: Span
    stretch: Stretch


def derive_changed(conn: Connection, settings: Settings, *, run_id: str) -> dict[str, int]:
    """Derive the features and session returns that changed minutes reach; count rows by fate.

    Each timeframe and the sessions are a stage with a cursor of its own, so one that is added later
    begins with all there is. Rows and cursor move in one transaction; what a revised, withdrawn or
    late minute reaches is derived again, and stored where it differs.

    Raises:
        InvalidInputError: ``feature_timeframes`` names one that is not stored or cannot be derived.
    """
    stages: dict[str, Derive] = {
        f"derive_features_{timeframe.name}": partial(_derive_features, timeframe)
        for timeframe in feature_timeframes(settings)
    }
    deadline = time.monotonic() + HIDDEN_S
    totals = Counter(asdict(Written()))
    for stage, derive in {**stages, SESSION_STAGE: _derive_sessions}.items():
        totals.update(_run_stage(conn, stage, derive, deadline, run_id))
    return dict(totals)


def feature_timeframes(settings: Settings) -> list[Timeframe]:
    """Return the timeframes features are derived of: those set, else all that can be.

    Raises:
        InvalidInputError: one that is set is not stored or cannot be derived.
    """
    chosen = [parse_timeframe(label) for label in settings.feature_timeframes]
    for timeframe in chosen:
        require_derivable(timeframe)
    return chosen or [timeframe for timeframe in TIMEFRAMES.values() if _is_derivable(timeframe)]


def _is_derivable(timeframe: Timeframe) -> bool:
    try:
        require_derivable(timeframe)
    except InvalidInputError:
        return False
    return True


def _run_stage(
    conn: Connection, stage: str, derive: Derive, deadline: float, run_id: str
) -> Counter[str]:
    """Do a stage's changes until none is left, waiting a little for those that are hidden."""
    token = take_fence(conn, stage)
    totals: Counter[str] = Counter()
    while True:
        try:
            done, counts = _do_some(conn, stage, token, derive, run_id)
        except _MonthsAbsentError as absent:
            # Apart from the rows: it locks what every other load writes to.
            make_months(conn, TABLE, absent.spans)
            continue
        totals.update(counts)
        if not changes_in_flight(conn, stage, SOURCE):
            return totals
        if not done:
            if time.monotonic() > deadline:
                return totals
            time.sleep(0.5)


def _do_some(
    conn: Connection, stage: str, token: int, derive: Derive, run_id: str
) -> tuple[int, Counter[str]]:
    """Do some changes in one transaction; return how many, and rows by fate."""
    counts: Counter[str] = Counter()
    with conn.transaction():
        limit = CHANGES_AT_ONCE
        todo = read_changes(conn, stage, SOURCE, limit=limit)
        while _duration_ms(todo.changes) > TIME_AT_ONCE_MS and limit > 1:
            limit = max(1, limit // 4)
            todo = read_changes(conn, stage, SOURCE, limit=limit)
        stores = derive(conn, _merged(todo.changes), run_id) if todo.changes else []
        # Held only now: a held fence has a transaction id, and while that is open no stage may
        # read what others have committed since.
        hold_fence(conn, stage, token)
        for store in stores:
            counts.update(asdict(store()))
        move_cursor(conn, stage, todo.upto_xid)
    return len(todo.changes), counts


def _duration_ms(changes: Sequence[Change]) -> int:
    return sum(change.span.end_ms - change.span.start_ms for change in changes)


def _merged(changes: Sequence[Change]) -> dict[int, list[Span]]:
    spans: dict[int, list[Span]] = defaultdict(list)
    for change in changes:
        spans[change.instrument_id].append(change.span)
    return {owner: merge_spans(parts) for owner, parts in sorted(spans.items())}


def _derive_features(
    timeframe: Timeframe, conn: Connection, changed: Spans, run_id: str
) -> list[Store]:
    pieces = _plan(conn, timeframe, changed)
    wanted = [piece.stretch.wanted for parts in pieces for piece in parts]
    if not has_months(conn, TABLE, wanted):
        raise _MonthsAbsentError([span for span in wanted if span])
    return [
        _derive_batch(conn, timeframe, batch, run_id)
        # One stretch of each instrument at a time: one may look back on another.
        for layer in zip_longest(*pieces)
        for batch in _batches([piece for piece in layer if piece is not None], timeframe)
    ]


def _derive_batch(
    conn: Connection, timeframe: Timeframe, pieces: Sequence[_Piece], run_id: str
) -> Store:
    stretches = [piece.stretch for piece in pieces if piece.stretch.wanted]
    needed = [(one.owner, needed_span(one.wanted, timeframe)) for one in stretches]
    rows = derive_features(read_minutes(conn, needed), timeframe, stretches)
    remade = {piece.stretch.owner: [piece.remade] for piece in pieces}
    return partial(merge_features, conn, timeframe, rows, spans=remade, run_id=run_id)


def _batches(pieces: Sequence[_Piece], timeframe: Timeframe) -> Iterator[list[_Piece]]:
    """Cut pieces into runs whose minutes fit into memory together."""
    batch: list[_Piece] = []
    held_ms = 0
    for piece in pieces:
        needed = needed_span(piece.stretch.wanted, timeframe)
        held_ms += needed.end_ms - needed.start_ms
        if batch and held_ms > BATCH_MS:
            yield batch
            batch, held_ms = [], needed.end_ms - needed.start_ms
        batch.append(piece)
    if batch:
        yield batch


def _plan(conn: Connection, timeframe: Timeframe, changed: Spans) -> list[list[_Piece]]:
    """Return, per instrument, the pieces to be made anew, sorted."""
    retired = [
        Span(month.start_ms, month.end_ms + look_back_ms(timeframe))
        for month in retired_spans(conn, [M1])
    ]
    # What rests on rows that were taken out of the table is kept as it is.
    remade = {
        owner: [
            chunk
            for span in merge_spans(reached_span(part, timeframe) for part in parts)
            for rest in subtract_spans(span, retired)
            for chunk in _chunks(rest)
        ]
        for owner, parts in changed.items()
    }
    covered = coverage_of_many(
        conn,
        [SOURCE],
        {owner: needed_span(_hull(parts), timeframe) for owner, parts in remade.items() if parts},
    )[SOURCE]
    units = unit_changes(conn, remade)
    return [
        [
            _Piece(chunk, Stretch(owner, _settled(covered.get(owner, []), chunk, timeframe),
                                  covered.get(owner, []), units[owner]))
            for chunk in chunks
        ]
        for owner, chunks in remade.items()
    ]  # fmt: skip


def _settled(covered: Sequence[Span], chunk: Span, timeframe: Timeframe) -> Span:
    """Return the span of all bars of ``chunk`` that are proven, empty where none is."""
    return _hull(settled_buckets(covered, chunk, timeframe)) or Span(chunk.start_ms, chunk.start_ms)


def _derive_sessions(conn: Connection, changed: Spans, run_id: str) -> list[Store]:
    retired = retired_spans(conn, [M1])
    judged = [
        session
        for session in touched_sessions(conn, changed)
        if subtract_spans(session.span, retired) == [session.span]
    ]
    spans: dict[int, list[Span]] = defaultdict(list)
    for one in judged:
        spans[one.instrument_id].append(one.span)
    hulls = {owner: _hull(parts) for owner, parts in spans.items()}
    covered = coverage_of_many(conn, [SOURCE], hulls)[SOURCE]
    units = unit_changes(conn, spans)
    proven = [
        one for one in judged if not subtract_spans(one.span, covered.get(one.instrument_id, []))
    ]
    minutes = read_minutes(conn, [(one.instrument_id, one.span) for one in proven])
    returns = session_returns(
        minutes,
        [
            Session(
                one.instrument_id,
                one.session_id,
                one.span,
                covered[one.instrument_id],
                units[one.instrument_id],
            )
            for one in proven
        ],
    )
    return [partial(merge_session_returns, conn, judged, returns, run_id=run_id)]


def _chunks(span: Span) -> Iterator[Span]:
    # Whole days, so that no cut falls inside a bar.
    start_ms = span.start_ms
    while start_ms < span.end_ms:
        end_ms = min(start_ms - start_ms % DAY_MS + CHUNK_MS, span.end_ms)
        yield Span(start_ms, end_ms)
        start_ms = end_ms


def _hull(spans: Sequence[Span]) -> Span:
    """Return the span from the first to the last instant of ``spans``; empty for none."""
    if not spans:
        return Span(0, 0)
    return Span(min(one.start_ms for one in spans), max(one.end_ms for one in spans))
