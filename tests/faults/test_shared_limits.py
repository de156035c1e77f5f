"""R1 and R3 among processes: what one of three learns of the venue's wishes, all three obey."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Open
from tests.support.fault_lab import (
    NIGHT,
    NOW_MS,
    Lab,
    assert_complete,
    count,
    on_pages,
    settle,
)
from tests.support.river import River
from tests.support.simulator import ROOT, run_simulator

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
WEIGHT_LIMIT = 400
WEIGHTS = {"/api/v3/ping": 1, "/api/v3/klines": 2, "/api/v3/time": 1, "/api/v3/exchangeInfo": 20}
UNDER_WAY = 2
"""Of each of the two others: the request that was granted before the word was written down."""
PLENTY = {"scope": "binance_spot", "weight": 10**9}


@pytest.fixture(scope="module")
def simulated() -> Iterator[Lab]:
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{NOW_MS}",
        "--outages-per-year", "0", "--weight-limit", "1000000000",
    ) as url:  # fmt: skip
        yield Lab(url)


@pytest.fixture
def strict_lab() -> Iterator[Lab]:
    """A venue of its own for the one test that uses up the weight of a minute."""
    with run_simulator(
        "--seed", "7", "--instruments", ",".join(SYMBOLS), "--clock", f"frozen:{NOW_MS}",
        "--outages-per-year", "0", "--weight-limit", str(WEIGHT_LIMIT),
    ) as url:  # fmt: skip
        yield Lab(url)


@pytest.fixture
def river(open_river: Open, lab: Lab) -> River:
    river = open_river(*SYMBOLS)
    river.sync()
    lab.forget()
    return river


def asked_after(
    said: list[dict[str, Any]], wish: str, hits: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the hits since the venue's wish was known to all: written down in the warehouse."""
    known_s = min(one[wish] for one in said if one[wish] is not None)
    return [hit for hit in hits if hit["time_ms"] > known_s * 1000]


def work_together(river: River, folder: Path, run_id: str, **changes: Any) -> list[dict[str, Any]]:
    """Let three processes backfill an instrument each, all at once; return what they say."""
    task = {
        "dsn": river.dsn, "url": river.venue_url, "folder": str(folder), "run_id": run_id,
        "start_ms": NIGHT.start_ms, "end_ms": NIGHT.end_ms, "page_limit": 30,
        "limit": PLENTY, "longest_wait_s": 60,
    } | changes  # fmt: skip
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.fault_worker", json.dumps(task | {"symbol": s})],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for s in SYMBOLS
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", process.communicate()[1].decode()
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    said = []
    for process in started:
        out, complaint = process.communicate(timeout=600)
        assert process.returncode == 0, complaint.decode()
        said.append(json.loads(out))
    return said


def test_r01_a_pause_that_one_process_is_asked_for_is_kept_by_all(
    lab: Lab, river: River, tmp_path: Path
) -> None:
    lab.break_things(on_pages("rate_limited", times=1, after=10, retry_after_s=2))
    said = work_together(river, tmp_path, "one")
    assert [one["rows"] for one in said] == [480, 480, 480]
    hits = lab.hits()
    broken = [hit for hit in hits if hit["pause_age_ms"] is not None]
    assert len(asked_after(said, "paused_s", broken)) <= UNDER_WAY
    assert [hit["status"] for hit in hits].count(429) == 1
    settle(river, run_id="one")
    assert_complete(river)


def test_r03_a_ban_that_one_process_meets_is_kept_by_all_and_by_their_successors(
    lab: Lab, river: River, tmp_path: Path
) -> None:
    lab.break_things(on_pages("banned", times=1, after=10, ban_s=3000.0))
    said = work_together(river, tmp_path, "one")
    assert [one["ended"] for one in said] == ["banned"] * 3
    assert sum(one["is_new"] for one in said) == 1
    asked = len(lab.hits())
    broken = [hit for hit in lab.hits() if hit["during_ban"]]
    assert len(asked_after(said, "banned_s", broken)) <= UNDER_WAY
    # Nobody of before is left; the ban is. It was told once, by whom it met first.
    again = work_together(river, tmp_path, "two")
    assert [(one["ended"], one["is_new"]) for one in again] == [("banned", False)] * 3
    assert len(lab.hits()) == asked
    assert sum(one["told"] for one in said + again) == 1
    (message,) = river.outbox.glob("*.md")
    assert "Banned by binance_spot until" in message.read_text()
    assert count(river, "report.publication") == 1
    # When it is over, all go on by themselves.
    lab.lift()
    river.conn.execute("UPDATE ledger.rate_budget SET banned_until = now()")
    after = work_together(river, tmp_path, "three")
    assert [one["ended"] for one in after] == [""] * 3
    settle(river, run_id="three")
    assert_complete(river)


def test_r01_three_processes_and_a_stranger_stay_below_the_venues_limit(
    strict_lab: Lab, warehouse_dsn: str, tmp_path: Path
) -> None:
    """Somebody else behind our address uses the venue too: its own count tells us."""
    lab = strict_lab
    with closing(River(warehouse_dsn, lab.url, tmp_path, SYMBOLS)) as river:
        river.sync()
        for _ in range(60):
            query = f"symbol=BTCUSDT&interval=1m&limit=1&endTime={NOW_MS}"
            with urllib.request.urlopen(f"{lab.url}/api/v3/klines?{query}", timeout=30) as answer:  # noqa: S310
                answer.read()
        limit = {"scope": "binance_spot", "weight": WEIGHT_LIMIT}
        changes = {"page_limit": 5, "limit": limit, "longest_wait_s": 0.2}
        said = work_together(river, tmp_path, "one", **changes)
    # The share was used up, and whoever would have had to wait for the next minute gave way.
    limited = [one for one in said if one["ended"] == "limited"]
    assert limited
    assert all(0 < one["retry_after_s"] <= 60 for one in limited)
    hits = lab.hits()
    assert {hit["status"] for hit in hits} == {200}
    minutes: Counter[int] = Counter()
    for hit in hits:
        minutes[hit["time_ms"] // 60_000] += WEIGHTS[hit["path"]]
    # Unknown to the first request of each process was the stranger only; and one request of each
    # may be under way when a minute ends.
    assert max(minutes.values()) <= WEIGHT_LIMIT * 0.8 + 2 * len(SYMBOLS)
