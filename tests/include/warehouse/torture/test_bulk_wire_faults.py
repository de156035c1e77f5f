"""The load of an empty month whose connection breaks at any step: all of it or nothing, and the
retry stores it once, by whichever way is open by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from include.jobs.load_warehouse import load_landings
from include.market.errors import RetryableError
from include.warehouse import bulk_plan
from include.warehouse.engine import Connection, connect
from tests.support.kill_world import KillWorld
from tests.support.loader_invariants import check_ledger
from tests.support.loader_world import wait_until_gone
from tests.support.warehouse import START, query, seed_reference
from tests.support.wire_proxy import WireProxy

LEFT = "SELECT relname FROM pg_class WHERE relnamespace = 'nursery'::regnamespace AND relkind = 'r'"
STRIDE = 3


@pytest.fixture
def proxy(warehouse_dsn: str) -> Iterator[WireProxy]:
    with WireProxy(warehouse_dsn) as proxy:
        yield proxy


@pytest.fixture
def world(connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KillWorld:
    monkeypatch.setattr(bulk_plan, "FEWEST_ROWS", 100)
    world = KillWorld(connection, tmp_path, seed_reference(connection))
    world.send_month(START, days=1)
    return world


def attempt(dsn: str, world: KillWorld) -> None:
    with closing(connect(dsn, application="torn", autocommit=True)) as torn:
        load_landings(torn, Path, [one.landing_id for one in world.sent], run_id="r")


def sweep(connection: Connection) -> None:
    """What died half built is out of sight; the next to come takes it away."""
    query(connection, "SELECT nursery.sweep()")
    assert query(connection, LEFT) == []


@pytest.mark.parametrize("answer_lost", [False, True], ids=["unheard", "unanswered"])
def test_a_connection_may_break_at_any_step_and_a_retry_completes_the_month(
    connection: Connection, proxy: WireProxy, world: KillWorld, answer_lost: bool
) -> None:
    half_built = 0
    # Every third step, from another one the other way round.
    for step in range(1 + answer_lost, 400, STRIDE):
        (proxy.cut_answer_at if answer_lost else proxy.cut_at)(step)
        try:
            attempt(proxy.dsn, world)
        except (RetryableError, OSError):
            assert proxy.struck.is_set()
        wait_until_gone(connection, "torn")
        loaded = world.check()
        check_ledger(connection)
        assert len(loaded) in (0, len(world.sent)), "a month is loaded as a whole"
        if loaded:
            break
        half_built += query(connection, LEFT) != []
        sweep(connection)
    assert half_built, "the month was not built apart: not what this test is about"
    proxy.clear()
    attempt(proxy.dsn, world)
    assert world.check() == {one.landing_id for one in world.sent}
    check_ledger(connection)
    sweep(connection)


def test_a_month_whose_commit_was_not_answered_is_not_loaded_again(
    connection: Connection, proxy: WireProxy, world: KillWorld
) -> None:
    nth = 0
    while not world.check():
        nth += 1
        assert nth < 20
        proxy.lose_answer_of(b"COMMIT", nth)
        with pytest.raises(RetryableError):
            attempt(proxy.dsn, world)
        assert proxy.struck.is_set()
        wait_until_gone(connection, "torn")
        check_ledger(connection)
    before = query(connection, "SELECT count(*), sum(rows_inserted) FROM ledger.load")
    proxy.clear()
    attempt(proxy.dsn, world)
    assert query(connection, "SELECT count(*), sum(rows_inserted) FROM ledger.load") == before
    assert world.check() == {one.landing_id for one in world.sent}
    check_ledger(connection)
    sweep(connection)
