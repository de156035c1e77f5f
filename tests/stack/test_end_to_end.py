"""The whole stack as a person uses it: up, look, more history, a kill, a failure, down."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.invariants import check_all
from tests.support.ports import free_ports

ROOT = Path(__file__).parents[2]
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PORTS = 5

# Deadlines here only end what hangs: a busy machine may take many times what an idle one does.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(2400)]


@dataclass(frozen=True)
class Stack:
    """A running stack and what ``make env`` says of it."""

    environment: dict[str, str]
    state: Path
    exports: dict[str, str]
    first_output: str

    def run(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == ok, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def value(self, query: str) -> int:
        with psycopg.connect(self.exports["WAREHOUSE_URL"]) as conn:
            row = conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    state = tmp_path_factory.mktemp("stack") / "state"
    environment = {
        **os.environ,
        "STATE": str(state),
        "PORT": str(free_ports(PORTS)),
        "DAYS": "2",
        "INSTRUMENTS": ",".join(SYMBOLS),
    }
    for name in [name for name in environment if name.startswith(("AIRFLOW", "PYTEST"))]:
        del environment[name]
    try:
        up = subprocess.run(
            ["make", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        said = subprocess.run(
            ["make", "-s", "env"], cwd=ROOT, env=environment, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        yield Stack(environment, state, exports(said), up.stdout)
    finally:
        subprocess.run(["make", "down"], cwd=ROOT, env=environment, check=False)


def exports(text: str) -> dict[str, str]:
    """Read ``export NAME=value`` lines the way a shell would."""
    words = [word for line in text.splitlines() for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words if "=" in word)


def wait_until(done: Callable[[], bool], what: str, *, within_s: float = 600) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"waited {within_s:g} s for: {what}"
        time.sleep(1)


# Whoever reads the changes of a timeframe, finest first: each makes those that the next one reads.
READERS = (
    ("candle_1m", "cascade_5m"),
    ("candle_5m", "cascade_30m"),
    ("candle_30m", "cascade_4h"),
    ("candle_4h", "fit_channels_4h"),
)


def settled(stack: Stack) -> None:
    """Wait until what has landed by now stands in the coarse tables too, and has been modelled.

    Live minutes go on landing meanwhile: a busy machine may never be seen without any.
    """
    landed = stack.value("SELECT coalesce(max(landing_id), 0) FROM ledger.landing")
    under_way = (
        "SELECT count(*) FROM ledger.landing WHERE state IN ('landed', 'checked') "
        f"AND landing_id <= {landed}"
    )
    wait_until(lambda: stack.value(under_way) == 0, "landings to be loaded")
    for dataset, stage in READERS:
        upto = stack.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        unread = (
            "SELECT count(*) FROM ledger.change JOIN ledger.cursor "
            f"ON stage = '{stage}' WHERE dataset = '{dataset}' AND change.xid >= cursor.xid "
            f"AND change.xid < '{upto}' AND span_end < now() - interval '10 minutes'"
        )
        wait_until(lambda query=unread: stack.value(query) == 0, f"{stage} to pass its changes")


def check_truth(stack: Stack) -> int:
    """Hold the warehouse against the venue; return how many candles were compared.

    A live candle is on its way through the cascade at any moment, so an invariant may lag by the
    seconds that takes; one that does not come true by itself fails.
    """
    deadline = time.monotonic() + 600
    while True:
        settled(stack)
        try:
            return check_all(
                stack.exports["WAREHOUSE_URL"], stack.exports["SIMULATOR_URL"], SYMBOLS
            )
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(3)


def test_up_ran_the_main_job_and_says_where_to_look(stack: Stack) -> None:
    for words in ("candles 1m", "candles 4h", "open gaps", "quarantined", "make psql", "make down"):
        assert words in stack.first_output
    charts = " ".join(path.name for path in (stack.state / "outbox").glob("*.png"))
    assert all(symbol.lower() in charts for symbol in SYMBOLS)
    assert "running" in stack.run("make", "status")


def test_what_was_stored_is_the_venues_truth(stack: Stack) -> None:
    compared = check_truth(stack)
    assert compared >= 2 * 1440 * len(SYMBOLS) * 0.9


def test_up_again_reports_and_breaks_nothing(stack: Stack) -> None:
    history = "SELECT count(*) FROM ledger.landing WHERE run_id LIKE 'backfill%'"
    before = stack.value(history)
    assert before > 0
    assert "candles 1m" in stack.run("make", "up")
    assert stack.value(history) == before


def test_a_running_stack_does_not_change_its_settings_silently(stack: Stack) -> None:
    said = stack.run("make", "up", "SEED=99", ok=False)
    assert "SEED" in said
    assert "make down" in said


def test_a_further_range_loads_and_its_repetition_writes_nothing(stack: Stack) -> None:
    first = (datetime.now(UTC) - timedelta(days=6)).date()
    last = first + timedelta(days=1)
    command = (
        "bin/airflow", "backfill", "create", "--dag-id", "backfill_history",
        "--from-date", f"{first}", "--to-date", f"{last}",
    )  # fmt: skip
    end = last + timedelta(days=1)
    inside = f"FROM market.candle_1m WHERE open_time >= '{first}' AND open_time < '{end}'"
    assert stack.value(f"SELECT count(*) {inside}") == 0
    stack.run(*command)
    wait_until(
        lambda: (
            stack.value(
                "SELECT count(DISTINCT symbol) FROM ledger.load WHERE dataset = 'candle_1m' "
                f"AND span_start = '{first}' AND span_end = '{end}'"
            )
            == len(SYMBOLS)
        ),
        "the further range to be loaded",
    )
    settled(stack)
    stored = stack.value(f"SELECT count(*) {inside}")
    assert stored > 2 * 1440 * len(SYMBOLS) * 0.9

    newest = stack.value("SELECT max(load_id) FROM ledger.load")
    stack.run(*command)
    stack.run(*command, "--reprocess-behavior", "completed")
    reloaded = (
        f"FROM ledger.load WHERE load_id > {newest} AND dataset = 'candle_1m' "
        f"AND span_start = '{first}'"
    )
    wait_until(lambda: stack.value(f"SELECT count(*) {reloaded}") >= len(SYMBOLS), "the repetition")
    assert stack.value(f"SELECT sum(rows_inserted + rows_updated) {reloaded}") == 0
    assert stack.value(f"SELECT sum(rows_unchanged) {reloaded}") >= stored
    check_truth(stack)


def test_dates_in_the_wrong_order_are_one_line(stack: Stack) -> None:
    said = stack.run(
        "bin/airflow", "backfill", "create", "--dag-id", "backfill_history",
        "--from-date", "2026-02-02", "--to-date", "2026-02-01", ok=False,
    )  # fmt: skip
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "2026-02-02" in errors[0]
    assert "Traceback" not in said


def test_a_failed_run_is_told_once(stack: Stack) -> None:
    stack.run("bin/airflow", "dags", "trigger", "backfill_history", "--run-id", "without-dates")
    told = stack.state / "outbox"
    wait_until(
        lambda: any("without-dates" in path.read_text() for path in told.glob("*.md")),
        "the failure to be told",
    )
    told_of_it = (
        "FROM report.publication WHERE kind = 'failure' AND event_key LIKE '%without-dates%'"
    )
    assert stack.value(f"SELECT count(*) {told_of_it}") == 1


@pytest.mark.parametrize("part", ["scheduler", "postgres", "simulator"])
def test_a_part_that_is_killed_comes_back(stack: Stack, part: str) -> None:
    wait_until(lambda: is_healthy(stack), "every part to be healthy before the kill")
    old = kill(stack, part)
    wait_until(
        lambda: is_healthy(stack) and pid_of(stack, part) not in (0, old), f"{part} to be back"
    )
    check_truth(stack)


def test_new_candles_keep_arriving(stack: Stack) -> None:
    before = stack.value("SELECT count(*) FROM market.candle_1m")
    wait_until(
        lambda: stack.value("SELECT count(*) FROM market.candle_1m") > before, "a live candle"
    )


def test_the_airflow_api_asks_for_a_login(stack: Stack) -> None:
    url = stack.exports["AIRFLOW_URL"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}/api/v2/dags", timeout=120)  # noqa: S310
    with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=120) as answer:  # noqa: S310
        assert json.load(answer)["scheduler"]["status"] == "healthy"


def test_down_ends_every_process_and_may_be_repeated(stack: Stack) -> None:
    stack.run("make", "down")
    stack.run("make", "down")
    mark = str(stack.state).encode()
    left = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if mark in _read(path) and int(path.parent.name) != os.getpid()
    ]
    assert left == []


def status(stack: Stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "status"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def is_healthy(stack: Stack) -> bool:
    """Tell whether ``make status`` finds every part well and the exchange answers."""
    ping = f"{stack.exports['SIMULATOR_URL']}/api/v3/ping"
    try:
        with urllib.request.urlopen(ping, timeout=60):  # noqa: S310
            return status(stack).returncode == 0
    except OSError:
        return False


def kill(stack: Stack, part: str) -> int:
    """Kill -9 a part and return its pid; one that is just being started anew is waited for."""
    killed: list[int] = []

    def strike() -> bool:
        pid = pid_of(stack, part)
        # Number 0 would be our own process group.
        if pid > 0:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        return bool(killed)

    wait_until(strike, f"{part} to be there")
    return killed[0]


def pid_of(stack: Stack, part: str) -> int:
    """Return the process of a part; 0 while it has none."""
    for line in status(stack).stdout.splitlines():
        words = line.split()
        if words[:1] == [part] and len(words) > 2 and words[2].isdigit():
            return int(words[2])
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
