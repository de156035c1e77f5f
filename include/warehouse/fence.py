"""Fencing tokens: an orphaned try of some work cannot write beside the try that replaced it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.market.errors import StaleFenceError
from include.warehouse.engine import Connection, begin_own_transaction, database_errors
from include.warehouse.statements import fetch_value, statement


def take_fence(connection: Connection, scope: str) -> int:
    """Register a new try of the work ``scope`` and return its token; commits by itself.

    Every token taken earlier is stale from now on. Waits while a holder of the fence writes.

    Raises:
        InvalidInputError: the connection has an open transaction that wrote.
    """
    begin_own_transaction(connection, f"taking the fence {scope!r}")
    with database_errors(f"taking the fence {scope!r}"), connection.transaction():
        token = fetch_value(connection, statement("ledger/take_fence"), {"scope": scope})
    return int(token)


def hold_fence(connection: Connection, scope: str, token: int) -> None:
    """Keep newer tries of ``scope`` waiting until the open transaction ends.

    Call it first in the transaction that writes.

    Raises:
        StaleFenceError: a newer try took the fence, or ``token`` was never given out.
    """
    row = connection.execute(statement("ledger/hold_fence"), {"scope": scope}).fetchone()
    newest = None if row is None else int(row[0])
    if newest != token:
        raise StaleFenceError(
            f"fence {scope!r}: token {token} is stale, the newest is {newest}; "
            "another try does this work, end this one"
        )


def take_fences(connection: Connection, scopes: Sequence[str]) -> dict[str, int]:
    """Register a new try of each of ``scopes``, all at once; return their tokens.

    Commits by itself, and waits while a holder of one of the fences writes.

    Raises:
        InvalidInputError: the connection has an open transaction that wrote.
    """
    action = f"taking {len(scopes)} fences"
    begin_own_transaction(connection, action)
    with database_errors(action), connection.transaction():
        return dict(
            connection.execute(statement("ledger/take_fences"), {"scopes": list(scopes)}).fetchall()
        )


def hold_fences(connection: Connection, tokens: Mapping[str, int]) -> None:
    """Keep newer tries of every scope in ``tokens`` waiting until the open transaction ends.

    Raises:
        StaleFenceError: a newer try took one of the fences, or its token was never given out.
    """
    found = connection.execute(statement("ledger/hold_fences"), {"scopes": list(tokens)})
    newest: dict[str, int] = dict(found.fetchall())
    for scope, token in tokens.items():
        if newest.get(scope) != token:
            raise StaleFenceError(
                f"fence {scope!r}: token {token} is stale, the newest is {newest.get(scope)}; "
                "another try does this work, end this one"
            )
