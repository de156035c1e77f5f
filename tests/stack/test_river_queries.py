from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from include.warehouse.engine import connect
from stack.river_progress import CURSOR_STAGES, Marks
from stack.river_queries import FailedTask, Metadata, read_poll, read_totals
from tests.support.warehouse import candles, checked_landing, load_frame, minutes, seed_reference

NOW = datetime.now(UTC)


def test_an_empty_warehouse_polls_as_zero(warehouse_dsn: str) -> None:
    with psycopg.connect(warehouse_dsn, autocommit=True) as connection:
        polled = read_poll(connection, Marks())
        totals = read_totals(connection, minutes(0, 10), ("BTCUSDT",))
    assert polled["waiting"] == dict.fromkeys(CURSOR_STAGES, 0)
    assert (polled["landings"], polled["newest_landing"], polled["fitted_at"]) == ({}, 0, 0.0)
    assert int(polled["next_xid"]) > 0
    assert totals["candles"] == {"1m": 0, "5m": 0, "30m": 0, "4h": 0}
    assert (totals["gaps"], totals["publications"], totals["published"]) == ({}, {}, 0)
    assert totals["covered"] == 0.0


def test_a_stage_waits_for_changes_past_its_cursor_and_below_its_mark(warehouse_dsn: str) -> None:
    with connect(warehouse_dsn, application="test") as connection:
        seed_reference(connection)
        for place in (0, 10, 20):
            span = minutes(place, place + 1)
            load_frame(connection, candles([place]), span, path=f"file:///{place}.parquet")
        checked_landing(connection, minutes(30, 31), path="file:///30.parquet", rows=1)
    with psycopg.connect(warehouse_dsn, autocommit=True) as watcher:
        first = read_poll(watcher, Marks())
        assert (first["waiting"]["cascade_5m"], first["waiting"]["cascade_30m"]) == (3, 0)
        assert first["landings"] == {"loaded": 3, "checked": 1}
        assert first["stored_rows"] == {"candle_1m": 3}
        assert first["landed_rows"] == 1
        older = read_poll(watcher, Marks(landing=first["newest_landing"] - 1))
        assert older["landings"] == {"loaded": 3}

        moved = "insert into ledger.cursor (stage, xid) select 'cascade_5m', max(xid) from "
        watcher.execute(f"{moved} ledger.change")
        assert read_poll(watcher, Marks())["waiting"]["cascade_5m"] == 1
        newest = watcher.execute("select max(xid)::text from ledger.change").fetchone()
        assert newest is not None
        marks = Marks(changes={"cascade_5m": newest[0]})
        assert read_poll(watcher, marks)["waiting"]["cascade_5m"] == 0
        assert int(first["next_xid"]) > int(newest[0])
        totals = read_totals(watcher, minutes(0, 20), ("BTCUSDT",))
        assert totals["candles"]["1m"] == 3
        # Minutes 0 and 10 of twenty; minute 20 lies outside.
        assert totals["covered"] == pytest.approx(2 / 20)
        assert read_totals(watcher, minutes(0, 20), ("BTCUSDT", "ETHUSDT"))["covered"] == 0.05


@pytest.fixture
def metadata(empty_dsn: str) -> Metadata:
    """The few columns of Airflow's tables that are read, and nothing else of Airflow."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(
            "create table dag_run (id serial, dag_id text, run_id text, state text, "
            "start_date timestamptz, end_date timestamptz, backfill_id int)"
        )
        connection.execute(
            "create table task_instance (dag_id text, run_id text, task_id text, map_index int, "
            "try_number int, state text, end_date timestamptz)"
        )
        connection.execute("create table backfill (id int, dag_id text, completed_at timestamptz)")
        connection.execute("create table backfill_dag_run (backfill_id int)")
        connection.cursor().executemany(
            "insert into dag_run (dag_id, run_id, state, start_date, end_date, backfill_id) "
            "values (%s, %s, %s, %s, %s, %s)",
            [
                ("load_warehouse", "old", "failed", NOW, NOW - timedelta(hours=1), None),
                ("load_warehouse", "new", "failed", NOW, NOW + timedelta(minutes=2), None),
                ("check_candles", "busy", "running", NOW, None, 2),
                ("check_candles", "next", "queued", None, None, None),
                ("publish_report", "done", "success", NOW, NOW, 1),
                ("elsewhere", "bad", "failed", NOW, NOW + timedelta(minutes=1), None),
            ],
        )
        connection.execute(
            "insert into task_instance values "
            "('load_warehouse', 'new', 'plan', -1, 1, 'success', now()), "
            "('load_warehouse', 'new', 'load', 3, 4, 'failed', now())"
        )
        connection.execute("insert into backfill values (1, 'a', null), (2, 'b', null)")
        connection.execute("insert into backfill_dag_run values (1), (2)")
    return Metadata(empty_dsn)


def test_runs_are_told_by_dag(metadata: Metadata) -> None:
    runs = metadata.runs(("check_candles", "publish_report", "fetch_candles"))
    assert runs.unfinished == {"check_candles": 2, "publish_report": 0}
    assert runs.succeeded_at["publish_report"] == pytest.approx(NOW.timestamp(), abs=0.001)
    assert metadata.unfinished_run("check_candles") == "busy"
    assert metadata.unfinished_run("publish_report") is None
    assert metadata.run_state("check_candles", "next") == "queued"
    assert metadata.run_state("check_candles", "never") is None


def test_a_failure_names_its_task_and_log(metadata: Metadata) -> None:
    failed = metadata.first_failure(("load_warehouse", "check_candles"), NOW)
    assert failed == FailedTask(
        "load_warehouse",
        "new",
        "load",
        "dag_id=load_warehouse/run_id=new/task_id=load/map_index=3/attempt=4.log",
    )
    assert metadata.first_failure(("load_warehouse",), NOW + timedelta(minutes=3)) is None
    assert metadata.first_failure(("check_candles",), NOW) is None


def test_only_a_finished_backfill_is_closed(metadata: Metadata, empty_dsn: str) -> None:
    metadata.close_finished_backfills()
    with psycopg.connect(empty_dsn) as connection:
        rows = connection.execute("select id from backfill where completed_at is not null")
        assert rows.fetchall() == [(1,)]
