"""Results of suites are forgotten after a while, the newest of each never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from include.quality.outcome import ExpectationOutcome, SuiteOutcome
from include.warehouse.engine import Connection, connect
from include.warehouse.quality_runs import prune_quality_runs, write_quality_run
from tests.support.warehouse import query

NOW = datetime(2026, 11, 10, 5, 10, tzinfo=UTC)
OLD = NOW - timedelta(days=100)


@pytest.fixture
def conn(loader_dsn: str) -> Iterator[Connection]:
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


def ran(conn: Connection, dataset: str, at: datetime, *, checkpoint: str = "gate") -> None:
    found = ExpectationOutcome("e", ("low",), "ohlc_order", "block", False, 1, 10.0, ())
    outcome = SuiteOutcome(checkpoint, "s", dataset, "", None, 10, "gx", at, [found])
    with conn.transaction():
        assert write_quality_run(conn, outcome) is not None


def left(conn: Connection) -> list[tuple[str, int]]:
    return query(
        conn,
        "SELECT r.dataset, count(q.place) FROM ledger.quality_run r "
        "LEFT JOIN ledger.quality_result q USING (quality_run_id) "
        "GROUP BY r.quality_run_id ORDER BY r.dataset, r.run_at",
    )


def test_old_runs_go_with_their_results_and_the_newest_of_each_stays(conn: Connection) -> None:
    for day in range(5):
        ran(conn, "candle_1m", OLD + timedelta(days=day))
        ran(conn, "candle_1m", NOW - timedelta(days=day))
        # Nobody has checked these since.
        ran(conn, "candle_5m", OLD + timedelta(days=day))
    ran(conn, "candle_1m", OLD - timedelta(days=1), checkpoint="warehouse")
    assert prune_quality_runs(conn, before=NOW - timedelta(days=50), batch=2) == 5 + 4
    assert left(conn) == [("candle_1m", 1)] * 6 + [("candle_5m", 1)]
    assert prune_quality_runs(conn, before=NOW - timedelta(days=50)) == 0
    [(orphans,)] = query(
        conn,
        "SELECT count(*) FROM ledger.quality_result WHERE quality_run_id NOT IN "
        "(SELECT quality_run_id FROM ledger.quality_run)",
    )
    assert orphans == 0


def test_an_instant_is_kept_to_the_last_second(conn: Connection) -> None:
    ran(conn, "trade", OLD)
    ran(conn, "trade", NOW)
    assert prune_quality_runs(conn, before=OLD) == 0
    assert prune_quality_runs(conn, before=OLD + timedelta(seconds=1)) == 1
