"""A file of an archive is known by what was read of it, and asked about again when due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.market.errors import ContractError, InvalidInputError
from include.market.span import Span, to_ms
from include.warehouse.archive_files import (
    StoredFile,
    files_due,
    known_file,
    mark_file_checked,
    record_file,
)
from include.warehouse.engine import Connection
from tests.support.warehouse import query, sha

DAY = Span(to_ms(datetime(2024, 1, 1, tzinfo=UTC)), to_ms(datetime(2024, 1, 2, tzinfo=UTC)))
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
ALWAYS = datetime(2100, 1, 1, tzinfo=UTC)


def record(connection: Connection, path: str = "/a.zip", **changes: Any) -> StoredFile:
    stated: dict[str, Any] = {
        "venue": "binance_spot",
        "symbol": "BTCUSDT",
        "dataset": "klines",
        "timeframe": "1m",
        "span": DAY,
        "sha256": sha("one"),
        "size_bytes": 1000,
        "rows": 1440,
    }
    return record_file(connection, path=path, **(stated | changes))


def age(connection: Connection, path: str, days: int) -> None:
    connection.execute(
        "UPDATE ledger.archive_file SET checked_at = now() - %s WHERE path = %s",
        (timedelta(days=days), path),
    )


def test_a_file_is_known_as_it_was_recorded(connection: Connection) -> None:
    assert known_file(connection, "/a.zip") is None
    stored = record(connection)
    assert known_file(connection, "/a.zip") == stored
    assert (stored.span, stored.sha256, stored.size_bytes, stored.rows) == (
        DAY,
        sha("one"),
        1000,
        1440,
    )
    assert stored.revised_count == 0
    assert stored.checked_at == stored.first_seen_at or stored.checked_at > stored.first_seen_at


def test_the_same_content_again_moves_only_the_time_it_was_checked(connection: Connection) -> None:
    first = record(connection)
    again = record(connection)
    assert again.checked_at > first.checked_at
    assert (again.first_seen_at, again.revised_count) == (first.first_seen_at, 0)


def test_other_content_is_a_revision_and_the_checksum_before_it_is_kept(
    connection: Connection,
) -> None:
    first = record(connection)
    revised = record(connection, sha256=sha("two"), rows=1441, size_bytes=1001)
    assert (revised.sha256, revised.rows, revised.size_bytes) == (sha("two"), 1441, 1001)
    assert (revised.first_seen_at, revised.revised_count) == (first.first_seen_at, 1)
    text = "SELECT previous_sha256, revised_at IS NOT NULL FROM ledger.archive_file"
    assert query(connection, text) == [(sha("one"), True)]
    assert record(connection, sha256=sha("two")).revised_count == 1
    assert query(connection, text) == [(sha("one"), True)]


def test_files_are_due_by_venue_longest_unasked_first(connection: Connection) -> None:
    for path, days in (("/a.zip", 1), ("/b.zip", 9), ("/c.zip", 5)):
        record(connection, path)
        age(connection, path, days)
    record(connection, "/d.zip", venue="binance_usdm", timeframe=None, dataset="aggTrades")
    age(connection, "/d.zip", 99)
    before = datetime.now(tz=UTC) - timedelta(days=3)
    due = files_due(connection, venue="binance_spot", before=before, limit=10)
    assert [file.path for file in due] == ["/b.zip", "/c.zip"]
    assert [
        f.path for f in files_due(connection, venue="binance_spot", before=ALWAYS, limit=1)
    ] == ["/b.zip"]
    assert files_due(connection, venue="binance_spot", before=NEVER, limit=10) == []


def test_a_file_that_was_asked_about_is_not_due(connection: Connection) -> None:
    record(connection)
    age(connection, "/a.zip", 9)
    before = datetime.now(tz=UTC) - timedelta(days=3)
    mark_file_checked(connection, "/a.zip", sha256=sha("one"))
    assert files_due(connection, venue="binance_spot", before=before, limit=10) == []


def test_content_that_was_never_read_cannot_be_marked_as_checked(connection: Connection) -> None:
    record(connection)
    with pytest.raises(InvalidInputError, match="record it instead"):
        mark_file_checked(connection, "/a.zip", sha256=sha("two"))
    with pytest.raises(InvalidInputError, match="was never read"):
        mark_file_checked(connection, "/b.zip", sha256=sha("one"))


@pytest.mark.parametrize(
    "wrong",
    [{"sha256": "abc"}, {"rows": -1}, {"size_bytes": -1}, {"span": Span(5, 5)}, {"path": ""}],
    ids=["sha256", "rows", "bytes", "span", "path"],
)
def test_what_cannot_be_is_refused_by_the_table(
    connection: Connection, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ContractError, match="noting archive file"):
        record(connection, **wrong)


def test_nothing_is_committed_here(connection: Connection) -> None:
    record(connection)
    connection.rollback()
    assert known_file(connection, "/a.zip") is None
