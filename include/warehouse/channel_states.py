"""What coarser channels told at each instant: rows that are added and never changed.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from include.market.timeframe import Timeframe, parse_timeframe
from include.warehouse.engine import Connection, database_errors
from include.warehouse.quarantine import finite_json
from include.warehouse.statements import statement


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the channel of a timeframe told its children at ``known_at``; see the table.

    ``fit_run_id`` is None where it was computed afterwards, ``state_id`` until it is stored.
    """

    instrument_id: int
    timeframe: Timeframe
    known_at: datetime
    state: Mapping[str, Any]
    sha256: str
    fit_run_id: int | None = None
    state_id: int | None = None


def write_states(connection: Connection, states: Sequence[StoredState]) -> None:
    """Add ``states``; one that says the same as the newest of its instant is not stored again."""
    values = {
        "instrument_ids": [one.instrument_id for one in states],
        "timeframes": [one.timeframe.label for one in states],
        "known_ats": [one.known_at for one in states],
        "states": [finite_json(dict(one.state)) for one in states],
        "sha256s": [one.sha256 for one in states],
        "fit_run_ids": [one.fit_run_id for one in states],
    }
    with database_errors(f"storing {len(states)} states of channels"):
        connection.execute(statement("model/write_states"), values)


def newest_states(
    connection: Connection, timeframe: Timeframe, known_until: Mapping[int, datetime], *, limit: int
) -> dict[int, list[StoredState]]:
    """Return by instrument the newest ``limit`` states of ``timeframe``, oldest first.

    ``known_until`` says of each instrument asked for until when a state may have been known. Of one
    instant the row stored last counts.
    """
    values = {
        "timeframe": timeframe.label,
        "instrument_ids": list(known_until),
        "known_untils": list(known_until.values()),
        "limit": limit,
    }
    found: dict[int, list[StoredState]] = defaultdict(list)
    for row in connection.execute(statement("model/newest_states"), values):
        state = _as_state(row)
        found[state.instrument_id].append(state)
    return dict(found)


def read_states(connection: Connection, state_ids: Sequence[int]) -> list[StoredState]:
    """Return the states of these ids, oldest first."""
    rows = connection.execute(statement("model/read_states"), {"state_ids": list(state_ids)})
    return [_as_state(row) for row in rows]


def count_states(
    connection: Connection, timeframe: Timeframe, instrument_ids: Sequence[int]
) -> dict[int, int]:
    """Return how many states of ``timeframe`` each instrument has, those without any left out."""
    values = {"timeframe": timeframe.label, "instrument_ids": list(instrument_ids)}
    return dict(connection.execute(statement("model/count_states"), values).fetchall())


def _as_state(row: Sequence[Any]) -> StoredState:
    state_id, instrument_id, label, known_at, state, sha256, fit_run_id = row
    return StoredState(
        instrument_id, parse_timeframe(label), known_at, state, sha256, fit_run_id, state_id
    )
