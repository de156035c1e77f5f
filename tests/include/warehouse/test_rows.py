"""Rows of any declared table: references resolved, merged by rule, refused one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import Table

from include.market.errors import ContractError, InvalidInputError, StaleFenceError
from include.warehouse.engine import Connection, connect
from include.warehouse.fence import take_fence
from include.warehouse.merge import LoadReceipt
from include.warehouse.reference import rename_instrument
from include.warehouse.rows import load_rows
from include.warehouse.tables import METADATA
from tests.support.loading import (
    QUARANTINED,
    create_open_interest,
    delivery,
    rates,
    times,
    trades,
)
from tests.support.warehouse import START, VENUE, candles, minutes, moment, query, seed_reference


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined


@pytest.fixture
def open_interest(connection: Connection) -> Iterator[Table]:
    table = create_open_interest(connection)
    yield table
    METADATA.remove(table)


def interest(places: list[int], **changes: Any) -> pd.DataFrame:
    columns = {"symbol": "BTCUSDT", "observed_time": pd.to_datetime(times(places), utc=True)}
    return pd.DataFrame({**columns, "contracts": 5.0, **changes})


def test_trades_are_stored_once_told_as_one_change_per_load_and_receipted(
    connection: Connection,
) -> None:
    ids = seed_reference(connection)
    first = load_rows(connection, "market.trade", trades([3, 1, 2]), delivery())
    again = load_rows(connection, "market.trade", trades([2, 3, 4]), delivery())
    assert (counts(first), counts(again)) == ((3, 0, 0, 0), (1, 0, 2, 0))
    assert query(connection, "SELECT DISTINCT instrument_id, source, price FROM market.trade") == [
        (ids["BTCUSDT"], "rest", 100.0)
    ]
    told = query(
        connection,
        "SELECT dataset, instrument_id, span_start, reason, load_id FROM ledger.change ORDER BY 5",
    )
    assert told == [
        ("trade", ids["BTCUSDT"], moment(1), "new", first.load_id),
        ("trade", ids["BTCUSDT"], moment(4), "new", again.load_id),
    ]
    assert query(
        connection,
        "SELECT rows_in, rows_inserted, rows_unchanged, span_start, venue, observed_at "
        "FROM ledger.load WHERE load_id = %s",
        again.load_id,
    ) == [(3, 1, 2, moment(2), VENUE.name, moment(1000))]


def test_rows_of_many_instruments_and_months_arrive_together_in_arrow_or_pandas(
    connection: Connection,
) -> None:
    ids = seed_reference(connection)
    frame = pd.concat(
        [trades([0, 1, 50_000]), trades([0, 90_000], symbol="ETHUSDT")], ignore_index=True
    )
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert counts(load_rows(connection, "market.trade", table, delivery())) == (5, 0, 0, 0)
    assert counts(load_rows(connection, "market.trade", frame, delivery())) == (0, 0, 5, 0)
    assert query(
        connection, "SELECT instrument_id, count(*) FROM market.trade GROUP BY 1 ORDER BY 1"
    ) == [(ids["BTCUSDT"], 3), (ids["ETHUSDT"], 2)]
    assert query(
        connection, "SELECT relname FROM pg_class WHERE relname ~ '^trade_20' AND relkind = 'r' "
        "ORDER BY 1"
    ) == [("trade_2024_01",), ("trade_2024_02",), ("trade_2024_03",)]  # fmt: skip


def test_a_name_means_what_it_meant_at_the_time_of_the_row(connection: Connection) -> None:
    ids = seed_reference(connection)
    rename_instrument(connection, VENUE.name, old="ETHUSDT", new="NEWUSDT", renamed_at=moment(2))
    connection.commit()
    frame = pd.concat([trades([1, 3], symbol="ETHUSDT"), trades([1, 3], symbol="NEWUSDT")])
    receipt = load_rows(connection, "market.trade", frame.reset_index(drop=True), delivery())
    assert counts(receipt) == (2, 0, 0, 2)
    assert query(connection, "SELECT instrument_id, trade_time FROM market.trade ORDER BY 2") == [
        (ids["ETHUSDT"], moment(1)),
        (ids["ETHUSDT"], moment(3)),
    ]
    assert query(connection, QUARANTINED) == [
        ("unknown_instrument", "waiting", moment(3)),
        ("unknown_instrument", "waiting", moment(1)),
    ]


def test_names_are_spelled_as_their_venue_spells_them(connection: Connection) -> None:
    seed_reference(connection)
    assert counts(
        load_rows(connection, "market.trade", trades([1], symbol="btcusdt"), delivery())
    ) == (0, 0, 0, 1)
    query(connection, "UPDATE market.venue SET symbol_case = 'upper' RETURNING 1")
    assert counts(
        load_rows(connection, "market.trade", trades([1], symbol="btcusdt"), delivery())
    ) == (1, 0, 0, 0)


def test_foreign_keys_that_are_known_already_need_no_names(connection: Connection) -> None:
    ids = seed_reference(connection)
    frame = trades([1, 2]).drop(columns="symbol").assign(instrument_id=ids["ETHUSDT"])
    receipt = load_rows(connection, "market.trade", frame, delivery(venue=None))
    assert counts(receipt) == (2, 0, 0, 0)
    with pytest.raises(ContractError, match="instrument_id_fkey"):
        load_rows(connection, "market.trade", frame.assign(instrument_id=99), delivery())


def test_an_absent_mark_price_does_not_take_a_stated_one_away(connection: Connection) -> None:
    seed_reference(connection)
    at = delivery(symbol="BTCUSDT")
    load_rows(connection, "market.funding_rate", rates([0, 1], mark_price=50.0), at)
    receipt = load_rows(
        connection, "market.funding_rate", rates([0, 1, 2], rate=[0.0001, 0.0002, 0.0003]), at
    )
    silent = load_rows(connection, "market.funding_rate", rates([0], mark_price=[None]), at)
    assert (counts(receipt), counts(silent)) == ((1, 1, 1, 0), (0, 0, 1, 0))
    assert query(
        connection, "SELECT rate, mark_price, revision FROM market.funding_rate ORDER BY 1"
    ) == [(0.0001, 50.0, 1), (0.0002, 50.0, 2), (0.0003, None, 1)]


def test_reference_data_loads_the_same_way(connection: Connection) -> None:
    seed_reference(connection)
    at = delivery("reference", venue=None)
    venues = pd.DataFrame(
        {"name": ["a", VENUE.name], "title": "T", "kind": "spot", "session_calendar": "24/7"}
    )
    assert counts(load_rows(connection, "market.venue", venues, at)) == (1, 1, 0, 0)
    assert counts(load_rows(connection, "market.venue", venues, at)) == (0, 0, 2, 0)
    assets = pd.DataFrame({"code": ["BTC", "XRP", "a b"]})
    assert counts(load_rows(connection, "market.asset", assets, at)) == (1, 0, 1, 1)
    sessions = pd.DataFrame(
        {
            "venue": ["a", "nobody"],
            "opens_at": pd.to_datetime(times([0, 0]), utc=True),
            "closes_at": pd.to_datetime(times([9, 9]), utc=True),
        }
    )
    assert counts(load_rows(connection, "market.session", sessions, at)) == (1, 0, 0, 1)
    sessions["closes_at"] = pd.to_datetime(times([8, 8]), utc=True)
    assert counts(load_rows(connection, "market.session", sessions[:1], at)) == (0, 1, 0, 0)
    gains = pd.DataFrame(
        {
            "venue": "a", "opens_at": pd.to_datetime(times([0, 5]), utc=True), "instrument_id": 1,
            "open_price": 1.0, "close_price": 2.0, "log_return": 0.7, "candles_present": 3,
            "candles_expected": 8,
        }
    )  # fmt: skip
    assert counts(load_rows(connection, "market.session_return", gains, at)) == (1, 0, 0, 1)
    assert [row[0] for row in query(connection, QUARANTINED)] == [
        "asset_code",
        "unknown_venue",
        "unknown_session",
    ]


def test_a_table_of_ones_own_is_resolved_merged_quarantined_and_receipted(
    connection: Connection, open_interest: Table
) -> None:
    ids = seed_reference(connection)
    frame = interest(
        [0, 1, 2, 2, 3],
        contracts_high=[7.0, 7.0, 7.0, 7.0, 7.0],
        holders=pd.array([3, None, 3, 3, 3], dtype="Int64"),
        note=["first", None, "x", "x", "far too long to be a note"],
        margin_asset=["USDT", "NEW", None, None, "USDT"],
    )
    frame.loc[2, "contracts"] = 6.0
    first = load_rows(connection, "market.open_interest", frame, delivery())
    assert counts(first) == (3, 0, 0, 2)
    later = interest(
        [0, 1, 2],
        contracts=[5.0, 5.5, 5.0],
        contracts_high=[6.0, 8.0, None],
        holders=pd.array([None, 4, None], dtype="Int64"),
        note=["second", "second", None],
        margin_asset=["USDT", "NEW", None],
    )
    receipt = load_rows(connection, open_interest, later, delivery(observed_at=moment(2000)))
    assert counts(receipt) == (0, 1, 2, 0)
    stored = query(
        connection,
        "SELECT o.instrument_id, contracts, contracts_high, holders, note, code, revision "
        "FROM market.open_interest AS o LEFT JOIN market.asset ON asset_id = margin_asset_id "
        "ORDER BY observed_time",
    )
    bitcoin = ids["BTCUSDT"]
    assert stored == [
        (bitcoin, 5.0, 7.0, 3, "first", "USDT", 1),
        (bitcoin, 5.5, 8.0, 4, "second", "NEW", 2),
        (bitcoin, 5.0, 7.0, 3, "x", None, 1),
    ]
    assert query(connection, QUARANTINED) == [
        ("duplicate_key", "final", moment(2)),
        ("open_interest_note", "final", moment(3)),
    ]
    assert query(
        connection, "SELECT dataset, reason, count(*) FROM ledger.change GROUP BY 1, 2 ORDER BY 2"
    ) == [("open_interest", "new", 1), ("open_interest", "revised", 1)]


def test_types_that_are_sent_as_text_are_read_by_the_server(
    connection: Connection, open_interest: Table
) -> None:
    seed_reference(connection)
    ticks = [Decimal("0.00000001"), "1e-30", None, "a lot", "9" * 5000, float("nan"), 0.1]
    frame = interest(list(range(7)), tick=pd.Series(ticks, dtype=object))
    receipt = load_rows(connection, open_interest, frame, delivery())
    assert counts(receipt) == (5, 0, 0, 2)
    assert query(
        connection, "SELECT tick::text FROM market.open_interest ORDER BY observed_time"
    ) == [("0.00000001",), ("0." + "0" * 29 + "1",), (None,), (None,), ("0.1",)]
    assert query(
        connection, "SELECT rule, payload ->> 'tick' FROM ledger.quarantine ORDER BY 1"
    ) == [("open_interest_tick", "9" * 5000), ("tick_unreadable", "a lot")]


def test_candles_are_rows_like_others_and_keep_their_revisions(connection: Connection) -> None:
    seed_reference(connection)
    frame = candles([0, 1, 3], price=5.0).assign(symbol="BTCUSDT")
    later = frame.assign(high=[6.0, 5.0, 5.0])
    receipts = [
        counts(load_rows(connection, "market.candle_1m", rows, delivery(observed_at=moment(at))))
        for at, rows in ((1000, frame), (2000, later))
    ]
    assert receipts == [(3, 0, 0, 0), (0, 1, 2, 0)]
    assert query(
        connection, "SELECT timeframe, open_time, revision, high FROM market.candle_revision"
    ) == [("1m", moment(0), 1, 5.0)]
    assert query(
        connection, "SELECT span_start, span_end, reason FROM ledger.change ORDER BY change_id"
    ) == [
        (moment(0), moment(2), "new"), (moment(3), moment(4), "new"),
        (moment(0), moment(1), "revised"),
    ]  # fmt: skip


def test_rows_outside_the_span_a_delivery_speaks_for_are_quarantined(
    connection: Connection,
) -> None:
    seed_reference(connection)
    receipt = load_rows(
        connection, "market.trade", trades([0, 1, 2, 3]), delivery(span=minutes(1, 3))
    )
    assert counts(receipt) == (2, 0, 0, 2)
    assert query(connection, QUARANTINED) == [
        ("outside_span", "final", moment(0)),
        ("outside_span", "final", moment(3)),
    ]


@pytest.mark.parametrize(
    ("table", "frame", "message"),
    [
        ("market.trade", trades([1]).drop(columns="price"), "lack price"),
        ("market.trade", trades([1]).drop(columns="trade_time"), "lack trade_time"),
        ("market.trade", trades([1]).drop(columns="symbol"), "lack symbol"),
        ("market.trade", trades([1]).assign(colour="red"), "have colour"),
        (
            "market.trade",
            trades([1]).assign(trade_time=pd.to_datetime(["2024-01-01"])),
            "trade_time: expected times with a time zone",
        ),
    ],
)
def test_rows_of_another_shape_are_refused_before_anything_is_sent(
    connection: Connection, table: str, frame: pd.DataFrame, message: str
) -> None:
    seed_reference(connection)
    with pytest.raises(ContractError, match=message):
        load_rows(connection, table, frame, delivery())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("market.nothing", "market.nothing is not declared"),
        (
            "market.instrument_alias",
            "market.instrument_alias is not loaded by rows: reference.sync_instruments",
        ),
        ("ledger.load", "the loader itself"),
    ],
)
def test_only_declared_tables_that_rows_make_up_are_loaded(
    connection: Connection, table: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_rows(connection, table, trades([1]), delivery())


def test_no_rows_are_a_receipt_without_rows(connection: Connection) -> None:
    seed_reference(connection)
    receipt = load_rows(connection, "market.trade", trades([1])[:0], delivery())
    assert counts(receipt) == (0, 0, 0, 0)
    assert receipt.load_id is not None


def test_an_orphaned_try_is_refused_and_writes_nothing(connection: Connection) -> None:
    seed_reference(connection)
    orphan, newest = take_fence(connection, "trades/1"), take_fence(connection, "trades/1")
    with pytest.raises(StaleFenceError):
        load_rows(
            connection, "market.trade", trades([1]),
            delivery(scope="trades/1", fencing_token=orphan),
        )  # fmt: skip
    assert query(connection, "SELECT FROM ledger.load") == []
    known = delivery(scope="trades/1", fencing_token=newest)
    assert load_rows(connection, "market.trade", trades([1]), known).inserted == 1
    with pytest.raises(InvalidInputError, match="both scope and fencing_token"):
        load_rows(connection, "market.trade", trades([1]), delivery(scope="trades/1"))


def test_an_instrument_the_venue_lists_is_admitted_with_its_first_rows(
    connection: Connection,
) -> None:
    seed_reference(connection)
    query(
        connection,
        "INSERT INTO market.listing (venue_id, symbol, base_asset, quote_asset, kind, status, "
        "tick_size, lot_size, listed_at, observed_at) VALUES "
        "(1, 'SOLUSDT', 'SOL', 'USDT', 'spot', 'TRADING', '0.01', '0.1', %s, %s) RETURNING 1",
        START,
        START,
    )
    frame = pd.concat([trades([1], symbol="SOLUSDT"), trades([1], symbol="LUNAUSDT")])
    receipt = load_rows(connection, "market.trade", frame.reset_index(drop=True), delivery())
    assert counts(receipt) == (1, 0, 0, 1)
    assert query(
        connection,
        "SELECT i.symbol FROM market.trade JOIN market.instrument AS i USING (instrument_id)",
    ) == [("SOLUSDT",)]


def test_loads_from_two_sessions_meet_at_the_locks_and_lose_nothing(
    connection: Connection, dial: Callable[[], Connection]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    seed_reference(connection)
    forward = pd.concat(
        [trades(range(500), symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT")],
        ignore_index=True,
    )
    backward = forward[::-1].reset_index(drop=True)
    with ThreadPoolExecutor(4) as pool:
        loads = [
            pool.submit(load_rows, dial(), "market.trade", frame, delivery())
            for frame in (forward, backward, forward, backward)
        ]
        receipts = [load.result() for load in loads]
    assert sum(receipt.inserted for receipt in receipts) == 1000
    assert sum(receipt.unchanged for receipt in receipts) == 3000
    assert query(connection, "SELECT count(*) FROM market.trade") == [(1000,)]


def test_the_login_of_the_jobs_may_load_create_and_quarantine(
    connection: Connection, loader_dsn: str, open_interest: Table
) -> None:
    seed_reference(connection)
    with connect(loader_dsn, application="test") as loader:
        taken = load_rows(loader, "market.trade", trades([1, 50_000]), delivery())
        frame = interest([1, 2], margin_asset="NEW", contracts=[1.0, -1.0])
        own = load_rows(loader, open_interest, frame, delivery())
    assert (counts(taken), counts(own)) == ((2, 0, 0, 0), (1, 0, 0, 1))


def test_doubles_come_back_bit_for_bit(connection: Connection) -> None:
    seed_reference(connection)
    draw = np.random.default_rng(3)
    prices = np.exp(draw.normal(0, 5, 1000))
    load_rows(connection, "market.trade", trades(range(1000), price=prices), delivery())
    stored = query(connection, "SELECT price FROM market.trade ORDER BY trade_id")
    assert [row[0] for row in stored] == prices.tolist()
