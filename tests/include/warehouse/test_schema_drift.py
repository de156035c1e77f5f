from __future__ import annotations

from collections.abc import Callable

import pytest

from include.exchanges.drift import OnceLog
from include.market.errors import ContractError
from include.warehouse.engine import Connection
from include.warehouse.schema_drift import StoredDriftLog, note_drift
from tests.support.warehouse import query

CHANGE = ("binance_spot", "/api/v3/klines", "new")


def test_a_change_is_news_to_the_first_only(dial: Callable[[], Connection]) -> None:
    first, second = dial(), dial()
    assert note_drift(first, *CHANGE, "added") is True
    first.commit()
    assert note_drift(second, *CHANGE, "added") is False
    second.commit()
    assert note_drift(second, *CHANGE, "removed") is True
    second.commit()
    rows = query(first, "SELECT kind, first_seen_at < last_seen_at FROM ledger.schema_drift")
    assert sorted(rows) == [("added", True), ("removed", False)]


def test_names_from_outside_are_stored_harmless_and_short(connection: Connection) -> None:
    note_drift(connection, "v", "/x", "a\x00\x1b" + "é" * 500, "added")
    ((field,),) = query(connection, "SELECT field FROM ledger.schema_drift")
    assert field.startswith(r"a\x00\x1b\xe9")
    assert len(field) == 200


def test_a_kind_nobody_agreed_on_is_refused(connection: Connection) -> None:
    with pytest.raises(ContractError, match="schema_drift_kind"):
        note_drift(connection, *CHANGE, "renamed")  # type: ignore[arg-type]


def test_a_process_asks_the_warehouse_once_per_change(dial: Callable[[], Connection]) -> None:
    connection = dial()
    log = StoredDriftLog(connection)
    assert log.note(*CHANGE, "added") is True
    connection.commit()
    connection.close()
    assert log.note(*CHANGE, "added") is False


def test_a_source_tells_the_warehouse_without_knowing_it(connection: Connection) -> None:
    assert OnceLog(StoredDriftLog(connection)).note(*CHANGE, "added") is True
    assert OnceLog(StoredDriftLog(connection)).note(*CHANGE, "added") is False
