"""Rows no table can hold end in quarantine one by one, with their rule; the rest loads."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from include.warehouse.engine import Connection
from include.warehouse.merge import LoadReceipt
from include.warehouse.rows import load_rows
from tests.support.loading import QUARANTINED, delivery, times, trades
from tests.support.warehouse import START, query, seed_reference


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"price": float("nan")}, "trade_price_range"),
    ({"price": float("inf")}, "trade_price_range"),
    ({"price": float("-inf")}, "trade_price_range"),
    ({"price": 1e30}, "trade_price_range"),
    ({"price": 0.0}, "trade_price_range"),
    ({"price": 10**5000}, "price_unreadable"),
    ({"price": "1e-400"}, "price_unreadable"),
    ({"price": None}, "trade_price_not_null"),
    ({"trade_id": 10**5000}, "trade_id_unreadable"),
    ({"trade_id": 10**30}, "trade_id_unreadable"),
    ({"trade_id": -1}, "trade_id_counts"),
    ({"trade_id": 1.5}, "trade_id_unreadable"),
    ({"trade_id": None}, "trade_trade_id_not_null"),
    ({"symbol": "BTC\x00USDT"}, "symbol_unreadable"),
    ({"symbol": "BTC\ud800"}, "symbol_unreadable"),
    ({"symbol": None}, "unknown_instrument"),
    ({"symbol": "'; DROP TABLE market.trade; --"}, "unknown_instrument"),
    ({"trade_time": START.replace(year=2177)}, "trade_in_our_time"),
    ({"trade_time": START.replace(year=1970)}, "trade_in_our_time"),
    ({"trade_time": None}, "unknown_instrument"),
    ({"trade_time": "yesterday"}, "trade_time_unreadable"),
    ({"buyer_is_maker": None}, "trade_buyer_is_maker_not_null"),
    ({"buyer_is_maker": 2}, "buyer_is_maker_unreadable"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "rule"), HOSTILE, ids=[f"{rule}-{i}" for i, (_, rule) in enumerate(HOSTILE)])  # fmt: skip  # noqa: E501
def test_what_a_table_cannot_hold_is_quarantined_by_its_rule_and_the_rest_loads(
    connection: Connection, spoil: dict[str, Any], rule: str
) -> None:
    seed_reference(connection)
    frame = trades([1, 2, 3]).astype(object)
    for name, value in spoil.items():
        frame.at[1, name] = value
    receipt = load_rows(connection, "market.trade", frame, delivery())
    assert counts(receipt) == (2, 0, 0, 1)
    assert [row[0] for row in query(connection, QUARANTINED)] == [rule]
    [(rows_in, quarantined)] = query(
        connection, "SELECT rows_in, rows_quarantined FROM ledger.load"
    )
    assert (rows_in, quarantined) == (3, 1)
    again = load_rows(connection, "market.trade", trades([1, 3]), delivery())
    assert counts(again) == (0, 0, 2, 0)


def test_columns_that_arrow_types_refuse_only_their_own_rows(connection: Connection) -> None:
    seed_reference(connection)
    frame = pa.table(
        {
            "symbol": ["BTCUSDT", "BTC\x00", "BTCUSDT"],
            "trade_time": pa.array(times([1, 2, 3]), type=pa.timestamp("ns", tz="Asia/Tokyo")),
            "trade_id": pa.array([1, 2, 2**63], type=pa.uint64()),
            "price": pa.array([1.0, 2.0, None]),
            "quantity": pa.array([1, 2, 3], type=pa.int8()),
            "buyer_is_maker": [True, False, None],
        }
    )
    receipt = load_rows(connection, "market.trade", frame, delivery())
    assert counts(receipt) == (1, 0, 0, 2)
    assert query(
        connection, "SELECT rule, payload ->> 'trade_id' FROM ledger.quarantine ORDER BY 1"
    ) == [("symbol_unreadable", "2"), ("trade_id_unreadable", str(2**63))]


def test_a_time_beyond_every_calendar_refuses_only_its_row(connection: Connection) -> None:
    seed_reference(connection)
    ticks = pa.array([int(times([1])[0].timestamp()) * 1_000_000, 2**62, -(2**62)])
    frame = pa.Table.from_pandas(trades([1, 2, 3])).set_column(
        1, "trade_time", ticks.cast(pa.timestamp("us", tz="UTC"))
    )
    assert counts(load_rows(connection, "market.trade", frame, delivery())) == (1, 0, 0, 2)
    assert {row[0] for row in query(connection, QUARANTINED)} == {"trade_time_unreadable"}


def test_a_refused_row_displaces_no_other_of_its_key(connection: Connection) -> None:
    seed_reference(connection)
    frame = trades([1, 1, 1], price=[5.0, 6.0, float("nan")])
    assert counts(load_rows(connection, "market.trade", frame, delivery())) == (1, 0, 0, 2)
    assert query(connection, "SELECT price FROM market.trade") == [(6.0,)]
    assert [row[0] for row in query(connection, QUARANTINED)] == [
        "duplicate_key",
        "trade_price_range",
    ]
