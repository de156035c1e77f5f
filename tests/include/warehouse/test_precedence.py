"""Of two values that differ the one of the higher source stands, whatever order they come in."""

from __future__ import annotations

from itertools import permutations

import pandas as pd
import pytest

from include.market.errors import InvalidInputError
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.landing import Landing
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from include.warehouse.rows import load_rows
from tests.support.loading import QUARANTINED, delivery, rates
from tests.support.warehouse import (
    candles,
    checked_landing,
    load_frame,
    minutes,
    query,
    seed_reference,
)


def load_from(
    connection: Connection, source: str, landing: Landing, frame: pd.DataFrame
) -> LoadReceipt:
    token = take_fence(connection, load_scope(landing))
    return load_candles(connection, landing, frame, source=source, run_id="r", fencing_token=token)


def say(connection: Connection, source: str, price: float) -> LoadReceipt:
    """Land and load two minutes at ``price`` from ``source``, observed just now."""
    path = f"{source} {price}"
    frame = candles(range(2), price=price)
    return load_from(
        connection, source, checked_landing(connection, minutes(0, 2), path=path), frame
    )


def closes(connection: Connection) -> list[float]:
    found: list[float] = read_candles(connection, M1, 1, minutes(0, 2))["close"].tolist()
    connection.commit()
    return found


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined


SOURCES = (("archive", 1.0), ("rest", 2.0), ("stream", 3.0), ("trades", 4.0), ("synthetic", 5.0))


def test_a_lower_source_never_replaces_a_higher_one(connection: Connection) -> None:
    seed_reference(connection)
    receipts = [counts(say(connection, *said)) for said in SOURCES]
    assert receipts == [(2, 0, 0, 0)] + [(0, 0, 0, 2)] * 4
    assert closes(connection) == [1.0, 1.0]
    assert {row[:2] for row in query(connection, QUARANTINED)} == {("outranked", "final")}
    assert query(connection, "SELECT FROM market.candle_revision") == []


def test_a_higher_source_replaces_a_lower_one(connection: Connection) -> None:
    seed_reference(connection)
    receipts = [counts(say(connection, *said)) for said in reversed(SOURCES)]
    assert receipts == [(2, 0, 0, 0)] + [(0, 2, 0, 0)] * 4
    assert closes(connection) == [1.0, 1.0]
    assert query(
        connection, "SELECT revision, source FROM market.candle_revision WHERE open_time = %s "
        "ORDER BY 1", minutes(0, 1).start_time
    ) == [(1, "synthetic"), (2, "trades"), (3, "stream"), (4, "rest")]  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_higher_source_wins_even_when_it_was_observed_earlier(
    connection: Connection, order: tuple[int, ...]
) -> None:
    seed_reference(connection)
    said = [("archive", 1.0), ("rest", 2.0), ("rest", 3.0)]
    landed = [
        checked_landing(connection, minutes(0, 2), path=f"{source}{price}")
        for source, price in said
    ]
    for at in order:
        source, price = said[at]
        load_from(connection, source, landed[at], candles(range(2), price=price))
    assert closes(connection) == [1.0, 1.0]


def test_between_sources_of_one_rank_the_later_observation_wins(connection: Connection) -> None:
    seed_reference(connection)
    assert counts(say(connection, "rest", 1.0)) == (2, 0, 0, 0)
    assert counts(say(connection, "ccxt", 2.0)) == (0, 2, 0, 0)
    assert counts(say(connection, "rest", 3.0)) == (0, 2, 0, 0)
    assert closes(connection) == [3.0, 3.0]


def test_what_a_higher_source_confirmed_is_as_good_as_said_by_it(connection: Connection) -> None:
    seed_reference(connection)
    say(connection, "rest", 1.0)
    assert counts(say(connection, "archive", 1.0)) == (0, 0, 2, 0)
    assert counts(say(connection, "rest", 2.0)) == (0, 0, 0, 2)
    assert counts(say(connection, "archive", 3.0)) == (0, 2, 0, 0)
    assert closes(connection) == [3.0, 3.0]


def test_a_lower_source_confirms_nothing_against_a_higher_one(connection: Connection) -> None:
    seed_reference(connection)
    first = checked_landing(connection, minutes(0, 2), path="archive 2")
    say(connection, "archive", 1.0)
    say(connection, "rest", 1.0)
    # Of the archive's two the later observation stands.
    load_from(connection, "archive", first, candles(range(2), price=2.0))
    assert closes(connection) == [1.0, 1.0]
    assert counts(say(connection, "archive", 3.0)) == (0, 2, 0, 0)


def test_a_row_that_came_twice_is_no_word_on_its_neighbour(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([1], price=1.0), minutes(1, 2), path="first")
    revised = checked_landing(connection, minutes(0, 2), path="revised")
    load_frame(connection, candles([0, 0], price=5.0), minutes(0, 2), path="twice")
    assert load_from(connection, "rest", revised, candles([1], price=2.0)).updated == 1
    assert query(
        connection, "SELECT confirms_span FROM ledger.load ORDER BY load_id"
    ) == [(True,), (False,), (False,)]  # fmt: skip


def test_equal_values_of_a_lower_source_are_unchanged_not_refused(connection: Connection) -> None:
    seed_reference(connection)
    say(connection, "archive", 1.0)
    assert counts(say(connection, "stream", 1.0)) == (0, 0, 2, 0)


def test_every_table_with_receipts_follows_the_same_order(connection: Connection) -> None:
    seed_reference(connection)

    def funding(source: str, rate: float) -> tuple[int, int, int, int]:
        told = delivery(source, symbol="BTCUSDT")
        return counts(load_rows(connection, "market.funding_rate", rates([0], rate=rate), told))

    assert funding("rest", 0.1) == (1, 0, 0, 0)
    assert funding("archive", 0.2) == (0, 1, 0, 0)
    assert funding("rest", 0.3) == (0, 0, 0, 1)
    assert query(connection, "SELECT rate, source FROM market.funding_rate") == [(0.2, "archive")]


def test_a_source_nobody_ranked_is_refused_by_name(connection: Connection) -> None:
    seed_reference(connection)
    with pytest.raises(InvalidInputError, match=r"unknown source 'gossip': choose one of archive"):
        say(connection, "gossip", 1.0)
    assert query(connection, "SELECT FROM ledger.load") == []
    query(
        connection, "INSERT INTO market.source VALUES ('gossip', 80, false, 'Hearsay') RETURNING 1"
    )
    assert counts(say(connection, "gossip", 1.0)) == (2, 0, 0, 0)
