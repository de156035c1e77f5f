"""Servers, sessions and loaders are killed at random instants, many times over, among concurrent
loads that overlap: nothing is lost, doubled or half written, and no leftover is seen.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.warehouse.engine import Connection, connect
from tests.support.crash_server import CrashServer, crash_server
from tests.support.kill_world import KillWorld, Sent
from tests.support.load_worker import Workers
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import wait_until_gone
from tests.support.warehouse import query, seed_reference

CYCLES = 200 if os.environ.get("TORTURE") == "night" else 30
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
VICTIMS = ("loader", "session", "loader", "server")
LONGEST_S = 1.0
# More files than one session loads by itself, so that workers use several.
SMALL_FILES, MONTH_DAYS, FIRST_DAYS = 10, 2, 4


@pytest.fixture(scope="module")
def crashing() -> Iterator[CrashServer]:
    with crash_server() as server:
        yield server


def test_whatever_is_killed_everything_that_landed_is_stored_once(
    crashing: CrashServer, tmp_path: Path
) -> None:
    with closing(connect(crashing.dsn, application="test")) as connection:
        ids = seed_reference(connection, SYMBOLS)
    draw, killed = random.Random(7), dict.fromkeys(VICTIMS, 0)
    interrupted = 0
    with Workers(crashing.dsn, fewest_bulk_rows=1000, folder=tmp_path) as workers:
        for cycle in range(CYCLES):
            victim = VICTIMS[cycle % 4]
            with closing(connect(crashing.dsn, application="test")) as connection:
                if cycle == 0:
                    world = KillWorld(connection, tmp_path, ids)
                world.connection = connection
                pending = send(world, cycle)
            for number in range(2 if cycle % 2 else 4):
                run = f"{cycle}/{number}"
                workers.start(in_any_order(pending, draw), run_id=run)
            time.sleep(draw.uniform(0, LONGEST_S))
            killed[victim] += strike(victim, crashing, workers)
            with closing(connect(crashing.dsn, application="test")) as connection:
                wait_until_gone(connection, "worker")
                world.connection = connection
                loaded = world.check()
                check_ledger(connection)
                # I1: what a worker was told is stored stays stored.
                assert workers.acknowledged() <= loaded
                interrupted += len(pending) > len(loaded & {one.landing_id for one in pending})
                check_no_leftover(connection)
            if victim == "loader":
                # What it left is for its successor.
                finish(crashing, workers, pending)
    assert all(killed.values()), killed
    assert interrupted, "no load was killed before it was done: strike earlier"
    with closing(connect(crashing.dsn, application="test")) as connection:
        world.connection = connection
        assert world.check() == {one.landing_id for one in world.sent}
        check_ledger(connection)


def send(world: KillWorld, cycle: int) -> list[Sent]:
    """Land small files that overlap, and in every other cycle a month nobody has."""
    month = datetime(2024 + (cycle + 1) // 12, (cycle + 1) % 12 + 1, 1, tzinfo=UTC)
    fresh = world.send_month(month, days=MONTH_DAYS) if cycle % 2 else []
    return fresh + world.send_small(SMALL_FILES, days=FIRST_DAYS)


def in_any_order(pending: list[Sent], draw: random.Random) -> list[list[int]]:
    """Split the landings as shards are: the month together, the others a few at a time."""
    month = [one.landing_id for one in pending if one.last - one.first >= 1000]
    small = [one.landing_id for one in pending if one.last - one.first < 1000]
    draw.shuffle(small)
    size = draw.choice([3, SMALL_FILES])
    groups = [small[at : at + size] for at in range(0, len(small), size)]
    groups += [month] if month else []
    draw.shuffle(groups)
    return groups


def strike(victim: str, crashing: CrashServer, workers: Workers) -> bool:
    """Kill -9, and let those who live on finish; tell whether there was anybody to kill."""
    if victim == "loader":
        return bool(workers.kill())
    if victim == "session":
        # They may be only about to dial.
        while not (struck := crashing.kill_backend("worker")) and workers.at_work():
            time.sleep(0.005)
        workers.wait()
        return struck
    crashing.kill()
    crashing.restart()
    workers.wait()
    return True


def check_no_leftover(connection: Connection) -> None:
    """Whoever died building a month left it where nobody reads, and it can be swept away."""
    query(connection, "SELECT nursery.sweep()")
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'nursery'::regnamespace"
    assert query(connection, left) == []


def finish(crashing: CrashServer, workers: Workers, pending: list[Sent]) -> None:
    workers.start([[one.landing_id for one in pending]], run_id="finish")
    workers.wait()
