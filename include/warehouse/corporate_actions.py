"""Renames and changes of unit, declared by whoever runs this and applied once.

Nothing here commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from include.market.errors import InvalidInputError
from include.market.instrument import Rename
from include.warehouse.engine import Connection, database_errors
from include.warehouse.reference import close_instruments, note_action
from include.warehouse.statements import statement


class _Name(NamedTuple):
    alias_id: int
    instrument_id: int


def apply_renames(
    connection: Connection, venue: str, renames: Sequence[Rename], *, observed_at: datetime
) -> int:
    """Apply those of ``renames`` that have happened and are not recorded yet; return how many.

    What the old symbol named goes on under the new one. If the new symbol names an instrument of
    its own already, both stay and the old one ends: ``market.adjusted_candle`` reads them as one
    series. If the old symbol was never known, what the new one names is given it as its former
    name. A rename of two unknown symbols waits; another factor for a recorded one replaces it.

    Raises:
        InvalidInputError: one is recorded with another instant.
    """
    if not renames:
        return 0
    applied = 0
    with database_errors(f"renames at {venue}"):
        connection.execute(statement("market/lock_venue"), {"name": venue})
        for rename in sorted(renames, key=lambda each: each.at):
            if rename.at <= observed_at and not _is_recorded(connection, venue, rename, renames):
                applied += _apply(connection, venue, rename, observed_at)
    return applied


def _is_recorded(
    connection: Connection, venue: str, rename: Rename, declared: Collection[Rename]
) -> bool:
    names = {"venue": venue, "old": rename.old, "new": rename.new}
    found = connection.execute(statement("market/find_actions"), names).fetchall()
    for action_id, effective_at, factor in found:
        if effective_at == rename.at:
            if factor != rename.factor:
                values = {"action_id": action_id, "factor": rename.factor}
                connection.execute(statement("market/correct_factor"), values)
            return True
    instants = {each.at for each in declared if (each.old, each.new) == (rename.old, rename.new)}
    for _, effective_at, _ in found:
        if effective_at not in instants:
            raise InvalidInputError(
                f"{venue}: {rename.old} to {rename.new} is recorded at "
                f"{effective_at:%Y-%m-%d %H:%M} UTC, and Variable universe says "
                f"{rename.at:%Y-%m-%d %H:%M} UTC: candles are stored under the recorded instant, "
                "correct the Variable"
            )
    return False


def _apply(connection: Connection, venue: str, rename: Rename, observed_at: datetime) -> bool:
    old = _find(connection, "market/name_before", venue, rename.old, rename.at)
    if rename.old == rename.new:
        if old is not None:
            _note(connection, rename, old, old, is_stated=True)
        return old is not None
    new = _find(connection, "market/name_since", venue, rename.new, rename.at)
    if old is not None and (new is None or new.instrument_id == old.instrument_id):
        _continue(connection, rename, old, new)
    elif old is not None and new is not None:
        _end_name(connection, rename, old)
        ended = {old.instrument_id: rename.at}
        close_instruments(connection, ended, observed_at=observed_at)
        _note(connection, rename, old, new, is_stated=True)
    elif new is not None:
        _note(connection, rename, new, new, is_stated=True)
        _give_former_name(connection, rename, new)
    return old is not None or new is not None


def _find(connection: Connection, name: str, venue: str, symbol: str, at: datetime) -> _Name | None:
    values = {"venue": venue, "symbol": symbol, "at": at}
    row = connection.execute(statement(name), values).fetchone()
    return None if row is None else _Name(*row)


def _continue(connection: Connection, rename: Rename, old: _Name, new: _Name | None) -> None:
    if new is None:
        _end_name(connection, rename, old)
        values = {
            "instrument_id": old.instrument_id,
            "new": rename.new,
            "renamed_at": rename.at,
        }
        connection.execute(statement("market/start_alias"), values)
    _note(connection, rename, old, old, is_stated=False)


def _give_former_name(connection: Connection, rename: Rename, new: _Name) -> None:
    values = {"alias_id": new.alias_id, "at": rename.at}
    connection.execute(statement("market/begin_name"), values)
    values = {"instrument_id": new.instrument_id, "old": rename.old, "at": rename.at}
    connection.execute(statement("market/add_former_name"), values)


def _end_name(connection: Connection, rename: Rename, old: _Name) -> None:
    values = {"alias_id": old.alias_id, "at": rename.at}
    connection.execute(statement("market/end_name"), values)


def _note(
    connection: Connection, rename: Rename, old: _Name, new: _Name, *, is_stated: bool
) -> None:
    note_action(
        connection,
        rename,
        instrument_id=old.instrument_id,
        successor_id=new.instrument_id,
        is_stated=is_stated,
    )
