"""History from the venue to landed Parquet: ours against ccxt and freqtrade, in one run.

    make bench NAME=ingest

Everyone asks the same simulator on this machine for the same six months, so that the client is what
is measured: rows per second of its own CPU time. Each contender is a process of its own that has
imported everything before its clock starts; peers live in virtual environments made here. Rounds
go through all contenders in turn and the best of each counts. Limits show what nobody can beat with
a library off the shelf: reading the bytes alone, decoding them alone, and both together.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULT = HERE / "results" / "ingest.json"
PEERS = {
    "peers": (
        "ccxt==4.5.90", "msgspec==0.22.0", "orjson==3.13.0", "pandas==3.1.1", "pyarrow==26.0.1",
        "requests==2.34.2",
    ),
    "freqtrade_download": ("freqtrade==2026.9",),
}  # fmt: skip
SYMBOL = "BTCUSDT"
NOW = datetime(2026, 11, 10, tzinfo=UTC)
END = datetime(2026, 10, 1, tzinfo=UTC)
STARTS = {1: datetime(2026, 9, 1, tzinfo=UTC), 6: datetime(2026, 4, 1, tzinfo=UTC),
          24: datetime(2024, 10, 1, tzinfo=UTC)}  # fmt: skip
REPEATS = 3
DELAY_S = 0.05
PAGE_WEIGHT, WEIGHT_A_MINUTE, SHARE = 2, 6000, 0.8


@dataclass(frozen=True)
class Contender:
    """A way to get candles: which program runs it, and over how many months."""

    name: str
    program: str
    way: str
    months: int = 6


LIMIT = "limit: msgspec to columns"
FILE_LIMIT = "limit: unzip and Arrow to columns"
BOTH_LIMIT = "limit: http.client and msgspec, unchecked"
CONTENDERS = (
    Contender("ours, REST", "ours", "rest"),
    Contender("ours, archive", "ours", "archive"),
    Contender("ours, decoding alone", "ours", "decode"),
    Contender("ccxt", "peers", "ccxt"),
    Contender("freqtrade", "freqtrade_download", "rest"),
    Contender("archive with pandas", "peers", "archive"),
    Contender(LIMIT, "peers", "msgspec"),
    Contender("orjson to columns", "peers", "orjson"),
    Contender(FILE_LIMIT, "peers", "arrow"),
    Contender("limit: http.client, bytes alone", "peers", "wire_http"),
    Contender("limit: requests, bytes alone", "peers", "wire_requests"),
    Contender(BOTH_LIMIT, "peers", "wire_msgspec"),
)
MEMORY = tuple(
    Contender(f"ours, {title}, {months} months", "ours", way, months)
    for way, title in (("rest", "REST"), ("archive", "archive"))
    for months in (1, 24)
)
DECODERS = ("decode", "msgspec", "orjson", "arrow")


def main() -> None:
    """Measure, print ratios, write the result file."""
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pythons = {program: make_peer(folder, program) for program in PEERS}
        pythons["ours"] = Path(sys.executable)
        with simulator() as url:
            save_samples(url, folder)
            run(Contender("warm", "peers", "wire_http"), url, folder, pythons)
            for _ in range(REPEATS):
                for contender in CONTENDERS:
                    keep_best(results, contender, run(contender, url, folder, pythons))
            for contender in MEMORY:
                keep_best(results, contender, run(contender, url, folder, pythons))
        parallel = measure_parallel(folder)
    for title, found in results.items():
        print(describe(title, found))
    for tasks, speed in parallel.items():
        print(f"ours, REST, venue {DELAY_S * 1000:.0f} ms away, {tasks} tasks: {speed:.0f} pages/s")
    goals = judge(results, parallel)
    for goal, found in goals.items():
        print(f"{'met   ' if found['met'] else 'MISSED'} {goal}: {found['value']:.2f}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    rows: list[dict[str, Any]] = [{"contender": name, **found} for name, found in results.items()]
    rows += [{"contender": f"{DELAY_S:g} s away, {tasks} tasks", "pages_per_s": round(speed, 1)}
             for tasks, speed in parallel.items()]  # fmt: skip
    document = {"machine": machine, "goals": goals, "rows": rows}
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


def keep_best(
    results: dict[str, dict[str, float]], contender: Contender, found: dict[str, float]
) -> None:
    """Keep the least disturbed run, and the highest peak of memory."""
    best = results.setdefault(contender.name, found)
    rss_mb = max(best["rss_mb"], found["rss_mb"])
    if found["cpu_s"] < best["cpu_s"]:
        results[contender.name] = found
    results[contender.name]["rss_mb"] = rss_mb


def judge(
    results: dict[str, dict[str, float]], parallel: dict[int, float]
) -> dict[str, dict[str, Any]]:
    """Return each goal with its value, target and whether it is met."""

    def speed(name: str) -> float:
        return results[name]["rows_per_cpu_s"]

    def goal(value: float, target: float, *, at_most: bool = False) -> dict[str, Any]:
        met = value <= target if at_most else value >= target
        return {"value": round(value, 3), "target": round(target, 3), "met": met}

    goals = {}
    for title, limit in (("REST", LIMIT), ("archive", FILE_LIMIT)):
        ours = f"ours, {title}"
        for peer in ("ccxt", "freqtrade"):
            goals[f"{title}: rows per CPU second, times {peer}"] = goal(
                speed(ours) / speed(peer), 5.0
            )
        goals[f"{title}: share of the decode limit"] = goal(speed(ours) / speed(limit), 0.5)
        month = results[f"{ours}, 1 months"]["rss_mb"]
        for months, found in ((6, results[ours]), (24, results[f"{ours}, 24 months"])):
            goals[f"{title}: memory of {months} months over 1"] = goal(
                found["rss_mb"] / month, 1.25, at_most=True
            )
    allowed = WEIGHT_A_MINUTE * SHARE / PAGE_WEIGHT / 60
    goals["4 tasks, 50 ms away: share of the weight limit"] = goal(parallel[4] / allowed, 1.0)
    return goals


def run(contender: Contender, url: str, folder: Path, pythons: dict[str, Path]) -> dict[str, float]:
    """Run one contender in a process of its own and return its figures."""
    process = start(contender, STARTS[contender.months], END, url, folder, pythons)
    found = finish(process)
    expected = (END - STARTS[contender.months]).total_seconds() // 60
    if contender.way not in DECODERS and found["rows"] < expected:
        raise SystemExit(f"{contender.name} got {found['rows']:.0f} of {expected:.0f} candles")
    found["rows_per_cpu_s"] = found["rows"] / found["cpu_s"]
    found["rows_per_s"] = found["rows"] / found["wall_s"]
    return found


def start(
    contender: Contender, begin: datetime, end: datetime, url: str, folder: Path,
    pythons: dict[str, Path],
) -> subprocess.Popen[str]:  # fmt: skip
    """Start one contender."""
    program = str(HERE / "contenders" / f"{contender.program}.py")
    span = [str(int(instant.timestamp()) * 1000) for instant in (begin, end)]
    python = str(pythons[contender.program])
    return subprocess.Popen(
        [python, program, contender.way, url, SYMBOL, *span, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    """Return what a contender printed when it was done."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a contender failed: {process.args}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def measure_parallel(folder: Path) -> dict[int, float]:
    """Return pages per second from a venue 50 ms away, by how many tasks ask at once."""
    pythons, speeds = {"ours": Path(sys.executable)}, {}
    contender = Contender("far", "ours", "rest")
    with simulator() as near, far_away(near) as url:
        # The simulator has its answers ready, then.
        whole = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
        finish(start(contender, *whole, near, folder, pythons))
        for tasks in (1, 4):
            firsts = [datetime(2026, 1 + month, 1, tzinfo=UTC) for month in range(tasks + 1)]
            months = pairwise(firsts)
            running = [start(contender, *month, url, folder, pythons) for month in months]
            found = [finish(process) for process in running]
            slowest = max(one["wall_s"] for one in found)
            speeds[tasks] = sum(one["rows"] for one in found) / 1000 / slowest
    return speeds


