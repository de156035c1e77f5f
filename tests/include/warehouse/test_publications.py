"""An event is told once, by one sender, however many try."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from include.market.errors import InvalidInputError
from include.warehouse.engine import Connection
from include.warehouse.publications import claim_publication, finish_publication, is_published
from tests.support.warehouse import query

STORED = "SELECT state, attempts, target, path, sent_at IS NOT NULL FROM report.publication"


def claim(connection: Connection, key: str = "event", *, stale_after_s: float = 900) -> int | None:
    found = claim_publication(
        connection, key, "failure", "Something failed", stale_after_s=stale_after_s
    )
    connection.commit()
    return found


def finish(connection: Connection, publication_id: int | None, *, sent: bool) -> None:
    assert publication_id is not None
    finish_publication(
        connection,
        publication_id,
        sent=sent,
        target="outbox" if sent else None,
        path="a.md" if sent else None,
    )
    connection.commit()


def test_an_event_is_taken_up_once_and_sent_once(connection: Connection) -> None:
    taken = claim(connection)
    assert taken is not None
    assert claim(connection) is None
    assert not is_published(connection, "event")
    finish(connection, taken, sent=True)
    assert claim(connection, stale_after_s=0) is None
    assert is_published(connection, "event")
    assert query(connection, STORED) == [("sent", 1, "outbox", "a.md", True)]


def test_events_do_not_meet(connection: Connection) -> None:
    assert claim(connection, "a") is not None
    assert claim(connection, "b") is not None


def test_a_message_that_failed_may_be_taken_up_at_once(connection: Connection) -> None:
    taken = claim(connection)
    finish(connection, taken, sent=False)
    assert query(connection, STORED) == [("failed", 1, None, None, False)]
    assert claim(connection) == taken
    assert query(connection, STORED) == [("pending", 2, None, None, False)]


def test_a_sender_that_died_is_replaced_after_its_time(connection: Connection) -> None:
    taken = claim(connection)
    assert claim(connection, stale_after_s=60) is None
    assert claim(connection, stale_after_s=0) == taken


def test_what_was_sent_stays_sent(connection: Connection) -> None:
    taken = claim(connection)
    finish(connection, taken, sent=True)
    finish(connection, taken, sent=False)
    assert query(connection, STORED) == [("sent", 1, "outbox", "a.md", True)]


def test_of_many_senders_at_once_one_gets_the_event(
    dial: Callable[[], Connection],
) -> None:
    sessions = [dial() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(claim, sessions))
    assert sum(taken is not None for taken in found) == 1


def test_a_result_needs_its_publication_and_its_target(connection: Connection) -> None:
    with pytest.raises(InvalidInputError, match="publication 7 does not exist"):
        finish(connection, 7, sent=True)
    with pytest.raises(InvalidInputError, match="to which target"):
        finish_publication(connection, 7, sent=True)
