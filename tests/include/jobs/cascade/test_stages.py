"""What the stages build from what changed, what goes away, and what is left alone."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from include.jobs import cascade as job
from include.jobs.cascade import cascade_all, cascade_changes
from include.market.candle import PARTIAL, SNAPPED, TRUNCATED
from include.market.timeframe import M1, M5
from include.warehouse.engine import Connection
from include.warehouse.gaps import Gap
from tests.support.cascade_world import (
    ALL_STILL,
    FOUR_HOURS,
    NOTHING,
    check_against_scratch,
    differences,
    load,
    receipts,
    rows,
    run_stages,
)
from tests.support.warehouse import minutes, moment, walk


@pytest.mark.parametrize("chunked", [False, True])
def test_every_level_is_what_its_children_add_up_to(connection: Connection, chunked: bool) -> None:
    frame = walk(240)
    frame.loc[[7, 100], "flags"] = [SNAPPED, TRUNCATED]
    kept = frame.drop(index=[*range(30, 37), 200])
    outages = [Gap(minutes(30, 37), "outage"), Gap(minutes(200, 201), "no_trade")]
    load(connection, kept, FOUR_HOURS, gaps=outages)
    few = (7 * M5.length_ms, 10) if chunked else (job.CHUNK_MS, job.CHILDREN_AT_ONCE)
    with patch.multiple(job, CHUNK_MS=few[0], CHILDREN_AT_ONCE=few[1]):
        written = run_stages(connection)
    assert {label: counts["inserted"] for label, counts in written.items()} == {
        "5m": 47,
        "30m": 8,
        "4h": 1,
    }
    check_against_scratch(connection, kept)
    assert rows(connection, "SELECT flags FROM market.candle_4h") == [
        (SNAPPED | TRUNCATED | PARTIAL,)
    ]


def test_a_long_span_is_cut_between_buckets_and_what_is_proven_with_it() -> None:
    long = minutes(0, 23)
    with patch.object(job, "CHUNK_MS", 7 * M1.length_ms):
        chunks = list(job._chunks(minutes(0, 20), M5))
    assert chunks == [minutes(0, 5), minutes(5, 10), minutes(10, 15), minutes(15, 20)]
    parts = [minutes(0, 7), minutes(7, 8), minutes(9, 23), minutes(23, 30)]
    assert list(job._clip((1, minutes(5, 10)), parts)) == [
        (1, minutes(5, 7)),
        (1, minutes(7, 8)),
        (1, minutes(9, 10)),
    ]
    # Whole ones stay themselves, so that hundreds of instruments share them.
    assert [part is long for part in job._chunks(long, M5)] == [True]
    assert [part is long for _, part in job._clip((1, minutes(0, 25)), [long])] == [True]


def test_a_backlog_is_done_in_transactions_of_bounded_length(connection: Connection) -> None:
    for place in range(0, 40, 5):
        load(connection, walk(240).iloc[place : place + 5], minutes(place, place + 5))
    with patch.object(job, "CHANGES_AT_ONCE", 3):
        assert cascade_changes(connection, M1, M5, run_id="stage") == NOTHING | {"inserted": 8}
    assert receipts(connection) == 3


def test_retired_minutes_take_no_coarse_candle_with_them(
    connection: Connection, warehouse_dsn: str
) -> None:
    load(connection, walk(240), FOUR_HOURS)
    run_stages(connection)
    before = rows(connection, "TABLE market.stored_candle ORDER BY 1, 3")
    connection.execute("SELECT market.retire_month('market.candle_1m', '2024-01-01')")
    # A late row, and a wish to do the span again: both find next to nothing of the minutes.
    load(connection, walk(240).iloc[60:61].assign(high=1e6), minutes(60, 61))
    connection.execute(
        "SELECT ledger.file_repair('candle_1m', 1, %s, %s)", (moment(0), moment(240))
    )
    assert run_stages(connection) == ALL_STILL
    assert cascade_all(connection, run_id="live") == ALL_STILL
    coarse = [row for row in before if row[0] != "1m"]
    stored = rows(
        connection, "SELECT * FROM market.stored_candle WHERE timeframe <> '1m' ORDER BY 1, 3"
    )
    assert stored == coarse
    assert differences(connection, "5m") == []
