"""A load whose connection breaks, falls silent or lives on beside its successor, at every step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pandas as pd
import pytest

from include.market.errors import RetryableError, StaleFenceError
from include.market.timeframe import M1
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection, connect
from include.warehouse.fence import take_fence
from include.warehouse.landing import Landing, get_landing
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import land, wait_until_gone
from tests.support.warehouse import (
    candles,
    load_frame,
    load_landing,
    minutes,
    query,
    seed_reference,
    walk,
)
from tests.support.wire_proxy import WireProxy

SPAN = minutes(0, 60)
# A hole, a repeated key, a row beyond the span and values that were otherwise before: a load of
# this writes to every table there is.
FRAME = pd.concat([walk(59), walk(1, seed=2), walk(61).tail(1)], ignore_index=True)
STALL_S = 2


@pytest.fixture
def landing(connection: Connection) -> Landing:
    seed_reference(connection)
    load_frame(connection, candles([3, 4, 5]), minutes(3, 6), path="before")
    return land(connection, SPAN, path="landing")


@pytest.fixture
def proxy(warehouse_dsn: str) -> Iterator[WireProxy]:
    with WireProxy(warehouse_dsn, tcp_user_timeout=str(STALL_S * 1000)) as proxy:
        yield proxy


def attempt(dsn: str, landing: Landing, token: int, frame: pd.DataFrame = FRAME) -> LoadReceipt:
    with closing(connect(dsn, application="torn")) as torn:
        return load_candles(torn, landing, frame, source="rest", run_id="r", fencing_token=token)


def counts(receipt: LoadReceipt) -> tuple[int, int, int, int]:
    return receipt.inserted, receipt.updated, receipt.unchanged, receipt.quarantined


def check_stored(connection: Connection, landing: Landing, *, loads: int) -> None:
    stored = read_candles(connection, M1, 1, SPAN)
    connection.commit()
    expected = FRAME[FRAME["open_time"] < SPAN.end_time].drop_duplicates("open_time", keep="last")
    expected = expected.sort_values("open_time").reset_index(drop=True)
    pd.testing.assert_frame_equal(stored, expected)
    assert get_landing(connection, landing.landing_id).state == "loaded"
    assert query(connection, "SELECT count(*), sum(rows_inserted) FROM ledger.load") == [
        (loads + 1, 59)
    ]
    assert query(connection, "SELECT count(*) FROM market.candle_revision") == [(3,)]
    check_ledger(connection)


@pytest.mark.parametrize("answer_lost", [False, True], ids=["unheard", "unanswered"])
def test_a_connection_may_break_at_any_step_and_a_retry_completes_the_load(
    connection: Connection, proxy: WireProxy, landing: Landing, answer_lost: bool
) -> None:
    before = query(connection, "SELECT count(*) FROM ledger.load")
    for step in range(1, 200):
        token = take_fence(connection, load_scope(landing))
        (proxy.cut_answer_at if answer_lost else proxy.cut_at)(step)
        try:
            attempt(proxy.dsn, landing, token)
        except RetryableError:
            assert proxy.struck.is_set()
        wait_until_gone(connection, "torn")
        if query(connection, "SELECT count(*) FROM ledger.load") != before:
            break
        check_ledger(connection)
        assert get_landing(connection, landing.landing_id).state == "checked"
        connection.commit()
    # The step before was its COMMIT; fewer steps than this, and the proxy saw no load at all.
    assert step > 10
    check_stored(connection, landing, loads=1)
    assert counts(load_landing(connection, landing, FRAME)) == (0, 0, 59, 2)
    check_stored(connection, landing, loads=2)


def test_a_commit_whose_answer_is_lost_is_not_repeated_by_the_retry(
    connection: Connection, proxy: WireProxy, landing: Landing
) -> None:
    nth = 0
    while query(connection, "SELECT count(*) FROM ledger.load") == [(1,)]:
        nth += 1
        assert nth < 10
        token = take_fence(connection, load_scope(landing))
        proxy.lose_answer_of(b"COMMIT", nth)
        with pytest.raises(RetryableError, match=f"load of landing {landing.landing_id}"):
            attempt(proxy.dsn, landing, token)
        assert proxy.struck.is_set()
        wait_until_gone(connection, "torn")
    check_stored(connection, landing, loads=1)
    # Whoever was not answered tries again, and is told that everything is there.
    assert counts(load_landing(connection, landing, FRAME)) == (0, 0, 59, 2)
    check_stored(connection, landing, loads=2)


def test_an_orphan_that_wakes_at_any_step_stores_nothing_beside_its_successor(
    connection: Connection, proxy: WireProxy, landing: Landing, warehouse_dsn: str
) -> None:
    refused = 0
    for step in range(1, 200):
        orphan = take_fence(connection, load_scope(landing))
        proxy.stall_at(step)
        with ThreadPoolExecutor(2) as pool:
            asleep = pool.submit(attempt, proxy.dsn, landing, orphan)
            while not (proxy.struck.wait(0.005) or asleep.done()):
                pass
            if not proxy.struck.is_set():
                break
            newer = pool.submit(succeed, warehouse_dsn, landing)
            # The successor is through already, or waits for an orphan that holds the fence.
            while not (newer.done() or is_waiting(connection)):
                time.sleep(0.005)
            ahead = newer.done()
            proxy.resume.set()
            if ahead:
                with pytest.raises(StaleFenceError, match=f"token {orphan} is stale"):
                    asleep.result(600)
                refused += 1
            else:
                assert sum(counts(asleep.result(600))) == len(FRAME)
            assert sum(counts(newer.result(600))) == len(FRAME)
        check_ledger(connection)
        assert query(connection, "SELECT sum(rows_inserted) FROM ledger.load") == [(59,)]
    assert refused
    assert step - refused > 5, "no orphan was caught while it held the fence"
    [(loads,)] = query(connection, "SELECT count(*) FROM ledger.load")
    # Refused orphans have left no receipt.
    assert loads == 1 + (step - 1) + (step - 1 - refused) + 1


def succeed(dsn: str, landing: Landing) -> LoadReceipt:
    with closing(connect(dsn, application="successor")) as connection:
        return load_landing(connection, landing, FRAME)


def is_waiting(connection: Connection) -> bool:
    waiting = (
        "SELECT FROM pg_stat_activity WHERE application_name = 'successor' "
        "AND datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(query(connection, waiting))


def test_a_network_that_falls_silent_among_the_rows_is_ended_by_the_tcp_timeout(
    connection: Connection, proxy: WireProxy
) -> None:
    seed_reference(connection)
    landing = land(connection, minutes(0, 40_000), path="big")
    token = take_fence(connection, load_scope(landing))
    proxy.stall_on_rows()
    started = time.monotonic()
    with pytest.raises(RetryableError, match=f"load of landing {landing.landing_id}"):
        attempt(proxy.dsn, landing, token, walk(40_000))
    assert proxy.struck.is_set()
    # Without it the kernel would try for a quarter of an hour.
    assert STALL_S / 2 < time.monotonic() - started < 60 * STALL_S
    proxy.clear()
    wait_until_gone(connection, "torn")
    check_ledger(connection)
    assert query(connection, "SELECT count(*) FROM market.candle_1m") == [(0,)]
    assert load_landing(connection, landing, walk(40_000)).inserted == 40_000
    check_ledger(connection)
