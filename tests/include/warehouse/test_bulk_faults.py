"""A month loaded as a whole meets others at work, orphans, crashes: all or nothing is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

from include.market.errors import CandlewickError, RetryableError, StaleFenceError
from include.market.timeframe import H4, M1, M5, M30
from include.warehouse import bulk_month
from include.warehouse.bulk_lanes import load_months
from include.warehouse.candles import read_candles
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.landing import get_landing
from include.warehouse.loader import load_scope
from include.warehouse.partitions import ensure_partitions
from include.warehouse.reference import rename_instrument
from tests.support.bulk import WEEK, land, load_together, member, week_member
from tests.support.warehouse import (
    START,
    candles,
    load_frame,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    walk,
)

Dial = Callable[[], Connection]
NESTS = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'nursery'::regnamespace AND relkind = 'r'"
)
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
COARSE = (M5, M30, H4)
COUNT = "SELECT count(*) FROM market.candle_1m"


def nothing_left(connection: Connection) -> bool:
    return query(connection, NESTS) == [] and query(connection, HELD) == [(0,)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_month, "TRIES", 3)
    monkeypatch.setattr(bulk_month, "LOCK_TIMEOUT", "300ms")


def test_a_month_with_rows_is_left_to_the_careful_way(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, candles([40000]), minutes(40000, 40001), path="first")
    assert load_together(connection, week_member(connection)) == {}
    assert query(connection, COUNT) == [(1,)]
    assert nothing_left(connection)


def test_a_month_taken_while_it_was_built_is_left_to_the_careful_way(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    other = dial()

    def intrude() -> None:
        load_frame(other, candles([40000]), minutes(40000, 40001), path="first")

    one = week_member(connection, before=intrude)
    assert load_together(connection, one) == {}
    assert nothing_left(connection)
    frame, gaps = walk(WEEK), ()
    assert load_landing(connection, one.landing, frame, gaps=gaps).inserted == WEEK


def test_an_empty_partition_is_replaced(connection: Connection) -> None:
    seed_reference(connection)
    with connection.transaction():
        ensure_partitions(connection, [M1], minutes(0, 1))
    assert len(load_together(connection, week_member(connection))) == 1
    partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'market.candle_1m'::regclass"
    assert query(connection, partitions) == [(1,)]


def test_an_empty_partition_somebody_reads_is_left_in_place(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    with connection.transaction():
        ensure_partitions(connection, [M1], minutes(0, 1))
    reader = dial()
    reader.execute("SELECT * FROM market.candle_1m")
    assert load_together(connection, week_member(connection)) == {}
    assert nothing_left(connection)
    reader.rollback()


def test_readers_of_other_months_do_not_hold_it_up(connection: Connection, dial: Dial) -> None:
    seed_reference(connection)
    load_frame(connection, candles([40 * 1440]), minutes(40 * 1440, 40 * 1440 + 1), path="feb")
    reader = dial()
    assert len(reader.execute("SELECT * FROM market.candle_1m").fetchall()) == 1
    assert len(load_together(connection, week_member(connection))) == 1
    assert len(reader.execute("SELECT * FROM market.candle_1m").fetchall()) == WEEK + 1


@pytest.mark.parametrize(
    "table", ["market.instrument", "market.instrument_alias", "ledger.load", "market.candle_1m"]
)
def test_somebody_at_work_on_a_table_it_needs_is_waited_for_a_while_only(
    connection: Connection, dial: Dial, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    if table != "ledger.load":  # the only one that is waited for while others are held
        monkeypatch.setattr(bulk_month, "LOCK_TIMEOUT", "30s")
    seed_reference(connection)
    with connection.transaction():
        ensure_partitions(connection, COARSE, minutes(0, 1))
    writer = dial()
    mode = "SHARE UPDATE EXCLUSIVE" if table == "market.candle_1m" else "ROW EXCLUSIVE"
    writer.execute(f"LOCK TABLE ONLY {table} IN {mode} MODE")
    one = week_member(connection)
    begun = time.monotonic()
    assert load_together(connection, one) == {}
    assert time.monotonic() - begun < 30
    assert nothing_left(connection)
    monkeypatch.setattr(bulk_month, "TRIES", 8)
    free = threading.Timer(0.2, writer.rollback)
    free.start()
    assert len(load_together(connection, week_member(connection, seed=2))) == 1
    free.join()


def test_a_symbol_renamed_while_the_month_was_built_sends_it_the_careful_way(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    other = dial()

    def rename() -> None:
        rename_instrument(
            other, "binance_spot", old="BTCUSDT", new="XBTUSDT", renamed_at=moment(100)
        )
        other.commit()

    assert load_together(connection, week_member(connection, before=rename)) == {}
    assert query(connection, COUNT) == [(0,)]
    assert nothing_left(connection)


def test_an_orphan_is_refused_and_nothing_of_the_month_is_there(
    connection: Connection, dial: Dial
) -> None:
    seed_reference(connection)
    other = dial()
    scope: list[str] = []
    good = week_member(connection, symbol="ETHUSDT")
    orphan = week_member(connection, before=lambda: None)
    scope.append(load_scope(orphan.landing))
    assert take_fence(other, scope[0]) == orphan.fencing_token + 1
    with pytest.raises(StaleFenceError, match=f"token {orphan.fencing_token} is stale"):
        load_together(connection, good, orphan)
    assert query(connection, COUNT) == [(0,)]
    assert nothing_left(connection)


@pytest.mark.parametrize("change", ["payload_sha256 = repeat('a', 64)", "span_end = now()"])
def test_content_that_was_replaced_since_is_not_loaded(connection: Connection, change: str) -> None:
    seed_reference(connection)
    one = week_member(connection)
    connection.execute(f"UPDATE ledger.landing SET {change}")
    connection.commit()
    with pytest.raises(StaleFenceError, match="other content"):
        load_together(connection, one)
    assert query(connection, COUNT) == [(0,)]


STEPS = ("encode_ahead", "hold_members", "write_receipts", "tell_ledger")


@pytest.mark.parametrize("step", STEPS)
def test_a_builder_that_dies_leaves_nothing_to_be_seen_and_the_next_one_sweeps(
    connection: Connection, dial: Dial, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    seed_reference(connection)
    victim, killer = dial(), dial()
    genuine = getattr(bulk_month, step)

    def killed(*arguments: Any, **named: Any) -> Any:
        found = genuine(*arguments, **named)
        query(killer, "SELECT pg_terminate_backend(%s, 60000)", victim.info.backend_pid)
        return found

    one = week_member(connection)
    with monkeypatch.context() as patch:
        patch.setattr(bulk_month, step, killed)
        with pytest.raises(RetryableError):
            load_together(victim, one)
    assert query(connection, COUNT) == [(0,)]
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(0,)]
    assert get_landing(connection, one.landing.landing_id).state == "checked"
    connection.commit()
    seen: list[object] = []
    other = week_member(
        connection, symbol="ETHUSDT", before=lambda: seen.append(query(killer, NESTS))
    )
    assert len(load_together(connection, other)) == 1
    assert seen == [[]], "what the dead left is swept before more is built"
    assert nothing_left(connection)


def test_a_living_builder_is_not_swept(connection: Connection, dial: Dial) -> None:
    seed_reference(connection)
    other = dial()

    def sweep() -> None:
        assert query(other, "SELECT nursery.sweep()") == [(0,)]

    genuine = bulk_month._attach_patiently

    def sweep_first(*arguments: Any) -> Any:
        assert len(query(other, NESTS)) == 1
        sweep()
        return genuine(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk_month, "_attach_patiently", sweep_first)
        assert len(load_together(connection, week_member(connection, before=sweep))) == 1


def test_a_month_attached_while_a_sweep_is_under_way_is_not_swept(
    connection: Connection, dial: Dial
) -> None:
    leftover, builder, reader, sweeper = (dial() for _ in range(4))
    begin = "SELECT nest_id, nest_name FROM nursery.begin_month('market.candle_1m', %s, 'rest')"
    [(_, name)] = query(leftover, begin, START)
    leftover.close()
    reader.execute(f"SELECT FROM nursery.{name}")
    [(nest, _)] = query(builder, begin, START)
    with ThreadPoolExecutor(1) as pool:
        sweep = pool.submit(query, sweeper, "SELECT nursery.sweep()")
        waiting = "SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted"
        while query(connection, waiting, sweeper.info.backend_pid) != [(1,)]:
            assert not sweep.done()
        query(builder, "SELECT nursery.finish_month(%s::oid::regclass)", nest)
        attach = "SELECT nursery.attach_month(%s::oid::regclass, 'market.candle_1m', %s, now())"
        query(builder, attach, nest, START)
        builder.close()
        reader.rollback()
        sweep.result(timeout=300)
    assert query(connection, NESTS) == []
    assert query(connection, "SELECT to_regclass('market.candle_1m_2024_01')::oid") == [(nest,)]


def test_months_and_single_landings_loaded_at_once_neither_block_nor_lose_anything(
    connection: Connection, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_month, "TRIES", 8)
    monkeypatch.setattr(bulk_month, "LOCK_TIMEOUT", "10s")
    symbols = ["AUSDT", "BUSDT", "CUSDT", "DUSDT"]
    ids = seed_reference(connection, symbols)
    sessions = [dial() for _ in symbols]
    members = [week_member(connection, symbol=symbol) for symbol in symbols]

    def work(number: int) -> int:
        one, session = members[number], sessions[number]
        if number % 2 and load_together(session, one):
            return WEEK
        return load_landing(session, one.landing, walk(WEEK)).inserted

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [WEEK] * 4
    for instrument_id in ids.values():
        pd.testing.assert_frame_equal(
            read_candles(connection, M1, instrument_id, minutes(0, WEEK)), walk(WEEK)
        )
    connection.commit()
    assert nothing_left(connection)


def months(connection: Connection) -> list[list[Any]]:
    groups = []
    for day in (0, 31, 60):
        span = minutes(day * 1440, day * 1440 + WEEK)
        landing = land(connection, span, path=str(day))
        groups.append([member(connection, landing, walk(WEEK, start=span.start_time))])
    return groups


def test_several_months_are_loaded_in_two_sessions(connection: Connection) -> None:
    seed_reference(connection)
    receipts = load_months(connection, months(connection), run_id="load")
    assert [receipt.inserted for receipt in receipts.values()] == [WEEK] * 3
    assert query(connection, COUNT) == [(3 * WEEK,)]
    assert nothing_left(connection)


def test_a_month_that_fails_does_not_undo_the_others_and_is_told(connection: Connection) -> None:
    seed_reference(connection)
    groups = months(connection)
    take_fence(connection, load_scope(groups[0][0].landing))
    with pytest.raises(CandlewickError, match="stale"):
        load_months(connection, groups, run_id="load")
    counts = query(connection, COUNT)
    assert counts in [[(0,)], [(WEEK,)], [(2 * WEEK,)]]
    assert query(connection, "SELECT count(*) FROM market.candle_1m WHERE open_time < %s",
                 START.replace(month=2)) == [(0,)]  # fmt: skip
