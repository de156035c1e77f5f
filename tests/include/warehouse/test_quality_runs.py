"""Results of suites are forgotten after a while, the newest of each never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from include.quality.outcome import ExpectationOutcome, Severity, SuiteOutcome
from include.warehouse.engine import Connection, connect
from include.warehouse.quality_runs import failing_since, prune_quality_runs, write_quality_run
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


def judged(
    conn: Connection,
    hour: int,
    *broken: str,
    dataset: str = "candle_1m",
    batch: str = "",
    checkpoint: str = "warehouse",
    severity: Severity = "block",
) -> SuiteOutcome:
    """Keep a run of that hour in which the rules of ``broken`` were not met."""
    found = [
        ExpectationOutcome("e", ("low",), rule, severity, rule not in broken, 1, 10.0, ())
        for rule in ("ohlc_order", "taker_volume")
    ]
    at = NOW + timedelta(hours=hour)
    outcome = SuiteOutcome(checkpoint, "s", dataset, batch, None, 10, "gx", at, found)
    with conn.transaction():
        assert write_quality_run(conn, outcome) is not None
    return outcome


def since(conn: Connection, hour: int, *failures: SuiteOutcome) -> float:
    """Return the hour in which the newest trouble of ``failures`` began."""
    at = NOW + timedelta(hours=hour)
    return (failing_since(conn, failures, at=at) - NOW) / timedelta(hours=1)


def test_a_trouble_lasts_from_the_first_run_that_found_it(conn: Connection) -> None:
    judged(conn, 0)
    assert since(conn, 1, judged(conn, 1, "ohlc_order")) == 1
    assert since(conn, 2, judged(conn, 2, "ohlc_order")) == 1
    # Neither another dataset or checkpoint, nor a lesser fault, ends or begins it.
    judged(conn, 3, dataset="candle_5m")
    judged(conn, 3, checkpoint="gate")
    judged(conn, 3, "ohlc_order")
    judged(conn, 3, "taker_volume", severity="warn", batch="b")
    both = judged(conn, 4, "ohlc_order", "taker_volume")
    assert since(conn, 4, both) == 4, "a second one beside it is the newest"
    assert since(conn, 5, judged(conn, 5, "taker_volume")) == 4
    # One of two rules of a dataset comes back while the other goes on.
    assert since(conn, 6, judged(conn, 6, "ohlc_order", "taker_volume")) == 6


def test_a_dataset_judged_in_parts_is_sound_when_all_of_them_are(conn: Connection) -> None:
    for hour in range(3):
        judged(conn, hour, batch="a")
        found = judged(conn, hour, "ohlc_order", batch="b")
    assert since(conn, 2, found) == 0
    judged(conn, 3, batch="a")
    judged(conn, 3, batch="b")
    assert since(conn, 4, judged(conn, 4, "ohlc_order", batch="a")) == 4
