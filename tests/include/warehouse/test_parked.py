"""Rows of unknown symbols wait, and are loaded as if they had never waited."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from include.market.span import Span
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection, connect
from include.warehouse.ledger import coverage
from include.warehouse.parked import ParkedReceipt, retry_parked
from include.warehouse.reference import instrument_ids, rename_instrument, sync_instruments
from include.warehouse.rows import load_rows
from tests.support.loading import delivery, trades
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

STATES = "SELECT state, count(*) FROM ledger.quarantine GROUP BY 1 ORDER BY 1"


def learn(connection: Connection, symbol: str) -> int:
    """Let reference data arrive that knows ``symbol``; return its instrument."""
    sync_instruments(connection, VENUE, [instrument(symbol)], observed_at=START)
    connection.commit()
    return instrument_ids(connection, VENUE.name)[symbol]


def retry(connection: Connection) -> ParkedReceipt:
    connection.commit()
    return retry_parked(connection, run_id="retry")


def test_waiting_candles_are_loaded_with_all_that_a_load_writes(connection: Connection) -> None:
    seed_reference(connection)
    frame = walk(60).drop(index=[7, 8])
    parked = load_frame(connection, frame, minutes(0, 60), symbol="NEWUSDT")
    assert (parked.inserted, parked.quarantined) == (0, 58)
    assert retry(connection) == ParkedReceipt()
    new = learn(connection, "NEWUSDT")
    assert retry(connection) == ParkedReceipt(58, inserted=58)
    read = read_candles(connection, M1, new, minutes(0, 60))
    pd.testing.assert_frame_equal(read, frame.reset_index(drop=True))
    connection.commit()
    assert coverage(connection, "candle_1m", new) == [minutes(0, 7), minutes(9, 60)]
    assert query(connection, "SELECT span_start, span_end, reason FROM ledger.gap") == [
        (moment(7), moment(9), "unknown")
    ]
    first, second = query(
        connection,
        "SELECT source, venue, symbol, span_start, span_end, observed_at, payload_sha256, rows_in "
        "FROM ledger.load ORDER BY load_id",
    )
    assert first == second
    [(load_id, attempts)] = query(
        connection,
        "SELECT DISTINCT released_load_id, attempts FROM ledger.quarantine "
        "WHERE state = 'released' AND released_at IS NOT NULL",
    )
    assert query(
        connection, "SELECT DISTINCT load_id, run_id FROM ledger.change JOIN ledger.load USING "
        "(load_id)"
    ) == [(load_id, "retry")]  # fmt: skip
    assert attempts == 1
    assert retry(connection) == ParkedReceipt()
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(2,)]


def test_a_row_that_waited_wins_no_more_than_if_it_had_not(connection: Connection) -> None:
    seed_reference(connection)
    early = load_frame(connection, candles([0], price=1), minutes(0, 1), path="a", symbol="N")
    late = load_frame(connection, candles([0], price=2), minutes(0, 1), path="b", symbol="N")
    assert (early.quarantined, late.quarantined) == (1, 1)
    new = learn(connection, "N")
    assert retry(connection) == ParkedReceipt(2, inserted=1, updated=1)
    assert read_candles(connection, M1, new, minutes(0, 1))["close"].tolist() == [2.0]


def test_a_newer_value_that_came_meanwhile_stands(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([0], price=1), minutes(0, 1), path="a", symbol="N")
    new = learn(connection, "N")
    load_frame(connection, candles([0], price=2), minutes(0, 1), path="b", symbol="N")
    assert retry(connection) == ParkedReceipt(1, quarantined=1)
    assert read_candles(connection, M1, new, minutes(0, 1))["close"].tolist() == [2.0]
    assert query(
        connection, "SELECT rule, state FROM ledger.quarantine ORDER BY quarantine_id"
    ) == [("unknown_instrument", "released"), ("superseded", "final")]


def test_rows_of_any_table_wait_and_only_those_that_mean_something_are_taken(
    connection: Connection,
) -> None:
    ids = seed_reference(connection)
    values = [float.fromhex("0x1.921fb54442d18p+1"), 1e-12, 1e12]
    frame = trades([1, 2, 3], symbol="NEWUSDT", price=values)
    other = trades([1], symbol="OTHER")
    load_rows(connection, "market.trade", pd.concat([frame, other], ignore_index=True), delivery())
    rename_instrument(connection, VENUE.name, old="ETHUSDT", new="NEWUSDT", renamed_at=moment(2))
    assert retry(connection) == ParkedReceipt(2, inserted=2)
    assert query(
        connection, "SELECT instrument_id, trade_id, price, source FROM market.trade ORDER BY 2"
    ) == [(ids["ETHUSDT"], 2, values[1], "rest"), (ids["ETHUSDT"], 3, values[2], "rest")]
    assert query(connection, STATES) == [("released", 2), ("waiting", 2)]
    assert retry(connection) == ParkedReceipt()
    assert query(
        connection, "SELECT symbol, attempts FROM ledger.quarantine WHERE state = 'waiting' "
        "ORDER BY 1"
    ) == [("NEWUSDT", 1), ("OTHER", 0)]  # fmt: skip


def test_rows_that_can_never_mean_anything_do_not_wait(connection: Connection) -> None:
    seed_reference(connection)
    frame = trades([1, 2]).astype(object)
    frame.loc[0, "symbol"] = None
    frame.loc[1, "trade_time"] = None
    load_rows(connection, "market.trade", frame, delivery())
    assert query(connection, STATES) == [("final", 2)]


def test_a_listing_that_came_later_lets_the_instrument_in(
    connection: Connection, loader_dsn: str
) -> None:
    seed_reference(connection)
    load_rows(connection, "market.trade", trades([1], symbol="SOLUSDT"), delivery())
    query(
        connection,
        "INSERT INTO market.listing (venue_id, symbol, base_asset, quote_asset, kind, status, "
        "tick_size, lot_size, listed_at, observed_at) VALUES "
        "(1, 'SOLUSDT', 'SOL', 'USDT', 'spot', 'TRADING', '0.01', '0.1', %s, %s) RETURNING 1",
        START,
        START,
    )
    with connect(loader_dsn, application="test") as loader:
        assert retry(loader) == ParkedReceipt(1, inserted=1)


def test_two_sessions_release_each_row_once(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    seed_reference(connection)
    for path in "abc":
        load_frame(connection, walk(500), minutes(0, 500), path=path, symbol="NEWUSDT")
    new = learn(connection, "NEWUSDT")
    with ThreadPoolExecutor(3) as pool:
        tries = [pool.submit(retry_parked, dial(), run_id="retry") for _ in range(3)]
        receipts = [one.result() for one in tries]
    assert sum(receipt.released for receipt in receipts) == 1500
    assert sum(receipt.inserted for receipt in receipts) == 500
    assert len(read_candles(connection, M1, new, minutes(0, 500))) == 500


def test_a_release_that_is_cut_off_leaves_the_rows_waiting(
    connection: Connection, dial: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.market.errors import RetryableError
    from include.warehouse import parked

    seed_reference(connection)
    load_frame(connection, walk(50), minutes(0, 50), symbol="NEWUSDT")
    new = learn(connection, "NEWUSDT")
    victim = dial()
    genuine = parked.merge_told

    def killed_after(*arguments: object) -> object:
        receipt = genuine(*arguments)  # type: ignore[arg-type]
        query(connection, "SELECT pg_terminate_backend(%s, 5000)", victim.info.backend_pid)
        return receipt

    with monkeypatch.context() as patch:
        patch.setattr(parked, "merge_told", killed_after)
        with pytest.raises(RetryableError, match="release of waiting rows"):
            retry_parked(victim, run_id="retry")
    assert query(connection, STATES) == [("waiting", 50)]
    assert retry(connection) == ParkedReceipt(50, inserted=50)
    assert len(read_candles(connection, M1, new, Span(0, 2**42))) == 50
