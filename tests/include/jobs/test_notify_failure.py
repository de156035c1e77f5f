from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from include.airflow_bridge.failures import notify_failure
from include.jobs.deliver import deliver_once
from include.jobs.notify_failure import FailedRun, notify_failed_run
from include.market.errors import SourceUnavailableError
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt
from include.warehouse.engine import Connection, connect


@pytest.fixture
def conn(warehouse_dsn: str) -> Iterator[Connection]:
    with closing(connect(warehouse_dsn, application="test", autocommit=True)) as conn:
        yield conn


def failed(run_id: str, *, recurring: bool = False) -> FailedRun:
    return FailedRun("fetch_candles", run_id, recurring, ["fetch_new"], "task_failure", "")


def test_a_run_by_hand_is_told_once_whoever_calls(conn: Connection, tmp_path: Path) -> None:
    sender = OutboxSender(tmp_path)
    assert notify_failed_run(conn, sender, failed("manual__1"))
    assert not notify_failed_run(conn, sender, failed("manual__1"))
    assert notify_failed_run(conn, sender, failed("manual__2"))
    texts = [path.read_text() for path in sorted(tmp_path.glob("*.md"))]
    assert len(texts) == 2
    assert "manual__1" in texts[0]
    assert "fetch_new" in texts[0]


def test_recurring_runs_that_keep_failing_share_a_message(conn: Connection, tmp_path: Path) -> None:
    sender = OutboxSender(tmp_path)
    told = [
        notify_failed_run(conn, sender, failed(f"scheduled__{n}", recurring=True)) for n in range(9)
    ]
    # Two when the hour turns between them.
    assert 1 <= told.count(True) <= 2


def test_a_message_that_could_not_be_sent_is_tried_again(conn: Connection, tmp_path: Path) -> None:
    class Away:
        def send(self, message: Message) -> Receipt:
            raise SourceUnavailableError("the receiver is away")

    with pytest.raises(SourceUnavailableError):
        notify_failed_run(conn, Away(), failed("manual__1"))
    state = conn.execute("SELECT state FROM report.publication").fetchone()
    assert state == ("failed",)
    assert notify_failed_run(conn, OutboxSender(tmp_path), failed("manual__1"))


def test_a_failure_that_cannot_be_told_is_logged_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://u:secret@127.0.0.1:9/warehouse")
    run = SimpleNamespace(dag_id="load_warehouse", run_id="manual__1", run_type="manual")
    notify_failure({"dag_run": run, "reason": "task_failure"})
    assert "manual__1" in caplog.text
    assert "secret" not in caplog.text


def test_one_event_goes_out_once(conn: Connection, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    message = Message(
        title="t", text="x", event_key="k", event_time=datetime(2026, 1, 1, tzinfo=UTC)
    )
    sender = OutboxSender(tmp_path)
    assert deliver_once(conn, sender, message, kind="test")
    assert not deliver_once(conn, sender, message, kind="test")
