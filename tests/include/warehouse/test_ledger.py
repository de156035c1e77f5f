"""No change is lost and none is done twice, however transactions interleave."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from include.market.errors import RetryableError, StaleFenceError
from include.market.span import Span
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from include.warehouse.ledger import (
    Change,
    Reason,
    changes_in_flight,
    contiguous_end,
    coverage,
    move_cursor,
    read_changes,
)
from tests.support.warehouse import candles, load_frame, minutes, moment, query, seed_reference

Dial = Callable[[], Connection]


def write_change(connection: Connection, first: int, dataset: str = "candle_1m") -> Span:
    """Write a change of one minute into the open transaction; return its span."""
    connection.execute(
        """
        WITH load AS (
            INSERT INTO ledger.load (dataset, source, run_id, span_start, span_end, rows_in,
                rows_inserted, rows_updated, rows_unchanged, rows_quarantined, observed_at)
            VALUES (%(dataset)s, 'rest', 'r', %(start)s, %(end)s, 0, 0, 0, 0, 0, now())
            RETURNING load_id
        )
        INSERT INTO ledger.change (
            dataset, instrument_id, span_start, span_end, reason, load_id
        )
        SELECT %(dataset)s, min(instrument_id), %(start)s, %(end)s, 'new', min(load_id)
        FROM market.instrument, load
        """,
        {"dataset": dataset, "start": moment(first), "end": moment(first + 1)},
    )
    return minutes(first, first + 1)


def await_quiet(connection: Connection) -> None:
    """Return once nothing else runs in the server: an automatic ANALYZE holds cursors up too."""
    quiet = "SELECT pg_snapshot_xmin(s) = pg_snapshot_xmax(s) FROM pg_current_snapshot() AS s"
    while query(connection, quiet) != [(True,)]:
        continue


def work_off(
    connection: Connection, stage: str = "stage", *, others_open: bool = False
) -> list[Span]:
    """Do one run of a stage: read, then move the cursor, in one transaction."""
    if not others_open:
        await_quiet(connection)
    todo = read_changes(connection, stage, "candle_1m")
    move_cursor(connection, stage, todo.upto_xid)
    connection.commit()
    return [change.span for change in todo.changes]


def test_a_change_is_read_once_and_by_every_stage(connection: Connection) -> None:
    ids = seed_reference(connection)
    span = write_change(connection, 0)
    connection.commit()
    await_quiet(connection)
    todo = read_changes(connection, "a", "candle_1m")
    assert todo.changes == [Change(ids["BTCUSDT"], span, "new")]
    connection.commit()
    assert work_off(connection, "a") == [span]
    assert work_off(connection, "a") == []
    assert work_off(connection, "b") == [span]


def test_a_change_of_another_dataset_is_not_read(connection: Connection) -> None:
    seed_reference(connection)
    write_change(connection, 0, "candle_5m")
    connection.commit()
    assert work_off(connection) == []


def test_a_lower_transaction_that_commits_later_is_neither_lost_nor_read_twice(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    slow, fast = dial(), dial()
    late = write_change(slow, 0)  # the lower transaction id
    early = write_change(fast, 1)
    fast.commit()
    assert query(connection, "SELECT count(*) FROM ledger.change") == [(1,)]
    assert changes_in_flight(connection, "stage", "candle_1m")
    seen = work_off(connection, others_open=True)
    assert seen == []  # it is committed, but an older transaction could still come before it
    slow.commit()
    seen += work_off(connection)
    seen += work_off(connection)
    assert seen == [late, early]
    assert not changes_in_flight(connection, "stage", "candle_1m")


def test_a_higher_change_id_that_commits_first_does_not_hide_the_lower_one(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    slow, fast = dial(), dial()
    fast.execute("SELECT pg_current_xact_id()")  # now the later change has the lower transaction
    late = write_change(slow, 0)
    early = write_change(fast, 1)
    fast.commit()
    seen = work_off(connection, others_open=True)
    slow.commit()
    assert seen + work_off(connection) == [early, late]


def test_a_transaction_that_is_rolled_back_leaves_no_change_and_no_hole(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    doomed = dial()
    write_change(doomed, 0)
    kept = write_change(connection, 1)
    connection.commit()
    doomed.rollback()
    assert work_off(connection) == [kept]


def test_a_stage_that_fails_before_its_commit_finds_its_work_again(connection: Connection) -> None:
    seed_reference(connection)
    span = write_change(connection, 0)
    connection.commit()
    todo = read_changes(connection, "stage", "candle_1m")
    move_cursor(connection, "stage", todo.upto_xid)
    connection.rollback()
    assert work_off(connection) == [span]


def test_a_limit_is_rounded_up_to_whole_transactions(connection: Connection) -> None:
    seed_reference(connection)
    for first in (0, 10, 20):
        for offset in (0, 2):
            write_change(connection, first + offset)
        connection.commit()
    await_quiet(connection)
    seen = []
    for _ in range(4):
        todo = read_changes(connection, "stage", "candle_1m", limit=1)
        move_cursor(connection, "stage", todo.upto_xid)
        connection.commit()
        seen.append([change.span.start_ms for change in todo.changes])
    starts = [minutes(first, first + 1).start_ms for first in (0, 2, 10, 12, 20, 22)]
    assert seen == [starts[:2], starts[2:4], starts[4:], []]


def test_a_second_run_of_a_stage_waits_for_the_first(
    connection: Connection, warehouse_dsn: str
) -> None:
    read_changes(connection, "stage", "candle_1m")
    hurried = connect(warehouse_dsn + "?options=-c%20lock_timeout%3D50ms", application="test")
    with hurried:
        with pytest.raises(RetryableError, match="stage stage"):
            read_changes(hurried, "stage", "candle_1m")
        hurried.rollback()
        read_changes(hurried, "another", "candle_1m")
    connection.commit()


def test_reading_assigns_no_transaction_id_so_that_it_holds_up_nobody(
    connection: Connection,
) -> None:
    read_changes(connection, "stage", "candle_1m")
    assert connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)


def test_a_run_that_was_overtaken_cannot_move_the_cursor_back(connection: Connection) -> None:
    seed_reference(connection)
    stale = read_changes(connection, "stage", "candle_1m")
    connection.commit()
    write_change(connection, 0)
    connection.commit()
    work_off(connection)
    with pytest.raises(StaleFenceError, match="another run does this work"):
        move_cursor(connection, "stage", stale.upto_xid)


def test_many_writers_and_one_reader_meet_every_change_once(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    writers = [dial() for _ in range(3)]

    def write(number: int) -> list[Span]:
        spans = []
        for turn in range(15):
            spans.append(write_change(writers[number], number * 1000 + turn * 2))
            writers[number].commit()
        return spans

    seen: list[Span] = []
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write, number) for number in range(3)]
        while not all(job.done() for job in jobs):
            seen += work_off(connection, others_open=True)
        written = [span for job in jobs for span in job.result()]
    seen += work_off(connection)
    assert sorted(seen) == sorted(written)
    assert len(set(seen)) == len(seen) == 45


def test_the_reasons_are_those_the_table_allows(connection: Connection) -> None:
    [(definition,)] = query(
        connection,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'change_reason'",
    )
    assert {reason for reason in get_args(Reason) if f"'{reason}'" in definition} == {
        "new",
        "revised",
        "repaired",
        "withdrawn",
    }


def test_coverage_is_the_union_of_what_is_proven(connection: Connection) -> None:
    ids = seed_reference(connection)
    btc = ids["BTCUSDT"]
    assert coverage(connection, "candle_1m", btc) == []
    connection.commit()
    load_frame(connection, candles(range(5)), minutes(0, 5), path="a")
    load_frame(connection, candles(range(10, 15)), minutes(10, 15), path="b")
    assert coverage(connection, "candle_1m", btc) == [minutes(0, 5), minutes(10, 15)]
    assert contiguous_end(connection, "candle_1m", btc, moment(0)) == moment(5)
    connection.commit()
    load_frame(connection, candles(range(3, 11)), minutes(3, 11), path="c")
    assert coverage(connection, "candle_1m", btc) == [minutes(0, 15)]
    assert contiguous_end(connection, "candle_1m", btc, moment(0)) == moment(15)
    assert contiguous_end(connection, "candle_1m", btc, moment(14)) == moment(15)
    assert contiguous_end(connection, "candle_1m", btc, moment(15)) is None
    assert contiguous_end(connection, "candle_1m", ids["ETHUSDT"], moment(0)) is None


def test_an_explained_absence_is_covered_and_an_unexplained_one_is_not(
    connection: Connection,
) -> None:
    btc = seed_reference(connection)["BTCUSDT"]
    load_frame(
        connection,
        candles([0, 4, 9]),
        minutes(0, 10),
        gaps=[Gap(minutes(1, 4), "outage"), Gap(minutes(5, 7), "fetch_failed")],
    )
    assert coverage(connection, "candle_1m", btc) == [minutes(0, 5), minutes(9, 10)]
    assert contiguous_end(connection, "candle_1m", btc, moment(2)) == moment(5)
