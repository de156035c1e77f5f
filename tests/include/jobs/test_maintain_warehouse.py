"""What the maintenance DAG calls, as the login it uses, over a warehouse the river has filled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.jobs.maintain_warehouse import (
    audit_warehouse,
    prepare_months,
    remove_old_files,
    tell_findings,
    tidy_up,
)
from include.market.errors import SourceUnavailableError
from include.market.settings import Settings
from include.market.span import Span, to_ms
from include.market.timeframe import DAY_MS
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt
from include.warehouse.engine import Connection, connect
from tests.support.invariants import check_all
from tests.support.river import River
from tests.support.simulator import run_simulator

NOW = datetime(2026, 11, 10, 9, 17, 23, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = Span(to_ms(NOW) // DAY_MS * DAY_MS - 2 * DAY_MS, to_ms(NOW) // DAY_MS * DAY_MS)


class Broken:
    """A sender that never gets through."""

    def send(self, message: Message) -> Receipt:
        raise SourceUnavailableError("no network")


@pytest.fixture(scope="module")
def venue_url() -> Iterator[str]:
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{to_ms(NOW)}",
        "--outages-per-year", "120",
    ) as url:  # fmt: skip
        yield url


@pytest.fixture
def river(warehouse_dsn: str, loader_dsn: str, venue_url: str, tmp_path: Path) -> Iterator[River]:
    """Return a river whose every job logs in as the loader, filled with two days."""
    river = River(loader_dsn, venue_url, tmp_path, SYMBOLS)
    river.sync()
    river.backfill(DAYS, run_id="history")
    river.check()
    river.load(run_id="history")
    river.fetch(run_id="live")
    river.check()
    river.load(run_id="live")
    river.cascade(run_id="history")
    yield river
    river.close()


@pytest.fixture
def owner(warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test", autocommit=True) as connection:
        yield connection


def test_the_loader_does_every_job_and_maintenance_leaves_all_in_order(
    river: River, warehouse_dsn: str
) -> None:
    assert river.model()["instruments"] == 2
    assert river.publish()["charts"] == 2
    assert river.audit(run_id="audit") is not None
    stored = check_all(warehouse_dsn, river.venue_url, SYMBOLS)

    prepared = prepare_months(river.conn, river.settings, at=NOW)
    assert prepared["created"] > 0
    assert prepared["retired"] == 0
    done = tidy_up(river.conn, Settings(), at=NOW)
    assert done["vacuumed"] > 0
    assert done["forgotten"] == 0
    audited = audit_warehouse(river.conn, OutboxSender(river.outbox), at=NOW)
    assert audited == {"findings": 0, "months_closed": 0}
    assert check_all(warehouse_dsn, river.venue_url, SYMBOLS) == stored


def test_landed_files_go_when_they_are_old_and_the_ledger_stays(river: River) -> None:
    landing = Path(river.settings.landing_url)
    files = list(landing.rglob("*.parquet"))
    assert files
    settings = Settings(landing_days=30)
    later = datetime.now(UTC) + timedelta(days=29)
    assert remove_old_files(river.conn, Path, settings, at=later) == {"landings": 0}
    removed = remove_old_files(river.conn, Path, settings, at=later + timedelta(days=2))
    assert removed["landings"] > 0
    assert list(landing.rglob("*.parquet")) == []
    landings = river.conn.execute("SELECT count(*) FROM ledger.landing").fetchone()
    assert landings == (removed["landings"],)


def test_a_finding_is_told_once_and_again_only_if_it_could_not_be_told(
    river: River, owner: Connection
) -> None:
    owner.execute("DELETE FROM ledger.gap WHERE dataset = 'candle_1m'")
    owner.execute(
        "DELETE FROM market.candle_1m WHERE ctid IN (SELECT ctid FROM market.candle_1m LIMIT 1)"
    )
    with pytest.raises(SourceUnavailableError):
        audit_warehouse(river.conn, Broken(), at=NOW)
    outbox = OutboxSender(river.outbox)
    found = audit_warehouse(river.conn, outbox, at=NOW)["findings"]
    assert found >= 2
    assert tell_findings(river.conn, outbox, at=NOW) == 0
    audit_warehouse(river.conn, outbox, at=NOW)
    told = owner.execute(
        "SELECT state, title FROM report.publication WHERE kind = 'audit'"
    ).fetchall()
    assert told == [("sent", f"The audit found {found} thing(s) wrong in the warehouse")]
