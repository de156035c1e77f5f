"""Instruments handed to the generic loader become versions and aliases, with a receipt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.market.errors import ContractError
from include.warehouse.engine import Connection
from include.warehouse.reference import instrument_ids
from include.warehouse.rows import load_rows
from tests.support.loading import QUARANTINED, delivery, trades
from tests.support.warehouse import VENUE, moment, query, seed_reference

TABLE = "market.instrument"


def instruments(*symbols: str, **changes: Any) -> pd.DataFrame:
    columns = {
        "symbol": list(symbols),
        "base_asset": [symbol.removesuffix("USDT") for symbol in symbols],
        "quote_asset": "USDT",
        "kind": "spot",
        "status": "TRADING",
        "tick_size": "0.01",
        "lot_size": "0.001",
    }
    return pd.DataFrame(columns | changes)


def test_new_instruments_are_entered_with_assets_and_facts_find_them(
    connection: Connection,
) -> None:
    seed_reference(connection, ["BTCUSDT"])
    receipt = load_rows(connection, TABLE, instruments("SOLUSDT", "XRPUSDT"), delivery())
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined) == (
        2, 0, 0, 0,
    )  # fmt: skip
    facts = load_rows(connection, "market.trade", trades([1], symbol="SOLUSDT"), delivery())
    assert facts.inserted == 1
    assert query(
        connection, "SELECT rows_in, rows_inserted FROM ledger.load WHERE dataset = 'instrument'"
    ) == [(2, 2)]


def test_a_changed_size_starts_a_version_and_the_identity_stays(connection: Connection) -> None:
    before = seed_reference(connection, ["BTCUSDT"])
    load_rows(connection, TABLE, instruments("BTCUSDT"), delivery())
    again = load_rows(
        connection,
        TABLE,
        pa.Table.from_pandas(instruments("BTCUSDT", tick_size="0.1")),
        delivery(observed_at=moment(2000)),
    )
    assert again.updated == 1
    assert instrument_ids(connection, VENUE.name) == before
    sizes = query(
        connection,
        "SELECT tick_size::float FROM market.instrument_history ORDER BY lower(valid_during)",
    )
    assert sizes[-2:] == [(0.01,), (0.1,)]


def test_the_same_again_changes_nothing(connection: Connection) -> None:
    seed_reference(connection, ["BTCUSDT"])
    load_rows(connection, TABLE, instruments("SOLUSDT"), delivery())
    rows = pd.concat([instruments("SOLUSDT"), instruments("SOLUSDT")])
    receipt = load_rows(connection, TABLE, rows, delivery())
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (0, 0, 2)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"venue": "nowhere"}, "unknown_venue"),
        ({"tick_size": np.nan}, "tick_size_unreadable"),
        ({"lot_size": "1e30"}, "lot_size_unreadable"),
        ({"tick_size": "9" * 5000}, "tick_size_unreadable"),
        ({"status": "IN A HALT"}, "status_unreadable"),
        ({"base_asset": "B\0D"}, "base_asset_unreadable"),
        ({"listed_at": pd.Timestamp("2024-01-01")}, "listed_at_unreadable"),
    ],
)
def test_a_row_that_cannot_be_is_quarantined_and_the_rest_is_entered(
    connection: Connection, changes: dict[str, Any], rule: str
) -> None:
    seed_reference(connection, ["BTCUSDT"])
    bad = instruments("BADUSDT", **({"venue": VENUE.name} | changes))
    good = instruments("SOLUSDT", venue=VENUE.name)
    receipt = load_rows(connection, TABLE, pd.concat([bad, good]), delivery())
    assert (receipt.inserted, receipt.quarantined) == (1, 1)
    assert [row[0] for row in query(connection, QUARANTINED)] == [rule]


def test_of_two_statements_in_one_batch_the_last_counts(connection: Connection) -> None:
    seed_reference(connection, ["BTCUSDT"])
    rows = pd.concat([instruments("SOLUSDT", tick_size="1"), instruments("SOLUSDT")])
    receipt = load_rows(connection, TABLE, rows, delivery())
    assert (receipt.inserted, receipt.quarantined) == (1, 1)
    stored = "SELECT tick_size::text FROM market.instrument WHERE symbol = 'SOLUSDT'"
    assert query(connection, stored) == [("0.01",)]
    assert [row[0] for row in query(connection, QUARANTINED)] == ["duplicate_key"]


def test_a_missing_column_is_named(connection: Connection) -> None:
    with pytest.raises(ContractError, match="lack the columns lot_size"):
        load_rows(connection, TABLE, instruments("A").drop(columns="lot_size"), delivery())
