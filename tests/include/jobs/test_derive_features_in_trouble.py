"""Features and session returns are right whatever happens: long backlogs, kills, any history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from include.jobs import derive_features as job
from include.market.errors import StaleFenceError
from include.market.span import Span
from include.market.timeframe import DAY_MS
from include.warehouse.engine import Connection, connect
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.sessions import record_sessions
from tests.support.derived_features import (
    check,
    derive,
    owners_of,
    stored_features,
    traded,
)
from tests.support.warehouse import (
    START_MS,
    VENUE,
    load_frame,
    minutes,
    moment,
    query,
    seed_reference,
)


@pytest.fixture
def conn(loader_dsn: str) -> Iterator[Connection]:
    """Return what the job works with."""
    with connect(loader_dsn, application="test", autocommit=True) as connection:
        yield connection


@pytest.fixture
def data(loader_dsn: str) -> Iterator[Connection]:
    """Return what candles are loaded with, two instruments and their sessions known."""
    with connect(loader_dsn, application="test") as connection:
        seed_reference(connection)
        span = Span(START_MS - 2 * DAY_MS, START_MS + 40 * DAY_MS)
        record_sessions(connection, VENUE.name, span)
        connection.commit()
        yield connection


def test_work_of_many_changes_is_cut_and_gives_the_same(
    conn: Connection, data: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHANGES_AT_ONCE", 3)
    monkeypatch.setattr(job, "TIME_AT_ONCE_MS", 100 * 60_000)
    monkeypatch.setattr(job, "BATCH_MS", 600 * 60_000)
    monkeypatch.setattr(job, "CHUNK_MS", DAY_MS)
    frame = traded(2880)
    for at in range(0, 2880, 320):
        load_frame(
            data, frame.iloc[at : at + 320], minutes(at, at + 320), path=f"file:///{at}.parquet"
        )
    for symbol in ("ETHUSDT", "BTCUSDT"):
        load_frame(data, frame, minutes(0, 2880), path=f"file:///{symbol}", symbol=symbol)
    derive(conn)
    check(conn)
    assert len(stored_features(conn)) == 2 * (576 + 96)


def test_a_try_that_dies_leaves_nothing_and_the_next_one_does_it_all(
    conn: Connection, data: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(data, traded(480), minutes(0, 480))
    whole = job.merge_features
    calls: list[int] = []

    def dies(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        whole(*arguments, **options)
        raise ConnectionError("killed")

    monkeypatch.setattr(job, "merge_features", dies)
    with pytest.raises(ConnectionError):
        derive(conn)
    assert calls
    assert not stored_features(conn)
    assert not query(conn, "SELECT FROM ledger.cursor WHERE stage LIKE 'derive%%'")
    monkeypatch.undo()
    derive(conn)
    check(conn)


def test_a_try_that_was_replaced_writes_nothing(
    conn: Connection, data: Connection, loader_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(data, traded(480), minutes(0, 480))
    whole = job.read_minutes

    def replaced(*arguments: Any) -> Any:
        with connect(loader_dsn, application="other", autocommit=True) as other:
            take_fence(other, "derive_features_5m")
        return whole(*arguments)

    monkeypatch.setattr(job, "read_minutes", replaced)
    with pytest.raises(StaleFenceError):
        derive(conn)
    assert not stored_features(conn)


def test_computing_holds_up_nobody(
    conn: Connection, data: Connection, loader_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it reads and computes, the transaction has no id: others' cursors go on."""
    load_frame(data, traded(480), minutes(0, 480))
    derive(conn)
    load_frame(data, traded(480, seed=2), minutes(0, 480), content="other")
    whole, seen = job.derive_features, []

    def watched(*arguments: Any) -> Any:
        row = conn.execute("SELECT pg_current_xact_id_if_assigned()").fetchone()
        seen.append(row)
        return whole(*arguments)

    monkeypatch.setattr(job, "derive_features", watched)
    derive(conn)
    assert seen
    assert set(seen) == {(None,)}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_it_is_as_if_derived_at_once(
    conn: Connection, data: Connection, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    frames = {symbol: traded(1500, seed=place + seed) for place, symbol in
              enumerate(("BTCUSDT", "ETHUSDT"))}  # fmt: skip
    for step in range(14):
        symbol = str(draw.choice(list(frames)))
        first = int(draw.integers(0, 1400))
        length = int(draw.choice([1, 7, 60, 400]))
        last = min(1500, first + length)
        frame = frames[symbol].iloc[first:last]
        kind = draw.random()
        if kind < 0.3:
            frame = frame.assign(close=frame["low"], volume=frame["volume"] + 1)
        if kind > 0.5:
            frame = frame[draw.random(len(frame)) < 0.8]
        reason = str(draw.choice(["no_trade", "outage", "unknown"]))
        load_frame(
            data, frame, minutes(first, last), path=f"file:///{step}", symbol=symbol,
            gaps=[Gap(minutes(first, last), reason)],
        )  # fmt: skip
        if draw.random() < 0.3:
            at = int(draw.integers(0, 1400))
            conn.execute(
                "SELECT market.withdraw_candles(%s, %s, %s, 'wrong', %s)",
                (int(draw.choice(owners_of(conn))), moment(at), moment(at + 12),
                 str(draw.choice(["unknown", "no_trade"]))),
            )  # fmt: skip
        if draw.random() < 0.5:
            derive(conn)
    derive(conn)
    check(conn)
    assert stored_features(conn)
