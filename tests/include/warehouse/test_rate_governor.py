"""The shared budget on a real PostgreSQL: the counting, and three processes against one venue."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.exchanges.governor import RateGovernor
from include.market.errors import BannedError, InvalidInputError, RateLimitedError, RetryableError
from include.market.rate_limit import RateLimit, WindowCount
from include.warehouse.engine import Connection
from include.warehouse.rate_governor import WarehouseGovernor, bans_of, open_circuits
from include.warehouse.statements import statement
from stack.postgres import EmbeddedPostgres
from tests.support.counting_venue import Book, Plan, counting_venue
from tests.support.postgres import create_database, drop_database

ROOT = Path(__file__).parents[3]
SPOT = RateLimit("binance_spot", 100, window_s=3600)
FUNDING = RateLimit("binance_usdm_funding", 10, window_s=7200)
HOUR_S = 3600.0


def no_sleep(seconds: float) -> None:
    raise AssertionError(f"wanted to sleep {seconds} s")


Make = Callable[..., WarehouseGovernor]


@pytest.fixture
def make(warehouse_dsn: str) -> Iterator[Make]:
    """Return a function that makes governors which never sleep."""
    made: list[WarehouseGovernor] = []

    def make_one(*limits: RateLimit, **options: Any) -> WarehouseGovernor:
        made.append(
            WarehouseGovernor(warehouse_dsn, *(limits or (SPOT,)), sleep=no_sleep, **options)
        )
        return made[-1]

    yield make_one
    for governor in made:
        governor.close()


def budget(warehouse: psycopg.Connection, column: str) -> Any:
    ((value,),) = warehouse.execute(f"SELECT {column} FROM ledger.rate_budget").fetchall()
    return value


def test_it_is_a_governor(make: Make) -> None:
    governor: RateGovernor = make()
    governor.acquire(1)


def test_governors_share_one_count(make: Make, warehouse: psycopg.Connection) -> None:
    one, other = make(), make()
    for _ in range(20):
        one.acquire(2)
        other.acquire(2)
    assert budget(warehouse, "used") == 80
    for governor in (one, other):
        with pytest.raises(RateLimitedError, match="binance_spot") as caught:
            governor.acquire(1)
        assert 0 < (caught.value.retry_after_s or 0) <= HOUR_S


def test_addresses_and_scopes_have_budgets_of_their_own(make: Make) -> None:
    make(egress="tokyo").acquire(80)
    make(egress="paris").acquire(80)
    two = make(SPOT, FUNDING, egress="paris")
    two.acquire(8, scope="binance_usdm_funding")
    with pytest.raises(RateLimitedError):
        two.acquire(1)


def test_the_count_outlives_those_who_counted(make: Make) -> None:
    first = make()
    first.acquire(80)
    first.close()
    with pytest.raises(RateLimitedError):
        make().acquire(1)


def test_the_venues_higher_count_is_handed_over_with_the_next_request(
    make: Make, warehouse: psycopg.Connection
) -> None:
    governor = make()
    governor.acquire(2)
    governor.note_usage(60)
    governor.acquire(2)
    assert budget(warehouse, "used") == 62
    governor.note_usage(10)
    governor.acquire(2)
    assert budget(warehouse, "used") == 64


def test_a_grant_is_seen_by_others_at_once_whatever_the_caller_has_open(
    make: Make, connection: Connection
) -> None:
    connection.execute("SELECT 1")
    make().acquire(80)
    with pytest.raises(RateLimitedError):
        make().acquire(1)


def test_a_pause_is_for_everyone_and_is_never_shortened(make: Make) -> None:
    first = make(SPOT, FUNDING)
    first.note_pause(1000)
    first.note_pause(5)
    for scope in ("binance_spot", "binance_usdm_funding"):
        with pytest.raises(RateLimitedError, match="paused") as caught:
            make(SPOT, FUNDING).acquire(1, scope=scope)
        assert 900 < (caught.value.retry_after_s or 0) <= 1000


def test_a_ban_is_news_once_and_reported_until_it_is_over(
    make: Make, warehouse: psycopg.Connection
) -> None:
    one, other = make(SPOT, FUNDING), make(SPOT, FUNDING)
    assert one.note_ban(1000, reason="HTTP 418 from /x") is True
    since = open_circuits(warehouse)[0].since
    assert other.note_ban(500, reason="HTTP 418 from /y") is False
    for governor in (one, other, make(SPOT, FUNDING)):
        with pytest.raises(BannedError, match="banned"):
            governor.acquire(1)
    circuits = open_circuits(warehouse)
    assert [circuit.scope for circuit in circuits] == ["binance_spot", "binance_usdm_funding"]
    assert 999 < (circuits[0].until - circuits[0].since).total_seconds() <= 1001
    assert circuits[0].since == since
    assert circuits[0].reason == "HTTP 418 from /y"
    assert bans_of(warehouse, "binance_spot") == circuits[:1]
    assert bans_of(warehouse, "elsewhere") == []
    warehouse.execute("UPDATE ledger.rate_budget SET banned_until = now()")
    assert open_circuits(warehouse) == []
    late = make(SPOT, FUNDING)
    late.acquire(1)
    assert late.note_ban(10) is True


def test_of_many_who_are_banned_at_once_one_brings_the_news(make: Make) -> None:
    governors = [make() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        news = list(pool.map(lambda governor: governor.note_ban(1000), governors))
    assert sorted(news) == [False] * 5 + [True]


def test_many_at_once_get_exactly_what_is_allowed(make: Make) -> None:
    governors = [make() for _ in range(6)]

    def take(governor: WarehouseGovernor) -> int:
        for taken in range(100):
            try:
                governor.acquire(1)
            except RateLimitedError:
                return taken
        return 100

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, governors)) == 80


def test_without_the_warehouse_nothing_goes_uncounted(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> None:
    name = f"lost_{uuid.uuid4().hex[:12]}"
    dsn = create_database(postgres_server, name, migrated_template)
    with closing(WarehouseGovernor(dsn, SPOT, sleep=no_sleep)) as governor:
        governor.acquire(1)
        with postgres_server.connect() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
        with pytest.raises(RetryableError, match="rate budget of binance_spot"):
            governor.acquire(1)
        governor.acquire(1)
    drop_database(postgres_server, name)


def test_a_ban_that_cannot_be_told_is_still_kept(warehouse_dsn: str) -> None:
    lost = warehouse_dsn.rsplit(":", 1)[0] + ":9/warehouse"
    governor = WarehouseGovernor(lost, SPOT, sleep=no_sleep)
    assert governor.note_ban(1000) is True
    with pytest.raises(BannedError):
        governor.acquire(1)
    with pytest.raises(RetryableError):
        governor.note_pause(5)


@pytest.mark.parametrize(("weight", "scope"), [(81, None), (-1, None), (1, "futures")])
def test_a_request_that_can_never_go_is_refused_at_once(
    make: Make, weight: int, scope: str | None
) -> None:
    with pytest.raises(InvalidInputError, match="limit"):
        make().acquire(weight, scope=scope)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.4, 1.0, 3.0, 9.3, 9.99, 10.0, 25.0, -0.2, -60.0]),
        st.integers(0, 8),
        st.none() | st.tuples(st.integers(0, 10), st.integers(-1, 1)),
    ),
    max_size=25,
)


@given(STEPS)
@example([(0.0, 8, None), (-0.2, 1, None), (0.4, 1, None)])
@example([(9.3, 8, None), (-60.0, 8, None)])
@example([(9.3, 8, None), (1.0, 1, None), (9.0, 8, None)])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_database_counts_as_the_rules_do(
    warehouse: psycopg.Connection, steps: list[tuple[float, int, tuple[int, int] | None]]
) -> None:
    """Step by step the same ruling and wait as ``WindowCount``, with the clock passed in."""
    limit = RateLimit(uuid.uuid4().hex, 10, window_s=10)
    count, now_s = WindowCount(limit), 100_000.0
    for later_s, weight, usage in steps:
        now_s = round(now_s + later_s, 2)
        used, window = (None, None) if usage is None else (usage[0], int(now_s // 10) + usage[1])
        values = {
            "scope": limit.scope,
            "egress": "here",
            "weight": weight,
            "allowed": limit.allowed,
            "window_s": limit.window_s,
            "late_s": limit.late_s,
            "venue_used": used,
            "venue_window": window,
            "at": datetime.fromtimestamp(now_s, UTC),
        }
        row = warehouse.execute(statement("ledger/acquire_weight"), values).fetchone()
        assert row is not None
        count._roll(now_s)
        if used is not None and window is not None:
            count.correct(used, window)
        expected = count.take(weight, now_s)
        assert row[0] == expected.ruling
        assert row[1] == pytest.approx(expected.wait_s, abs=1e-4)
        assert row[2] == count.window_no


def run_three(dsn: str, book: Book, limit: RateLimit, **work: int) -> list[dict[str, Any]]:
    """Let three processes ask at once; return what each of them says."""
    stated = {"scope": limit.scope, "weight": limit.weight, "window_s": limit.window_s}
    task = {"dsn": dsn, "base_url": book.base_url, "limit": stated} | work
    command = [sys.executable, "-m", "tests.support.governed_client", json.dumps(task)]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = []
    for process in started:
        out, complaint = process.communicate(timeout=600)
        assert process.returncode == 0, complaint.decode()
        said.append(json.loads(out))
    return said


def test_three_processes_stay_below_the_share_in_every_window(warehouse_dsn: str) -> None:
    limit = RateLimit("venue", 50, window_s=4)
    with counting_venue(Plan()) as book:
        said = run_three(warehouse_dsn, book, limit, weight=2, requests=20)
    assert [one["answered"] for one in said] == [20, 20, 20]
    weights = book.weights(limit.window_s)
    assert sum(weights.values()) == 120
    # One request of each may be under way when a window ends, and is counted in the next one.
    assert max(weights.values()) <= limit.allowed + 3 * 2 < limit.weight


def test_three_processes_obey_a_pause_and_a_ban_that_one_of_them_met(
    warehouse_dsn: str, warehouse: psycopg.Connection
) -> None:
    limit = RateLimit("venue", 100_000)
    plan = Plan(slow_down_at=20, pause_s=2, ban_at=60, ban_s=3000)
    with counting_venue(plan) as book:
        said = run_three(warehouse_dsn, book, limit, weight=1, requests=100)
        hits = len(book.hits)
        pause_end_s = budget(warehouse, "extract(epoch FROM paused_until)::float8")
        (paused_s,) = (one["paused_s"] for one in said if one["paused_s"] is not None)
        banned_s = min(one["banned_s"] for one in said if one["banned_s"] is not None)
        arrivals = [at_s for at_s, _, _ in book.hits]
        # When a refusal was told, the other two can each have had one request under way.
        assert sum(paused_s < at_s < pause_end_s for at_s in arrivals) <= 2
        assert sum(at_s > banned_s for at_s in arrivals) <= 2
        assert sum(one["answered"] for one in said) == 58
        assert [one["banned"] for one in said] == [True, True, True]
        assert sum(one["is_new"] for one in said) == 1
        # None of them is left; the ban is.
        again = run_three(warehouse_dsn, book, limit, weight=1, requests=100)
        assert [(one["answered"], one["banned"]) for one in again] == [(0, True)] * 3
        assert not any(one["is_new"] for one in again)
        assert len(book.hits) == hits
        assert [circuit.reason for circuit in open_circuits(warehouse)] == ["HTTP 418 from /ask/1"]
        plan.ban_at = None
        warehouse.execute("UPDATE ledger.rate_budget SET banned_until = now()")
        after = run_three(warehouse_dsn, book, limit, weight=1, requests=3)
        assert [one["answered"] for one in after] == [3, 3, 3]
