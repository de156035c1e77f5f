"""What the generated statements promise beyond the rows they store."""

from __future__ import annotations

import numpy as np
import pandas as pd

from include.market.timeframe import M1
from include.warehouse.arriving import arrange_rows
from include.warehouse.catalog import row_rules
from include.warehouse.clauses import RowRule, judge_statement
from include.warehouse.engine import Connection
from include.warehouse.judgement import Told, merge_told
from include.warehouse.merge import loadable_candles
from include.warehouse.rows import copy_rows
from include.warehouse.schema import loadable
from tests.support.loading import trades
from tests.support.warehouse import VENUE, minutes, moment, query, seed_reference


def test_rows_are_written_in_order_of_their_key(connection: Connection) -> None:
    """Two writers that both go by the key cannot wait for each other in a circle."""
    seed_reference(connection)
    frame = pd.concat(
        [trades(range(300), symbol=symbol) for symbol in ("ETHUSDT", "BTCUSDT")],
        ignore_index=True,
    )
    shuffled = frame.iloc[np.random.default_rng(5).permutation(len(frame))].reset_index(drop=True)
    connection.execute(
        "SELECT market.ensure_partitions('market.trade', %s, %s)", (moment(0), moment(300))
    )
    table = loadable("market.trade")
    copy_rows(connection, table, arrange_rows(table, shuffled, {"venue": VENUE.name}))
    # Without the sort that finds duplicates, nothing but the merge itself puts them in order.
    told = Told(minutes(0, 300), "rest", "r", len(shuffled), keys_distinct=True)
    assert merge_told(connection, table, told).inserted == 600
    written = query(connection, "SELECT instrument_id, trade_id FROM market.trade ORDER BY ctid")
    assert written == sorted(written)
    assert len(written) == 600


def test_the_rules_of_a_table_are_those_rows_can_break_by_themselves(
    connection: Connection,
) -> None:
    names = [rule.name for rule in row_rules(connection, loadable_candles(M1))]
    assert names == [
        "candle_1m_close_not_null",
        "candle_1m_flags_not_null",
        "candle_1m_high_not_null",
        "candle_1m_low_not_null",
        "candle_1m_open_not_null",
        "candle_1m_open_time_not_null",
        "candle_1m_volume_not_null",
        "candle_flags",
        "candle_high_is_highest",
        "candle_in_our_time",
        "candle_low_is_lowest",
        "candle_on_grid",
        "candle_price_range",
        "candle_trade_count",
        "candle_volume_range",
    ]
    few = loadable("market.trade").only({"price"})
    assert {name for rule in row_rules(connection, few) for name in rule.columns} == {
        "price", "trade_time", "trade_id",
    }  # fmt: skip


def test_rules_with_a_remainder_or_braces_are_taken_literally(connection: Connection) -> None:
    seed_reference(connection)
    rule = RowRule("odd", "trade_id % 2 = 0 AND '{x}' <> '%s'", frozenset({"trade_id"}))
    statement = judge_statement(loadable("market.trade"), [rule], keys_distinct=False)
    text = statement.as_string(connection)
    assert "trade_id %% 2 = 0 AND '{x}' <> '%%s'" in text


def test_keys_that_are_known_to_be_distinct_are_not_sorted(connection: Connection) -> None:
    table = loadable("market.trade")
    sorts = [
        "row_number()" in judge_statement(table, (), keys_distinct=proven).as_string(connection)
        for proven in (False, True)
    ]
    assert sorts == [True, False]
