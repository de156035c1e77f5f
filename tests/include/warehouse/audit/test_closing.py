"""Months are closed once they are over and quiet, and revisions do not disturb what was closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.jobs.cascade import cascade_changes
from include.market.errors import InvalidInputError, RetryableError
from include.market.timeframe import CASCADE
from include.warehouse.audit import run
from include.warehouse.audit.run import Patience, run_audit
from include.warehouse.engine import connect
from include.warehouse.merge import lock_series
from stack.postgres import EmbeddedPostgres
from tests.include.warehouse.audit.conftest import AT, AT_ONCE, audit, damaged
from tests.support.postgres import create_database, drop_database
from tests.support.warehouse import load_frame, minutes, seed_reference, walk

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
RELATION = "market.candle_1m_2024_01"


@pytest.fixture
def dsn(warehouse_dsn: str) -> str:
    """Return the URL of a warehouse with one day of one instrument."""
    with connect(warehouse_dsn, application="test") as connection:
        seed_reference(connection, ["BTCUSDT"])
        load_frame(connection, walk(1440), minutes(0, 1440))
    return warehouse_dsn


def checksums(dsn: str) -> list[tuple[str, int, datetime]]:
    with connect(dsn, application="test") as connection:
        return connection.execute(
            "SELECT dataset, rows, closed_at FROM ledger.month_checksum ORDER BY dataset"
        ).fetchall()


def revise(dsn: str, *, minute: int = 100, add: float = 1.0) -> None:
    """Store another volume of one minute, as a later observation would."""
    with connect(dsn, application="test") as connection:
        frame = walk(1440).iloc[minute : minute + 1].copy()
        frame["volume"] += add
        load_frame(connection, frame, minutes(minute, minute + 1), path=f"file:///{minute}-{add}")
    with connect(dsn, application="test", autocommit=True) as connection:
        for source, target in CASCADE:
            cascade_changes(connection, source, target, run_id="test")


def test_a_month_is_closed_once_it_is_over_and_quiet(dsn: str) -> None:
    days = timedelta(days=1)
    settling = Patience(settled=10 * days, quiet=timedelta(0))
    assert audit(dsn, settling, FEBRUARY + 9 * days).months_closed == 0
    now = datetime.now(UTC)
    assert audit(dsn, Patience(10 * days, 2 * days), now + days).months_closed == 0
    assert checksums(dsn) == []
    assert audit(dsn, Patience(10 * days, 2 * days), now + 3 * days).months_closed == 1
    assert [(dataset, rows) for dataset, rows, _ in checksums(dsn)] == [("candle_1m", 1440)]
    assert audit(dsn).months_closed == 0


def test_a_revision_shows_in_no_checksum_and_its_month_is_closed_anew(dsn: str) -> None:
    revise(dsn, minute=50)
    assert audit(dsn).months_closed == 4
    before = checksums(dsn)
    revise(dsn)
    waiting = Patience(quiet=timedelta(days=80 * 365))
    assert audit(dsn, waiting).findings == []
    assert checksums(dsn) == before
    report = audit(dsn)
    assert (report.findings, report.months_closed) == ([], 4)
    after = checksums(dsn)
    assert [rows for _, rows, _ in after] == [1442, 49, 7, 289]
    assert all(new[2] > old[2] for old, new in zip(before, after, strict=True))
    assert audit(dsn).months_closed == 0


def test_a_wrong_row_in_a_revised_month_is_still_found_and_never_blessed(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> None:
    dsn = create_database(postgres_server, "audited", migrated_template)
    try:
        with connect(dsn, application="test") as connection:
            seed_reference(connection, ["BTCUSDT"])
            load_frame(connection, walk(1440), minutes(0, 1440))
        assert audit(dsn).months_closed == 1
        closed = checksums(dsn)
        revise(dsn)
        with damaged(
            postgres_server,
            RELATION,
            f"UPDATE {RELATION} SET open = open * (1 + 1e-15) "
            "WHERE open_time = '2024-01-01 13:42:00Z'",
        ):
            report = audit(dsn)
            assert [(finding.check, finding.span_start) for finding in report.findings] == [
                ("checksum", datetime(2024, 1, 1, 13, tzinfo=UTC))
            ]
            assert "DELETE FROM ledger.month_checksum" in report.findings[0].repair
            # The coarse months are in order, and are closed.
            assert report.months_closed == 3
            assert [row for row in checksums(dsn) if row[0] == "candle_1m"] == closed
        assert audit(dsn).findings == []
    finally:
        drop_database(postgres_server, "audited")


def test_a_quick_audit_passes_over_what_is_closed_and_still_sees_what_changed(dsn: str) -> None:
    revise(dsn, minute=50)

    def asked(*, thorough: bool) -> int:
        with connect(dsn, application="test", autocommit=True) as connection:
            return run_audit(connection, at=AT, patience=AT_ONCE, thorough=thorough).statements

    everything = asked(thorough=True)
    quick = asked(thorough=False)
    # Per month of four tables: rules, two references, place, lineage, revisions; one coverage,
    # three cascades.
    assert everything - quick == 4 * 6 + 1 + 3
    revise(dsn)
    assert asked(thorough=False) == everything
    assert asked(thorough=False) == quick


def test_another_way_of_adding_up_closes_a_month_anew_without_a_finding(dsn: str) -> None:
    audit(dsn)
    with connect(dsn, application="test", autocommit=True) as connection:
        connection.execute(
            "UPDATE ledger.month_checksum SET algorithm = 'older', checksum = 1, "
            "hour_checksums = '{}'"
        )
    report = audit(dsn)
    assert (report.findings, report.months_closed) == ([], 1)


def test_closing_waits_for_a_writer_of_the_series(dsn: str) -> None:
    with (
        connect(dsn, application="writer") as writer,
        connect(dsn, application="test", autocommit=True) as auditor,
    ):
        lock_series(writer, "candle_1m", [1])
        auditor.execute("SET lock_timeout = '300ms'")
        with pytest.raises(RetryableError):
            run_audit(auditor, at=AT, patience=AT_ONCE)
        writer.rollback()
        assert run_audit(auditor, at=AT, patience=AT_ONCE).months_closed == 1


def test_what_came_in_during_the_audit_is_not_blessed_by_it(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = run.note_findings

    def revise_meanwhile(*arguments: Any, **options: Any) -> None:
        revise(dsn)
        noted(*arguments, **options)

    monkeypatch.setattr(run, "note_findings", revise_meanwhile)
    assert audit(dsn).months_closed == 0
    monkeypatch.undo()
    assert audit(dsn).months_closed == 4


def test_audits_take_turns_and_need_autocommit(dsn: str) -> None:
    with (
        connect(dsn, application="test", autocommit=True) as first,
        connect(dsn, application="test", autocommit=True) as second,
        connect(dsn, application="test") as third,
    ):
        first.execute("SELECT pg_advisory_lock(hashtextextended('candlewick audit', 0))")
        with pytest.raises(RetryableError, match="another audit is at work"):
            run_audit(second, at=AT)
        first.execute("SELECT pg_advisory_unlock(hashtextextended('candlewick audit', 0))")
        assert run_audit(second, at=AT).findings == []
        with pytest.raises(InvalidInputError, match="autocommit"):
            run_audit(third, at=AT)


def test_the_loader_may_audit(dsn: str, loader_dsn: str) -> None:
    assert audit(loader_dsn).months_closed == 1
    assert audit(loader_dsn).findings == []
