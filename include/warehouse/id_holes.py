"""Holes in the ids of trades, kept as ranges: what is missing from the tape, or never was on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from psycopg.types.json import Jsonb

from include.market.errors import InvalidInputError
from include.warehouse.engine import Connection, database_errors
from include.warehouse.judgement import lock_series
from include.warehouse.statements import statement

IdRange: TypeAlias = tuple[int, int]
"""First and last id, both included."""


@dataclass(frozen=True, slots=True)
class IdHole:
    """An open hole. ``is_fault`` where the venue promises ids without holes."""

    first_id: int
    last_id: int
    is_fault: bool


def note_ids(
    connection: Connection,
    dataset: str,
    instrument_id: int,
    *,
    came: Sequence[IdRange],
    holes: Sequence[IdRange],
    is_fault: bool,
    proof: Mapping[str, Any] | None = None,
) -> int:
    """Write down which ids of a series came and which were left out; return the new holes.

    Ids that came close or cut the holes they lie in; a hole that is known already stays as it is,
    so that saying the same again changes nothing. Runs in the caller's transaction.

    Raises:
        InvalidInputError: a range runs backwards.
        RetryableError: the database was lost or too busy.
    """
    for first, last in (*came, *holes):
        if not 0 <= first <= last:
            raise InvalidInputError(
                f"ids of {dataset}: expected ranges (first, last) of ids from 0 on, "
                f"was ({first}, {last})"
            )
    key = {"dataset": dataset, "instrument_id": instrument_id}
    with database_errors(f"noting the ids of {dataset} {instrument_id}"):
        lock_series(connection, dataset, [instrument_id])
        told = {
            "found_first": [first for first, _ in holes],
            "found_last": [last for _, last in holes],
            "came_first": [first for first, _ in came],
            "came_last": [last for _, last in came],
        }
        new = connection.execute(statement("ledger/settle_id_holes"), key | told).fetchall()
        if new:
            written = {
                "first_ids": [first for first, _ in new],
                "last_ids": [last for _, last in new],
                "is_fault": is_fault,
                "proof": Jsonb(dict(proof or {})),
            }
            connection.execute(statement("ledger/write_id_holes"), key | written)
    return len(new)


def open_id_holes(connection: Connection, dataset: str, instrument_id: int) -> list[IdHole]:
    """Return the open holes of a series by rising id."""
    key = {"dataset": dataset, "instrument_id": instrument_id}
    with database_errors(f"reading the id holes of {dataset} {instrument_id}"):
        return [IdHole(*row) for row in connection.execute(statement("ledger/open_id_holes"), key)]
