"""A venue's clock that is off is written down and told of once a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.exchanges.server_clock import ClockReading
from include.jobs.watch_clock import watch_clock
from include.market.errors import RetryableError
from include.market.settings import Settings
from include.notify.outbox import OutboxSender
from include.warehouse.engine import Connection, connect

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
KEPT = "SELECT venue, offset_ms, bound_ms, is_skewed FROM ledger.clock_reading ORDER BY measured_at"


@pytest.fixture
def conn(loader_dsn: str) -> Iterator[Connection]:
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        yield connection


def watch(
    conn: Connection,
    outbox: Path,
    offset_ms: float,
    *,
    at: datetime = NOW,
    is_live: bool = True,
    sender: Any = None,
) -> dict[str, int]:
    venue: Any = SimpleNamespace(
        venue=SimpleNamespace(name="binance_spot"),
        traits=SimpleNamespace(is_live=is_live),
        server_time_ms=lambda: 0,
    )

    def read(ask: Callable[[], int]) -> ClockReading:
        assert ask is venue.server_time_ms
        return ClockReading(0, offset_ms, 100.0)

    sender = sender or OutboxSender(outbox)
    return watch_clock(conn, venue, Settings(), sender, at=at, read=read)


def test_clocks_that_agree_are_noted_once_an_hour(conn: Connection, tmp_path: Path) -> None:
    for minute in (0, 10, 59, 60, 61):
        at = NOW + timedelta(minutes=minute)
        assert watch(conn, tmp_path, 1_050.0, at=at) == {"skewed": 0, "told": 0}
    assert conn.execute(KEPT).fetchall() == [("binance_spot", 1_050.0, 100.0, False)] * 2
    assert list(tmp_path.iterdir()) == []


def test_a_skewed_clock_is_noted_every_time_and_told_once_a_day(
    conn: Connection, tmp_path: Path
) -> None:
    assert watch(conn, tmp_path, -300_000.0) == {"skewed": 1, "told": 1}
    later = NOW + timedelta(minutes=10)
    assert watch(conn, tmp_path, -300_000.0, at=later) == {"skewed": 1, "told": 0}
    assert watch(conn, tmp_path, 2_000.0, at=NOW + timedelta(days=1))["told"] == 1
    assert [row[3] for row in conn.execute(KEPT)] == [True, True, True]
    first, second = sorted(note.read_text() for note in tmp_path.glob("*.md"))
    assert "300.0 s behind ours" in first + second
    assert "2.0 s ahead of ours" in first + second


def test_the_same_reading_again_is_no_second_one(conn: Connection, tmp_path: Path) -> None:
    for _ in range(2):
        watch(conn, tmp_path, 5_000.0)
    assert len(conn.execute(KEPT).fetchall()) == 1


def test_a_source_of_the_past_has_no_clock(conn: Connection, tmp_path: Path) -> None:
    assert watch(conn, tmp_path, 1e9, is_live=False) == {}
    assert conn.execute(KEPT).fetchall() == []


def test_a_sender_that_fails_does_not_stop_the_watch(conn: Connection, tmp_path: Path) -> None:
    class Broken:
        def send(self, message: object) -> None:
            raise RetryableError("no line")

    assert watch(conn, tmp_path, 5_000.0, sender=Broken()) == {"skewed": 1, "told": 0}
    assert watch(conn, tmp_path, 5_000.0, at=NOW + timedelta(hours=1))["told"] == 1
