"""Loads of rows that meet a deadlock are tried again, and not for ever."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import errors

from include.market.errors import ContractError, RetryableError
from include.warehouse import rows
from include.warehouse.engine import Connection
from include.warehouse.rows import load_rows
from tests.support.loading import delivery, trades
from tests.support.warehouse import query, seed_reference


def fail_first(monkeypatch: pytest.MonkeyPatch, times: int, error: Exception) -> None:
    """Let the first ``times`` merges fail after they have written."""
    genuine = rows.merge_told
    failures = iter(range(times))

    def stumbling(*arguments: Any) -> Any:
        receipt = genuine(*arguments)
        if next(failures, None) is not None:
            raise error
        return receipt

    monkeypatch.setattr(rows, "merge_told", stumbling)


@pytest.mark.parametrize("error", [errors.DeadlockDetected(), errors.SerializationFailure()])
def test_four_failures_are_forgiven_and_leave_nothing_behind(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    seed_reference(connection)
    fail_first(monkeypatch, 4, error)
    assert load_rows(connection, "market.trade", trades([1, 2]), delivery()).inserted == 2
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(1,)]


def test_the_fifth_failure_is_told(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    seed_reference(connection)
    fail_first(monkeypatch, 5, errors.DeadlockDetected())
    with pytest.raises(RetryableError, match=r"load of 2 rows into market\.trade"):
        load_rows(connection, "market.trade", trades([1, 2]), delivery())
    assert query(connection, "SELECT FROM market.trade") == []


def test_a_rule_that_was_added_meanwhile_fails_once_and_is_known_then(
    connection: Connection,
) -> None:
    seed_reference(connection)
    load_rows(connection, "market.trade", trades([1]), delivery())
    connection.execute("ALTER TABLE market.trade ADD CONSTRAINT cheap CHECK (price < 200)")
    connection.commit()
    dear = trades([2, 3], price=[100.0, 300.0])
    with pytest.raises(ContractError, match="cheap"):
        load_rows(connection, "market.trade", dear, delivery())
    receipt = load_rows(connection, "market.trade", dear, delivery())
    assert (receipt.inserted, receipt.quarantined) == (1, 1)
