"""What a load stores, keeps, counts and tells."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from include.market.candle import OPTIONAL_COLUMNS, VALUE_COLUMNS
from include.market.span import Span
from include.market.timeframe import M1
from include.warehouse.candles import read_candles, read_candles_as_of
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import get_landing
from include.warehouse.ledger import coverage
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from include.warehouse.reference import rename_instrument
from tests.support.warehouse import (
    START,
    VENUE,
    candles,
    checked_landing,
    load_frame,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
    without,
)

DAY = minutes(0, 1440)
CHANGES = "SELECT span_start, span_end, reason, load_id FROM ledger.change ORDER BY change_id"
QUARANTINE = (
    "SELECT open_time, rule, payload ->> 'close', load_id FROM ledger.quarantine ORDER BY 1"
)


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined)


def read_all(connection: Connection, instrument_id: int = 1) -> pd.DataFrame:
    frame = read_candles(connection, M1, instrument_id, Span(0, DAY.end_ms * 2))
    connection.commit()
    return frame


def closes(connection: Connection) -> dict[int, float]:
    frame = read_all(connection)
    places = (frame["open_time"] - pd.Timestamp(START)) // pd.Timedelta(minutes=1)
    return dict(zip(places.tolist(), frame["close"].tolist(), strict=True))


def test_what_was_loaded_is_read_back_bit_for_bit(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = walk(1440)
    receipt = load_frame(connection, frame.sample(frac=1, random_state=1), DAY)
    assert counts(receipt) == (1440, 0, 0, 0)
    pd.testing.assert_frame_equal(read_all(connection, ids["BTCUSDT"]), frame, check_exact=True)
    assert read_all(connection, ids["ETHUSDT"]).empty


def test_a_load_writes_its_receipt_one_change_its_coverage_and_the_landing(
    connection: Connection,
) -> None:
    ids = seed_reference(connection)
    landing = checked_landing(connection, DAY, path="a")
    token = take_fence(connection, load_scope(landing))
    receipt = load_candles(
        connection, landing, walk(1440), source="archive", run_id="run 7", fencing_token=token
    )
    assert query(
        connection,
        "SELECT load_id, dataset, venue, symbol, source, run_id, span_start, span_end, rows_in, "
        "rows_inserted, rows_updated, rows_unchanged, rows_quarantined, payload_sha256, "
        "fencing_token, observed_at FROM ledger.load",
    ) == [
        (receipt.load_id, "candle_1m", VENUE.name, "BTCUSDT", "archive", "run 7", DAY.start_time,
         DAY.end_time, 1440, 1440, 0, 0, 0, landing.payload_sha256, token, landing.landed_at)
    ]  # fmt: skip
    assert query(connection, CHANGES) == [(DAY.start_time, DAY.end_time, "new", receipt.load_id)]
    assert coverage(connection, "candle_1m", ids["BTCUSDT"]) == [DAY]
    assert get_landing(connection, landing.landing_id).state == "loaded"
    assert query(connection, "SELECT load_id FROM ledger.landing") == [(receipt.load_id,)]
    assert query(connection, "SELECT DISTINCT source, revision FROM market.candle_1m") == [
        ("archive", 1)
    ]


def test_loading_the_same_again_writes_nothing_to_the_candles_and_tells_nobody(
    connection: Connection,
) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, DAY, path="a")
    load_landing(connection, landing, walk(1440))
    traces = "SELECT ctid, xmin, xmax, * FROM market.candle_1m ORDER BY open_time"
    stored, changes = query(connection, traces), query(connection, CHANGES)
    assert counts(load_landing(connection, landing, walk(1440))) == (0, 0, 1440, 0)
    assert counts(load_frame(connection, walk(1440), DAY, path="b")) == (0, 0, 1440, 0)
    assert query(connection, traces) == stored
    assert query(connection, CHANGES) == changes
    assert query(connection, "SELECT FROM market.candle_revision") == []
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(3,)]


def test_loading_absent_columns_again_writes_nothing_either(connection: Connection) -> None:
    seed_reference(connection)
    frame = without(walk(1440), *OPTIONAL_COLUMNS)
    load_frame(connection, frame, DAY, path="a")
    traces = "SELECT ctid, xmin, xmax, * FROM market.candle_1m ORDER BY open_time"
    stored, changes = query(connection, traces), query(connection, CHANGES)
    twice = pd.concat([frame, frame.tail(5)], ignore_index=True)
    assert counts(load_frame(connection, twice, DAY, path="b")) == (0, 0, 1445, 0)
    assert query(connection, traces) == stored
    assert query(connection, CHANGES) == changes
    assert query(connection, "SELECT FROM market.candle_revision") == []


@pytest.mark.parametrize("column", OPTIONAL_COLUMNS)
def test_a_value_that_comes_or_goes_is_a_revision_and_what_stood_is_kept(
    connection: Connection, column: str
) -> None:
    seed_reference(connection)
    full, poor = candles(range(3)), without(candles(range(3)), column)
    for path, frame in (("a", poor), ("b", full), ("c", poor)):
        load_frame(connection, frame, minutes(0, 3), path=path)
        pd.testing.assert_frame_equal(read_all(connection), frame)
    kept = query(connection, f"SELECT DISTINCT revision, {column} FROM market.candle_revision")
    assert sorted(kept) == [(1, None), (2, full[column].tolist()[0])]


def test_refused_rows_are_kept_with_null_for_what_they_lack(connection: Connection) -> None:
    seed_reference(connection)
    frame = without(candles([0, 1, 1, 2], price=[1, 2, 3, 4]), "quote_volume", "trade_count")
    receipt = load_frame(connection, frame, minutes(0, 2))
    assert counts(receipt) == (2, 0, 0, 2)
    payloads = query(connection, "SELECT rule, payload FROM ledger.quarantine ORDER BY rule")
    assert [rule for rule, _ in payloads] == ["duplicate_key", "outside_span"]
    assert [row["close"] for _, row in payloads] == [2, 4]
    assert {row["quote_volume"] for _, row in payloads} == {None}
    assert {row["trade_count"] for _, row in payloads} == {None}


@pytest.mark.parametrize("column", VALUE_COLUMNS)
def test_a_change_of_any_value_is_a_revision(connection: Connection, column: str) -> None:
    seed_reference(connection)
    before = candles(range(5))
    before["low"] -= 50
    before["high"] += 50
    load_frame(connection, before, minutes(0, 5), path="a")
    after = before.copy()
    after[column] += [0, 0, 0, 1, 0]
    receipt = load_frame(connection, after, minutes(0, 5), path="b")
    assert counts(receipt) == (0, 1, 4, 0)
    pd.testing.assert_frame_equal(read_all(connection), after)
    kept = query(connection, f"SELECT open_time, revision, {column} FROM market.candle_revision")
    assert kept == [(moment(3), 1, before[column].tolist()[3])]
    assert query(connection, "SELECT open_time FROM market.candle_1m WHERE revision = 2") == [
        (moment(3),)
    ]


def test_the_replaced_row_is_kept_whole_with_the_time_it_stood(connection: Connection) -> None:
    seed_reference(connection)
    first = load_frame(connection, candles([0], price=100), minutes(0, 1), path="a")
    [(stood_from,)] = query(connection, "SELECT recorded_at FROM market.candle_1m")
    load_frame(connection, candles([0], price=101), minutes(0, 1), path="b")
    [(stands_from, revision)] = query(
        connection, "SELECT recorded_at, revision FROM market.candle_1m"
    )
    assert revision == 2
    [kept] = query(
        connection,
        f"SELECT timeframe, instrument_id, open_time, revision, {', '.join(VALUE_COLUMNS)}, "
        "children_present, source, load_id, lower(recorded_during), upper(recorded_during) "
        "FROM market.candle_revision",
    )
    assert kept == (
        "1m", 1, moment(0), 1, *[100.0] * 8, 7, None, "rest", first.load_id,
        stood_from, stands_from,
    )  # fmt: skip


def test_what_was_known_at_an_instant_can_be_asked_for(connection: Connection) -> None:
    seed_reference(connection)
    instants = []
    for price in (100, 101, 102):
        load_frame(connection, candles([0, 1], price=[price, 50]), minutes(0, 2), path=str(price))
        [(instant,)] = query(
            connection, "SELECT recorded_at FROM market.candle_1m WHERE open_time = %s", moment(0)
        )
        instants.append(instant)
    just = timedelta(microseconds=1)
    asked = [instants[0] - just, instants[0], instants[1] - just, instants[1], instants[2]]
    known = [
        read_candles_as_of(connection, M1, 1, minutes(0, 2), at=instant)["close"].tolist()
        for instant in asked
    ]
    assert known == [[], [100, 50], [100, 50], [101, 50], [102, 50]]
    assert read_candles_as_of(connection, M1, 2, minutes(0, 2), at=instants[2]).empty


def test_changes_are_told_per_contiguous_run_and_reason(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([2, 3, 4, 6]), minutes(0, 10), path="a")
    query(connection, "DELETE FROM ledger.change RETURNING 1")
    load_frame(
        connection,
        candles([*range(8), 10], price=[100, 100, 100, 105, 105, 100, 105, 100, 100]),
        minutes(0, 12),
        path="b",
    )
    told = [(start, end, reason) for start, end, reason, _ in query(connection, CHANGES)]
    assert sorted(told) == [
        (moment(0), moment(2), "repaired"),
        (moment(3), moment(5), "revised"),
        (moment(5), moment(6), "repaired"),
        (moment(6), moment(7), "revised"),
        (moment(7), moment(8), "repaired"),
        (moment(10), moment(11), "new"),
    ]


def test_of_rows_with_one_key_the_last_counts_and_those_that_differ_are_quarantined(
    connection: Connection,
) -> None:
    seed_reference(connection)
    frame = candles([0, 1, 0, 0, 1, 0], price=[10, 20, 11, 12, 20, 12])
    receipt = load_frame(connection, frame, minutes(0, 2))
    assert closes(connection) == {0: 12, 1: 20}
    # Row 3 (12) and row 1 (20) only repeat the row that counts.
    assert counts(receipt) == (2, 0, 2, 2)
    assert query(connection, QUARANTINE) == [
        (moment(0), "duplicate_key", "10", receipt.load_id),
        (moment(0), "duplicate_key", "11", receipt.load_id),
    ]


def test_rows_outside_the_span_are_quarantined(connection: Connection) -> None:
    ids = seed_reference(connection)
    receipt = load_frame(connection, candles([0, 1, 2, 3]), minutes(1, 3))
    assert counts(receipt) == (2, 0, 0, 2)
    assert [row[:2] for row in query(connection, QUARANTINE)] == [
        (moment(0), "outside_span"),
        (moment(3), "outside_span"),
    ]
    assert coverage(connection, "candle_1m", ids["BTCUSDT"]) == [minutes(1, 3)]


def test_rows_of_a_symbol_nobody_knows_are_quarantined_whole(connection: Connection) -> None:
    seed_reference(connection)
    receipt = load_frame(connection, candles([0, 1]), minutes(0, 2), symbol="NEWUSDT")
    assert counts(receipt) == (0, 0, 0, 2)
    [(detail, symbol, payload)] = query(
        connection,
        "SELECT DISTINCT detail, symbol, payload - 'open_time' FROM ledger.quarantine "
        "WHERE rule = 'unknown_instrument'",
    )
    assert "NEWUSDT" in detail
    assert symbol == "NEWUSDT"
    assert {name: payload[name] for name in VALUE_COLUMNS} == dict.fromkeys(VALUE_COLUMNS, 100) | {
        "trade_count": 7
    }
    assert query(connection, "SELECT FROM ledger.coverage") == []


def test_a_row_goes_to_the_instrument_its_symbol_meant_at_its_time(connection: Connection) -> None:
    ids = seed_reference(connection)
    # ETHUSDT is renamed to NEWUSDT at minute 2; nothing was called NEWUSDT before.
    rename_instrument(connection, VENUE.name, old="ETHUSDT", new="NEWUSDT", renamed_at=moment(2))
    connection.commit()
    old = load_frame(connection, candles(range(4)), minutes(0, 4), path="a", symbol="ETHUSDT")
    new = load_frame(connection, candles(range(4)), minutes(0, 4), path="b", symbol="NEWUSDT")
    assert (counts(old), counts(new)) == ((2, 0, 0, 2), (2, 0, 0, 2))
    assert len(read_all(connection, ids["ETHUSDT"])) == 4
    assert coverage(connection, "candle_1m", ids["ETHUSDT"]) == [minutes(0, 4)]
    assert query(connection, "SELECT DISTINCT rule FROM ledger.quarantine") == [
        ("unknown_instrument",)
    ]


def test_an_absence_that_becomes_explained_is_told_as_a_change(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0, 2]), minutes(0, 3), path="a")
    query(connection, "DELETE FROM ledger.change RETURNING 1")
    load_frame(
        connection, candles([0, 2]), minutes(0, 3), path="b", gaps=[Gap(minutes(1, 2), "outage")]
    )
    assert [row[:3] for row in query(connection, CHANGES)] == [(moment(1), moment(2), "new")]