def describe(name: str, found: dict[str, float]) -> str:
    """Return one line of the table."""
    return (
        f"{name:42} {found['rows_per_cpu_s']:>10,.0f} rows/CPU s  "
        f"{1e6 * found['cpu_s'] / found['rows']:>7.2f} CPU us/row  "
        f"{found['rows_per_s']:>10,.0f} rows/s  {found['rss_mb']:>6.0f} MB"
    )


def save_samples(url: str, folder: Path) -> None:
    """Keep one page of 1,000 candles and one month's file for those who only decode."""
    start_ms = int(STARTS[1].timestamp()) * 1000
    query = f"symbol={SYMBOL}&interval=1m&startTime={start_ms}&limit=1000"
    month = f"{SYMBOL}/1m/{SYMBOL}-1m-{STARTS[1]:%Y-%m}.zip"
    for path, name in (
        (f"/api/v3/klines?{query}", "page.json"),
        (f"/data/spot/monthly/klines/{month}", "month.zip"),
    ):
        with urllib.request.urlopen(url + path) as answer:  # noqa: S310
            (folder / name).write_bytes(answer.read())


def make_peer(folder: Path, program: str) -> Path:
    """Make a peer's virtual environment and return its interpreter."""
    python = folder / program / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])], check=True
    )
    subprocess.run(
        [*uv, "pip", "install", "-q", "--python", str(python), *PEERS[program]], check=True
    )
    return python


@contextmanager
def far_away(url: str) -> Iterator[str]:
    """Give an address that answers as ``url`` does, each half of the way ``DELAY_S`` / 2 later."""
    program = str(HERE / "contenders" / "far_away.py")
    process = subprocess.Popen(
        [sys.executable, program, url, str(DELAY_S)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield next(iter(process.stdout or ())).strip()
    finally:
        process.terminate()
        process.wait()


@contextmanager
def simulator() -> Iterator[str]:
    """Run the simulator without outages on a frozen clock and without limits."""
    command = [
        sys.executable, "-m", "include.simulator", "--port", "0", "--instruments", SYMBOL,
        "--outages-per-year", "0", "--weight-limit", "1000000000",
        "--clock", f"frozen:{int(NOW.timestamp()) * 1000}",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = next(iter(process.stdout or ()))
        yield said.split()[1]
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
