"""Differences between two accounts: kept with both values, told once, ended when they agree."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from include.market.span import Span
from include.market.timeframe import M1
from include.quality.reconciliation import compare_candles
from include.warehouse.engine import Connection
from include.warehouse.reconciliations import (
    Pair,
    candle_sources,
    mark_differences_told,
    replaced_candles,
    store_comparison,
    untold_differences,
)
from tests.support.warehouse import (
    START,
    START_MS,
    VENUE,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
)

SPAN = minutes(0, 30)


@pytest.fixture
def pair(connection: Connection) -> Pair:
    return Pair(seed_reference(connection)["BTCUSDT"], M1, SPAN, "stored", "rest")


def torn(frame: pd.DataFrame, *places: int) -> pd.DataFrame:
    copy = frame.copy()
    copy.loc[list(places), "open"] *= 1.01
    return copy


def store(connection: Connection, pair: Pair, right: pd.DataFrame, *, most: int = 100) -> None:
    found = compare_candles(walk(30), right, M1, SPAN)
    store_comparison(connection, pair, found, at=START, most=most)


def test_both_values_are_kept_and_the_comparison_is_counted(
    connection: Connection, pair: Pair
) -> None:
    other = torn(walk(30), 4)
    other.loc[9, "volume"] *= 1 + 1e-8
    store(connection, pair, other.drop(index=20))
    rows = query(
        connection,
        "SELECT open_time, kind, columns, (left_values ->> 'open')::float8, "
        "(right_values ->> 'open')::float8 FROM ledger.reconciliation ORDER BY open_time",
    )
    base = walk(30)["open"]
    assert rows == [
        (moment(4), "differs", ["open"], base[4], base[4] * 1.01),
        (moment(20), "missing_right", rows[1][2], base[20], None),
    ]
    counts = query(
        connection,
        "SELECT compared, equal, rounding, incomplete, differing FROM ledger.reconciliation_run",
    )
    assert counts == [(29, 27, 1, 0, 2)]


def test_a_difference_ends_when_the_two_agree_and_only_there(
    connection: Connection, pair: Pair
) -> None:
    store(connection, pair, torn(walk(30), 4, 7))
    store(connection, pair, torn(walk(30), 7))
    rows = query(
        connection, "SELECT open_time, gone_at IS NULL FROM ledger.reconciliation ORDER BY 1"
    )
    assert rows == [(moment(4), False), (moment(7), True)]
    # Another pair's comparison, or another span's, says nothing about it.
    other = Pair(pair.instrument_id, M1, SPAN, "archive", "rest")
    store(connection, other, walk(30))
    elsewhere = Pair(pair.instrument_id, M1, minutes(8, 30), "stored", "rest")
    store(connection, elsewhere, walk(30))
    assert len(untold_differences(connection, VENUE.name)) == 1
    store(connection, pair, torn(walk(30), 4))
    rows = query(connection, "SELECT open_time FROM ledger.reconciliation WHERE gone_at IS NULL")
    assert rows == [(moment(4),)]


def test_no_more_than_the_most_are_kept_and_what_is_beyond_does_not_end(
    connection: Connection, pair: Pair
) -> None:
    store(connection, pair, torn(walk(30), 5))
    store(connection, pair, torn(walk(30), 1, 2, 3, 4, 5), most=2)
    rows = query(
        connection, "SELECT open_time FROM ledger.reconciliation WHERE gone_at IS NULL ORDER BY 1"
    )
    assert rows == [(moment(1),), (moment(2),), (moment(5),)]
    assert query(connection, "SELECT differing FROM ledger.reconciliation_run") == [(5,)]


def test_differences_are_told_by_kind_and_once(connection: Connection, pair: Pair) -> None:
    store(connection, pair, torn(walk(30), 4, 7).drop(index=20))
    groups = untold_differences(connection, VENUE.name)
    assert [(group.kind, group.count, group.first_at) for group in groups] == [
        ("differs", 2, moment(4)),
        ("missing_right", 1, moment(20)),
    ]
    assert untold_differences(connection, "another_venue") == []
    mark_differences_told(connection, groups, at=START + timedelta(days=1))
    assert untold_differences(connection, VENUE.name) == []
    store(connection, pair, torn(walk(30), 4, 7, 8))
    assert [group.first_at for group in untold_differences(connection, VENUE.name)] == [moment(8)]


def test_which_way_a_candle_came_and_what_the_stream_told_before(connection: Connection) -> None:
    instrument_id = seed_reference(connection)["BTCUSDT"]
    first = walk(30)
    load_frame(connection, first[:20], minutes(0, 20))
    connection.execute("UPDATE market.candle_1m SET source = 'stream'")
    connection.commit()
    told = first[:5].copy()
    told.loc[3, "volume"] += 1
    load_frame(connection, told, minutes(0, 5), path="b.parquet", content="b")
    ways = candle_sources(connection, M1, instrument_id, SPAN)
    assert len(ways) == 20
    assert ways[START_MS + 3 * 60_000] == "rest"
    assert ways[START_MS + 10 * 60_000] == "stream"
    before = replaced_candles(connection, M1, instrument_id, SPAN, "stream")
    assert before["open_time"].tolist() == [moment(3)]
    assert before["volume"].tolist() == [first["volume"][3]]
    assert replaced_candles(connection, M1, instrument_id, Span(0, 1), "stream").empty
