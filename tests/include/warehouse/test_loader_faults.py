"""Loads that are killed, doubled, orphaned or made to meet: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg import errors

from include.market.errors import RetryableError, StaleFenceError
from include.market.timeframe import M1
from include.warehouse import judgement, loader
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.landing import Landing
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt, lock_series, merge_staged
from tests.support.warehouse import (
    candles,
    checked_landing,
    load_frame,
    load_landing,
    minutes,
    query,
    seed_reference,
    walk,
)

Dial = Callable[[], Connection]
SPAN = minutes(0, 600)
WRITTEN = (
    "market.candle_1m",
    "market.candle_revision",
    "ledger.load",
    "ledger.change",
    "ledger.coverage",
    "ledger.gap",
    "ledger.quarantine",
)


def written(connection: Connection) -> dict[str, int]:
    return {table: query(connection, f"SELECT count(*) FROM {table}")[0][0] for table in WRITTEN}


def load_with(connection: Connection, landing: Landing, frame: Any, token: int) -> LoadReceipt:
    return load_candles(connection, landing, frame, source="rest", run_id="r", fencing_token=token)


@pytest.fixture
def landing(connection: Connection) -> Landing:
    seed_reference(connection)
    return checked_landing(connection, SPAN, path="a")


def test_a_load_whose_commit_was_not_acknowledged_may_be_repeated(
    connection: Connection, landing: Landing
) -> None:
    load_landing(connection, landing, walk(600))
    before = written(connection)
    receipt = load_landing(connection, landing, walk(600))
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (0, 0, 600)
    assert written(connection) == before | {"ledger.load": 2}


def test_an_orphaned_first_try_is_refused_and_writes_nothing(
    connection: Connection, dial: Dial, landing: Landing
) -> None:
    orphan = take_fence(connection, load_scope(landing))
    newest = take_fence(connection, load_scope(landing))
    with pytest.raises(StaleFenceError, match=f"token {orphan} is stale"):
        load_with(connection, landing, walk(600), orphan)
    assert set(written(dial()).values()) == {0}
    assert load_with(connection, landing, walk(600), newest).inserted == 600
    with pytest.raises(StaleFenceError):
        load_with(connection, landing, candles(range(600)), orphan)
    pd.testing.assert_frame_equal(read_candles(connection, M1, 1, SPAN), walk(600))


def test_two_tries_of_one_landing_at_once_store_it_once(
    connection: Connection, dial: Dial, landing: Landing
) -> None:
    tries = [dial() for _ in range(2)]
    tokens = [take_fence(one, load_scope(landing)) for one in tries]

    def attempt(number: int) -> str:
        try:
            load_with(tries[number], landing, walk(600), tokens[number])
        except StaleFenceError:
            return "refused"
        return "stored"

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(attempt, range(2))) == ["refused", "stored"]
    assert written(connection)["ledger.load"] == 1


def test_overlapping_loads_in_opposite_orders_neither_block_nor_lose_anything(
    connection: Connection, dial: Dial
) -> None:
    ids = seed_reference(connection)
    rounds, workers = 6, [dial() for _ in range(4)]
    landings = [
        checked_landing(connection, SPAN, path=f"{turn}/{worker}", symbol=symbol)
        for turn in range(rounds)
        for worker, symbol in enumerate(["BTCUSDT", "ETHUSDT", "BTCUSDT", "ETHUSDT"])
    ]

    def work(number: int) -> list[LoadReceipt]:
        receipts = []
        for turn in range(rounds):
            frame = walk(600, seed=turn * 4 + number)
            frame = frame if number % 2 else frame[::-1]
            landing = landings[turn * 4 + number]
            receipts.append(load_landing(workers[number], landing, frame))
        return receipts

    with ThreadPoolExecutor(4) as pool:
        receipts = [receipt for found in pool.map(work, range(4)) for receipt in found]
    assert all(
        receipt.inserted + receipt.updated + receipt.unchanged + receipt.quarantined == 600
        for receipt in receipts
    )
    assert sum(receipt.inserted for receipt in receipts) == 1200
    # The landing registered last wins, whoever came first.
    for symbol, worker in (("BTCUSDT", 2), ("ETHUSDT", 3)):
        expected = walk(600, seed=(rounds - 1) * 4 + worker)
        stored = read_candles(connection, M1, ids[symbol], SPAN)
        pd.testing.assert_frame_equal(stored, expected)
    updated = sum(receipt.updated for receipt in receipts)
    connection.commit()
    assert written(connection)["market.candle_revision"] == updated


def test_a_load_counts_from_the_instant_it_has_its_locks(
    connection: Connection, dial: Dial, landing: Landing
) -> None:
    holder, waiter, watcher = dial(), dial(), dial()
    lock_series(holder, "candle_1m", [1])
    waiting = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(load_landing, waiter, landing, walk(600))
        while query(watcher, waiting, waiter.info.backend_pid) != [(1,)]:
            assert not load.done()
        [(before,)] = query(watcher, "SELECT clock_timestamp()")
        holder.commit()
        load.result(timeout=300)
    assert query(connection, "SELECT min(recorded_at) > %s FROM market.candle_1m", before) == [
        (True,)
    ]


@pytest.fixture
def stumble(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[psycopg.Error], int], Any]]:
    """Make the merge fail so many times before it does its work; count how often it is tried."""
    tries: list[int] = []

    def arrange(error: type[psycopg.Error], times: int) -> list[int]:
        def stumbling(*arguments: Any) -> LoadReceipt:
            tries.append(1)
            receipt = merge_staged(*arguments)
            if len(tries) <= times:
                raise error("arranged")
            return receipt

        monkeypatch.setattr(loader, "merge_staged", stumbling)
        return tries

    return arrange  # type: ignore[return-value]


@pytest.mark.parametrize("error", [errors.DeadlockDetected, errors.SerializationFailure])
def test_deadlocks_and_serialization_failures_are_tried_again(
    connection: Connection, landing: Landing, stumble: Any, error: type[psycopg.Error]
) -> None:
    tries = stumble(error, 4)
    assert load_landing(connection, landing, walk(600)).inserted == 600
    assert len(tries) == 5
    assert written(connection)["ledger.load"] == 1


def test_trying_again_ends_after_five_times(
    connection: Connection, landing: Landing, stumble: Any
) -> None:
    tries = stumble(errors.DeadlockDetected, 99)
    with pytest.raises(RetryableError):
        load_landing(connection, landing, walk(600))
    assert len(tries) == 5
    assert set(written(connection).values()) == {0}


def test_other_failures_are_not_tried_again(
    connection: Connection, landing: Landing, stumble: Any
) -> None:
    tries = stumble(errors.LockNotAvailable, 99)
    with pytest.raises(RetryableError):
        load_landing(connection, landing, walk(600))
    assert len(tries) == 1


def test_a_writer_that_takes_no_lock_is_noticed_and_nothing_is_stored_twice(
    connection: Connection, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_reference(connection)
    load_frame(connection, candles([700]), minutes(700, 701), path="b")
    landing = checked_landing(connection, SPAN, path="a")
    stranger = dial()
    copy = (
        "INSERT INTO market.candle_1m SELECT instrument_id, %s, open, high, low, close, volume, "
        "quote_volume, taker_buy_volume, taker_buy_quote_volume, trade_count, flags, source, "
        "revision, load_id, recorded_at FROM market.candle_1m WHERE open_time = %s RETURNING 1"
    )
    genuine = judgement._judge

    def intruded(*arguments: Any) -> Any:
        fates = genuine(*arguments)
        query(stranger, copy, SPAN.start_time, minutes(700, 701).start_time)
        return fates

    with monkeypatch.context() as patch:
        patch.setattr(judgement, "_judge", intruded)
        with pytest.raises(RetryableError, match="writes without the lock"):
            load_landing(connection, landing, walk(600))
    assert written(connection)["market.candle_1m"] == 2
    receipt = load_landing(connection, landing, walk(600))
    assert (receipt.inserted, receipt.updated) == (599, 1)
