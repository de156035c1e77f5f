"""An orphaned try cannot write beside the try that replaced it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from include.market.errors import InvalidInputError, StaleFenceError
from include.warehouse.engine import Connection
from include.warehouse.fence import hold_fence, hold_fences, take_fence, take_fences
from tests.support.warehouse import query

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"


def test_tokens_of_a_scope_count_up_and_scopes_do_not_meet(connection: Connection) -> None:
    assert [take_fence(connection, "a"), take_fence(connection, "a")] == [1, 2]
    assert take_fence(connection, "b") == 1


def test_taking_a_fence_is_committed_at_once(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    take_fence(connection, "a")
    connection.rollback()
    assert query(dial(), "SELECT scope, token FROM ledger.fence") == [("a", 1)]


def test_the_newest_try_may_write_and_an_orphan_may_not(connection: Connection) -> None:
    orphan, newest = take_fence(connection, "a"), take_fence(connection, "a")
    hold_fence(connection, "a", newest)
    with pytest.raises(StaleFenceError, match=f"token {orphan} is stale, the newest is {newest}"):
        hold_fence(connection, "a", orphan)


@pytest.mark.parametrize("token", [0, 1, 7])
def test_a_token_nobody_gave_out_is_refused(connection: Connection, token: int) -> None:
    with pytest.raises(StaleFenceError):
        hold_fence(connection, "a", token)


def test_a_new_try_waits_until_the_writer_that_holds_the_fence_has_committed(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    writer, watcher = dial(), dial()
    token = take_fence(writer, "a")
    hold_fence(writer, "a", token)
    with ThreadPoolExecutor(1) as pool:
        newer = pool.submit(take_fence, connection, "a")
        while query(watcher, WAITING, connection.info.backend_pid) != [(1,)]:
            assert not newer.done()
        writer.commit()
        assert newer.result(timeout=300) == token + 1


def test_taking_a_fence_does_not_commit_what_the_caller_wrote(connection: Connection) -> None:
    connection.execute("INSERT INTO market.asset (code) VALUES ('BTC')")
    with pytest.raises(InvalidInputError):
        take_fence(connection, "a")


def test_many_fences_are_taken_and_held_at_once(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    take_fence(connection, "b")
    tokens = take_fences(connection, ["c", "b", "a"])
    assert tokens == {"a": 1, "b": 2, "c": 1}
    assert take_fences(connection, []) == {}
    assert query(dial(), "SELECT count(*) FROM ledger.fence") == [(3,)]
    hold_fences(connection, tokens)
    waiter, watcher = dial(), dial()
    with ThreadPoolExecutor(1) as pool:
        newer = pool.submit(take_fence, waiter, "a")
        while query(watcher, WAITING, waiter.info.backend_pid) != [(1,)]:
            assert not newer.done()
        connection.commit()
        assert newer.result(timeout=300) == 2
    with pytest.raises(StaleFenceError, match="fence 'a': token 1 is stale, the newest is 2"):
        hold_fences(connection, tokens)
    connection.rollback()
    with pytest.raises(StaleFenceError, match="fence 'z'"):
        hold_fences(connection, {"z": 1})
