"""Flags of candles travel with their values, whichever way a candle comes and is read."""

from __future__ import annotations

import json

import pandas as pd
import psycopg
import pytest

from include.market.candle import FOREIGN, PARTIAL, SNAPPED, TRUNCATED
from include.market.timeframe import M1, M5
from include.warehouse.candles import read_candles, read_candles_as_of
from include.warehouse.engine import Connection, connect
from include.warehouse.loader import merge_coarse
from include.warehouse.merge import LoadReceipt
from include.warehouse.migrate import downgrade, upgrade
from include.warehouse.parked import retry_parked
from include.warehouse.reference import instrument_ids, sync_instruments
from tests.support.bulk import WEEK, land, load_together, member
from tests.support.warehouse import (
    START,
    VENUE,
    candles,
    instrument,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
)

FLAGGED = (1, SNAPPED), (4, TRUNCATED), (5, SNAPPED | TRUNCATED | FOREIGN)


def flagged(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    for place, flags in FLAGGED:
        frame.loc[place, "flags"] = flags
    return frame


def totals(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)


def test_flags_are_read_as_they_were_loaded(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = flagged(walk(60))
    load_frame(connection, frame, minutes(0, 60))
    read = read_candles(connection, M1, ids["BTCUSDT"], minutes(0, 60))
    pd.testing.assert_frame_equal(read, frame, check_exact=True)
    view = (
        "SELECT extract(minute FROM open_time)::integer, flags FROM {} WHERE flags <> 0 ORDER BY 1"
    )
    for relation in (
        "market.candle",
        "market.candle_as_of('1m', now())",
        f"market.filled_candle_1m({ids['BTCUSDT']}, '2020-01-01', '2030-01-01')",
        f"market.adjusted_candle('1m', {ids['BTCUSDT']}, tstzrange('2020-01-01', '2030-01-01'))",
    ):
        assert query(connection, view.format(relation)) == list(FLAGGED)


def test_a_frame_without_the_column_has_no_flags(connection: Connection) -> None:
    ids = seed_reference(connection)
    load_frame(connection, walk(60).drop(columns="flags"), minutes(0, 60))
    read = read_candles(connection, M1, ids["BTCUSDT"], minutes(0, 60))
    assert read["flags"].eq(0).all()
    # And says so again: nothing differs from what is stored.
    again = load_frame(connection, walk(60), minutes(0, 60), path="again")
    assert totals(again) == (0, 0, 60, 0)


def test_other_flags_are_another_value_and_the_former_is_kept(connection: Connection) -> None:
    ids = seed_reference(connection)
    load_frame(connection, walk(60), minutes(0, 60), path="a")
    before = query(connection, "SELECT clock_timestamp()")[0][0]
    assert totals(load_frame(connection, flagged(walk(60)), minutes(0, 60), path="b")) == (
        0, 3, 57, 0,
    )  # fmt: skip
    kept = query(connection, "SELECT revision, flags FROM market.candle_revision")
    assert kept == [(1, 0)] * 3
    now = read_candles(connection, M1, ids["BTCUSDT"], minutes(0, 60))
    assert now["flags"].sum() == sum(flags for _, flags in FLAGGED)
    then = read_candles_as_of(connection, M1, ids["BTCUSDT"], minutes(0, 60), at=before)
    assert then["flags"].sum() == 0


def test_flags_survive_beside_the_largest_and_the_absent_count(connection: Connection) -> None:
    ids = seed_reference(connection)
    # Both travel in one number.
    frame = candles([0, 1, 2])
    frame["flags"] = [SNAPPED, 0, TRUNCATED]
    frame["trade_count"] = [10**12, 10**12, 0]
    load_frame(connection, frame, minutes(0, 3), path="a")
    absent = candles([3, 4]).assign(trade_count=-1, flags=[SNAPPED | TRUNCATED, 0])
    load_frame(connection, absent, minutes(3, 5), path="b")
    read = read_candles(connection, M1, ids["BTCUSDT"], minutes(0, 5))
    assert read["trade_count"].tolist() == [10**12, 10**12, 0, -1, -1]
    assert read["flags"].tolist() == [1, 0, 2, 3, 0]


@pytest.mark.parametrize("flags", [PARTIAL, PARTIAL | FOREIGN])
def test_a_minute_that_claims_to_lack_children_is_refused_alone(
    connection: Connection, flags: int
) -> None:
    seed_reference(connection)
    frame = walk(60)
    frame.loc[7, "flags"] = flags
    assert totals(load_frame(connection, frame, minutes(0, 60))) == (59, 0, 0, 1)
    assert query(connection, "SELECT rule, payload->'flags' FROM ledger.quarantine") == [
        ("candle_flags", flags)
    ]


def test_coarse_candles_bear_flags(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = candles([0, 1], timeframe=M5).assign(
        instrument_id=ids["BTCUSDT"], children_present=[5, 4], children_expected=5,
        flags=[SNAPPED, PARTIAL],
    )  # fmt: skip
    merge_coarse(connection, M5, frame, run_id="test")
    stored = query(connection, "SELECT flags FROM market.candle_5m ORDER BY open_time")
    assert stored == [(SNAPPED,), (PARTIAL,)]


def test_a_month_loaded_together_keeps_flags(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = flagged(walk(WEEK))
    receipts = load_together(
        connection, member(connection, land(connection, minutes(0, WEEK)), frame)
    )
    assert [totals(one) for one in receipts.values()] == [(WEEK, 0, 0, 0)]
    read = read_candles(connection, M1, ids["BTCUSDT"], minutes(0, WEEK))
    pd.testing.assert_frame_equal(read, frame, check_exact=True)


def test_rows_that_waited_since_before_there_were_flags_have_none(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(3), minutes(0, 3), symbol="NEWUSDT")
    # As they were parked then.
    connection.execute("UPDATE ledger.quarantine SET payload = payload - 'flags'")
    connection.commit()
    sync_instruments(connection, VENUE, [instrument("NEWUSDT")], observed_at=START)
    connection.commit()
    assert retry_parked(connection, run_id="retry").inserted == 3
    new = instrument_ids(connection, VENUE.name)["NEWUSDT"]
    connection.commit()
    assert read_candles(connection, M1, new, minutes(0, 3))["flags"].tolist() == [0, 0, 0]


ROWS = """
    INSERT INTO market.candle_1m (
        instrument_id, open_time, open, high, low, close, volume, trade_count, source, load_id,
        recorded_at
    )
    SELECT %s, minute, 1, 2, 1, 2, 3, 4, 'rest', %s, now()
    FROM generate_series(%s::timestamptz, %s, '1 hour') AS minute
"""
COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
    "AND NOT attisdropped ORDER BY attnum"
)


def test_a_warehouse_in_use_gets_the_column_and_keeps_every_row(empty_dsn: str) -> None:
    upgrade(empty_dsn, "0016")
    with psycopg.connect(empty_dsn) as connection:
        ids = seed_reference(connection)
        load_id = query(
            connection,
            "INSERT INTO ledger.load (dataset, source, run_id, span_start, span_end, rows_in, "
            "rows_inserted, rows_updated, rows_unchanged, rows_quarantined, observed_at) "
            "VALUES ('candle_1m', 'rest', 'test', '2024-01-01', '2024-03-01', 0, 0, 0, 0, 0, "
            "now()) "
            "RETURNING load_id",
        )[0][0]
        connection.execute(
            "SELECT market.ensure_partitions('market.candle_1m', '2024-01-01', '2024-03-01')"
        )
        connection.execute(ROWS, (ids["BTCUSDT"], load_id, moment(0), moment(59 * 24 * 60)))
    rows = (
        "SELECT md5(string_agg(c::text, ',' ORDER BY open_time)), count(*) FROM "
        "(SELECT instrument_id, open_time, open, close, source, load_id, recorded_at "
        "FROM market.candle_1m) AS c"
    )
    months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'market.candle_1m'::regclass"
    foreign = (
        "SELECT count(*), bool_and(convalidated) FROM pg_constraint "
        "WHERE conrelid = 'market.candle_1m_2024_02'::regclass AND contype = 'f'"
    )
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        before = [query(connection, text) for text in (rows, months, foreign)]
        assert before[0][0][1] == 59 * 24 + 1
        upgrade(empty_dsn, "0017")
        assert [query(connection, text) for text in (rows, months, foreign)] == before
        columns = [name for (name,) in connection.execute(COLUMNS, ("market.candle_1m",))]
        assert columns[-5:] == ["flags", "source", "revision", "load_id", "recorded_at"]
        assert query(connection, "SELECT DISTINCT flags FROM market.candle_1m") == [(0,)]
        # What hung on the table before hangs on it again.
        connection.execute("SELECT * FROM market.incomplete_candle")
        lineage = "SELECT count(*) FROM market.candle_lineage('1m', %s, %s)"
        assert connection.execute(lineage, (ids["BTCUSDT"], moment(0))).fetchone() == (1,)
        leftovers = "SELECT relname FROM pg_class WHERE relname ~ '_(former|head|tail)'"
        assert query(connection, leftovers) == []
        downgrade(empty_dsn, "0016")
        assert [query(connection, text) for text in (rows, months, foreign)] == before
        upgrade(empty_dsn)


@pytest.mark.parametrize("flags", [-1, 32, 32767])
def test_no_other_flags_can_be_stored(connection: Connection, flags: int) -> None:
    ids = seed_reference(connection)
    frame = candles([0], timeframe=M5).assign(
        instrument_id=ids["BTCUSDT"], children_present=5, children_expected=5, flags=flags
    )
    with pytest.raises(Exception, match="candle_flags"):
        merge_coarse(connection, M5, frame, run_id=json.dumps(flags))


def test_foreign_minutes_are_no_part_of_a_warehouse_before_there_were_any(
    empty_dsn: str,
) -> None:
    upgrade(empty_dsn, "0024")
    told = "SELECT told_at IS NOT NULL FROM ledger.schema_drift ORDER BY field"
    drift = "INSERT INTO ledger.schema_drift (venue, endpoint, field, kind) VALUES "
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(drift + "('v', '/x', 'a', 'added')")
        upgrade(empty_dsn, "0025")
        connection.execute(drift + "('v', '/x', 'b', 'added')")
        assert query(connection, told) == [(True,), (False,)], "what is old is no news"
        frame = walk(60)
        frame.loc[7, "flags"] = FOREIGN
        with connect(empty_dsn, application="test") as owner:
            seed_reference(owner)
            load_frame(owner, frame, minutes(0, 60))
        with pytest.raises(Exception, match="candle_flags"):
            downgrade(empty_dsn, "0024")
        connection.execute("DELETE FROM market.candle_1m")
        downgrade(empty_dsn, "0024")
        ranks = "SELECT count(*) FROM market.source WHERE name = 'second_venue'"
        assert query(connection, ranks) == [(0,)]
        upgrade(empty_dsn)
        assert query(connection, ranks) == [(1,)]
