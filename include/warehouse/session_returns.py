"""Sessions that changed candles touch, and the returns over them.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from include.cascade.sessions import SessionReturn
from include.market.span import Span, to_ms
from include.warehouse.derived import span_arrays, tell_withdrawn, write_receipt
from include.warehouse.engine import Connection, database_errors
from include.warehouse.features import Written
from include.warehouse.statements import statement

DATASET: Final = "session_return"
_VALUES: Final = (
    "open_price",
    "close_price",
    "log_return",
    "realised_variance",
    "vwap",
    "candles_present",
    "candles_expected",
)


@dataclass(frozen=True, slots=True)
class TouchedSession:
    """A session of an instrument's venue; ``span`` is half-open."""

    instrument_id: int
    session_id: int
    span: Span


def touched_sessions(
    connection: Connection, spans: Mapping[int, Sequence[Span]]
) -> list[TouchedSession]:
    """Return the sessions of every instrument that meet its spans, by instrument and time."""
    rows = connection.execute(statement("market/touched_sessions"), span_arrays(spans))
    return [
        TouchedSession(owner, session_id, Span(to_ms(opens), to_ms(closes)))
        for owner, session_id, opens, closes in rows
    ]


def merge_session_returns(
    connection: Connection,
    judged: Sequence[TouchedSession],
    returns: Sequence[SessionReturn],
    *,
    run_id: str,
) -> Written:
    """Make the returns over the sessions ``judged`` those given, with receipt and changes.

    A session without one loses what was stored for it. Nothing is written where nothing differs.

    Raises:
        ContractError: a constraint refused a row.
        RetryableError: the database was lost or too busy; roll back.
    """
    batch = _arrays(returns)
    with database_errors(f"merge of {len(returns)} session returns"):
        gone = _drop_gone(connection, judged, returns)
        row = connection.execute(_formatted("market/weigh_returns"), batch).fetchone()
        told, new, differing, first, last = row if row is not None else (0, 0, 0, None, None)
        withdrawn = [span for parts in gone.values() for span in parts]
        counts = {"inserted": new, "updated": differing, "unchanged": told - new - differing}
        if new or differing or withdrawn:
            hull = withdrawn + ([Span(to_ms(first), to_ms(last))] if told else [])
            load_id, recorded_at = write_receipt(
                connection,
                DATASET,
                Span(min(one.start_ms for one in hull), max(one.end_ms for one in hull)),
                run_id=run_id,
                counts=counts,
            )
            known = {**batch, "load_id": load_id, "recorded_at": recorded_at}
            connection.execute(_formatted("market/merge_returns"), known)
            tell_withdrawn(connection, DATASET, load_id, gone)
    return Written(**counts, withdrawn=len(withdrawn))


def _drop_gone(
    connection: Connection, judged: Sequence[TouchedSession], returns: Sequence[SessionReturn]
) -> dict[int, list[Span]]:
    kept = {(one.owner, one.session_id) for one in returns}
    lost = [one for one in judged if (one.instrument_id, one.session_id) not in kept]
    values = {
        "instrument_ids": [one.instrument_id for one in lost],
        "session_ids": [one.session_id for one in lost],
    }
    gone: dict[int, list[Span]] = defaultdict(list)
    for owner, opens, closes in connection.execute(statement("market/drop_gone_returns"), values):
        gone[owner].append(Span(to_ms(opens), to_ms(closes)))
    return dict(gone)


def _arrays(returns: Sequence[SessionReturn]) -> dict[str, list[Any]]:
    return {
        "instrument_ids": [one.owner for one in returns],
        "session_ids": [one.session_id for one in returns],
        **{name: [getattr(one, name) for one in returns] for name in _VALUES},
    }


def _formatted(name: str) -> sql.Composed:
    def columns(owner: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(f"{owner}{name}") for name in _VALUES)

    return statement(name).format(
        batch=statement("market/told_returns"),
        values=columns(""),
        stored=columns("stored."),
        told=columns("told."),
        excluded=columns("EXCLUDED."),
    )
