"""Outages nobody announced and answers in another form are told once, and again if they must."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.jobs.tell_news import SHOWN, tell_news
from include.market.errors import SourceUnavailableError
from include.market.span import Span
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt
from include.warehouse.engine import Connection, connect
from include.warehouse.outages import note_outage, outages, withdraw_outages
from include.warehouse.schema_drift import note_drift
from tests.support.warehouse import START, START_MS, VENUE, query, seed_reference

NAME = VENUE.name
AT = START + timedelta(days=1)
MINUTE = 60_000
PROOF = {"silent": 3, "active": 4}


class Deaf:
    """A sender nobody hears."""

    def send(self, message: Message) -> Receipt:
        raise SourceUnavailableError("no route")


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner)
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


def silence(conn: Connection, minute: int, *, source: Any = "detected") -> None:
    span = Span(START_MS + minute * MINUTE, START_MS + (minute + 5) * MINUTE)
    with conn.transaction():
        note_outage(conn, NAME, span, source=source, proof=PROOF)


def messages(folder: Path) -> list[str]:
    return [each.read_text() for each in sorted(folder.glob("*.md"))]


def test_an_outage_is_told_once(conn: Connection, tmp_path: Path) -> None:
    sender = OutboxSender(tmp_path)
    silence(conn, 10)
    assert tell_news(conn, sender, NAME, at=AT) == {"outages": 1, "changes": 0, "held": 0}
    assert tell_news(conn, sender, NAME, at=AT) == {"outages": 0, "changes": 0, "held": 0}
    silence(conn, 100)
    assert tell_news(conn, sender, "other", at=AT) == {"outages": 0, "changes": 0, "held": 0}
    assert tell_news(conn, sender, NAME, at=AT)["outages"] == 1
    sent = messages(tmp_path)
    assert len(sent) == 2
    assert sum("3 of 4 instruments silent together" in each for each in sent) == 2
    assert query(conn, "SELECT kind, count(*) FROM report.publication GROUP BY 1") == [
        ("outage", 2)
    ]


def test_what_people_stated_themselves_and_what_was_withdrawn_is_no_news(
    conn: Connection, tmp_path: Path
) -> None:
    silence(conn, 10, source="operator")
    silence(conn, 100, source="calendar")
    silence(conn, 200)
    withdraw_outages(conn, [outages(conn, NAME)[-1].outage_id])
    assert tell_news(conn, OutboxSender(tmp_path), NAME, at=AT)["outages"] == 0


def test_a_changed_answer_is_told_once_and_a_new_change_again(
    conn: Connection, tmp_path: Path
) -> None:
    sender = OutboxSender(tmp_path)
    note_drift(conn, NAME, "/api/v3/klines", "maker", "added")
    note_drift(conn, NAME, "/api/v3/klines", "time", "unit")
    note_drift(conn, "other", "/api/v3/klines", "time", "unit")
    assert tell_news(conn, sender, NAME, at=AT) == {"outages": 0, "changes": 2, "held": 0}
    # Seen again, it is nothing new.
    note_drift(conn, NAME, "/api/v3/klines", "maker", "added")
    assert tell_news(conn, sender, NAME, at=AT)["changes"] == 0
    note_drift(conn, NAME, "/api/v3/klines", "maker", "removed")
    assert tell_news(conn, sender, NAME, at=AT)["changes"] == 1
    told = " ".join(messages(tmp_path))
    for line in ("maker is new", "time is told in another unit", "maker is gone"):
        assert line in told
    untold = "SELECT venue FROM ledger.schema_drift WHERE told_at IS NULL"
    assert query(conn, untold) == [("other",)]


def test_what_could_not_be_sent_is_told_by_the_next_run(conn: Connection, tmp_path: Path) -> None:
    silence(conn, 10)
    note_drift(conn, NAME, "/x", "new", "added")
    assert tell_news(conn, Deaf(), NAME, at=AT) == {"outages": 0, "changes": 0, "held": 0}
    told = tell_news(conn, OutboxSender(tmp_path), NAME, at=AT)
    assert told == {"outages": 1, "changes": 1, "held": 0}


def test_of_very_many_the_first_are_shown_and_the_rest_counted(
    conn: Connection, tmp_path: Path
) -> None:
    for number in range(SHOWN + 5):
        silence(conn, 10 + 20 * number)
    assert tell_news(conn, OutboxSender(tmp_path), NAME, at=AT)["outages"] == SHOWN + 5
    [message] = messages(tmp_path)
    assert "and 5 more" in message
    assert message.count("silent together") == SHOWN
