"""What a sender took up and never sent is not taken for told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from include.jobs.deliver import deliver_once, make_known
from include.jobs.maintain_warehouse import tell_findings
from include.jobs.reconcile_sources import tell_differences
from include.jobs.tell_news import tell_news
from include.jobs.watch_drift import tell_drifts
from include.market.timeframe import M1
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt, Sender
from include.quality.reconciliation import compare_candles
from include.warehouse.audit.finding import Finding, note_findings
from include.warehouse.drift import NewEpisode, note_episodes
from include.warehouse.engine import Connection, connect
from include.warehouse.outages import note_outage
from include.warehouse.reconciliations import Pair, store_comparison
from include.warehouse.schema_drift import note_drift
from tests.support.warehouse import START, VENUE, minutes, seed_reference, walk

AT = START + timedelta(days=1)
NAME = VENUE.name
Tell = Callable[[Connection, Sender], int]


class DiedError(BaseException):
    """Raised in the place of a kill."""


class Dying:
    """A sender that is killed while it sends."""

    def send(self, message: Message) -> Receipt:
        raise DiedError


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner, ["BTCUSDT"])
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


def test_a_message_is_known_once_it_has_gone_out(conn: Connection, tmp_path: Path) -> None:
    outbox = OutboxSender(tmp_path)
    message = Message(title="t", text="t", event_key="event", event_time=AT)
    with pytest.raises(DiedError):
        make_known(conn, Dying(), message, kind="test")
    assert not make_known(conn, outbox, message, kind="test"), "its sender may yet live"
    forget_sender(conn)
    assert make_known(conn, outbox, message, kind="test")
    assert make_known(conn, outbox, message, kind="test"), "known from before"
    assert not deliver_once(conn, outbox, message, kind="test")
    assert len(list(tmp_path.glob("*.md"))) == 1


def find_outage(conn: Connection) -> None:
    note_outage(conn, NAME, minutes(10, 30), source="detected", proof={})


def find_change(conn: Connection) -> None:
    note_drift(conn, NAME, "/klines", "maker", "added")


def find_drift(conn: Connection) -> None:
    episode = NewEpisode(
        instrument_id=1, timeframe="1m", kind="unit", measure="price_scale",
        advice="decline", began_at=START, detail="x",
    )  # fmt: skip
    note_episodes(conn, [episode], at=AT)


def find_difference(conn: Connection) -> None:
    ours = walk(30)
    found = compare_candles(ours, ours.assign(open=ours["open"] * 1.01), M1, minutes(0, 30))
    pair = Pair(1, M1, minutes(0, 30), "stored", "rest")
    store_comparison(conn, pair, found, at=AT, most=1)


def find_fault(conn: Connection) -> None:
    fault = Finding(
        check="row_outside_coverage", relation="market.candle_1m", instrument_id=1,
        span_start=START, span_end=AT, detail="x", repair="y",
    )  # fmt: skip
    note_findings(conn, [fault], began_at=START)


@pytest.mark.parametrize(
    ("find", "tell"),
    [
        (find_outage, lambda conn, sender: tell_news(conn, sender, NAME, at=AT)["outages"]),
        (find_change, lambda conn, sender: tell_news(conn, sender, NAME, at=AT)["changes"]),
        (find_drift, lambda conn, sender: tell_drifts(conn, sender, at=AT)),
        (find_difference, lambda conn, sender: tell_differences(conn, NAME, sender, at=AT)),
        (find_fault, lambda conn, sender: tell_findings(conn, sender, at=AT)),
    ],
    ids=["outages", "changes", "drifts", "differences", "findings"],
)
def test_what_a_killed_sender_had_taken_up_is_told_all_the_same(
    conn: Connection, tmp_path: Path, find: Callable[[Connection], None], tell: Tell
) -> None:
    with conn.transaction():
        find(conn)
    with pytest.raises(DiedError):
        tell(conn, Dying())
    outbox = OutboxSender(tmp_path)
    assert tell(conn, outbox) == 0, "another one may be about to send it"
    forget_sender(conn)
    assert tell(conn, outbox) == 1
    assert len(list(tmp_path.glob("*.md"))) == 1
    assert tell(conn, outbox) == 0


def forget_sender(conn: Connection) -> None:
    """Let the one who took a message up have been silent for an hour."""
    conn.execute("UPDATE report.publication SET claimed_at = claimed_at - interval '1 hour'")
