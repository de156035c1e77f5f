"""Roll-up 1m → 5m → 30m → 4h: in memory, in the warehouse, of a late minute, of a live one.

    make bench NAME=cascade                              a year of 20 instruments, 10,512,000 rows
    MINUTES=100000 INSTRUMENTS=4 SIZES=1,2 LIVE_MINUTES=60 make bench NAME=cascade        less

In memory every engine gets the same candles in its own form, with everything imported, in a
process of its own; the quickest of several runs counts, and rounds go through all in turn. Peers
that Candlewick does not use live in virtual environments made here. The warehouse is a durable
server with the stack's settings. What everybody computes is compared: equal up to the rounding of
sums, which only ours do exactly.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from contenders.cascade_goals import BULK, FRAMES, LIVE, OURS, PEERS, SQL, judge, late_name
from contenders.load_server import Server
from contenders.peer_environment import make_environment

from include.warehouse.roles import LOADER_LOGIN

HERE = Path(__file__).parent
RESULT = HERE / "results" / "cascade.json"
INSTRUMENTS = int(os.environ.get("INSTRUMENTS") or "20")
MINUTES = int(os.environ.get("MINUTES") or "525600")
ROUNDS = int(os.environ.get("ROUNDS") or "3")
REPEATS = int(os.environ.get("REPEATS") or "3")
SIZES = tuple(int(size) for size in (os.environ.get("SIZES") or "1,10,50").split(","))
"""Millions of stored 1m candles beside which a late minute is measured, ascending."""
LIVE_INSTRUMENTS = int(os.environ.get("LIVE_INSTRUMENTS") or "500")
LIVE_MINUTES = int(os.environ.get("LIVE_MINUTES") or "480")
YEAR = 525_600
PINS = ("polars==2.1.0", "duckdb==2.0.0", "pandas==3.1.1", "pyarrow==26.0.1")
OTHER_PINS = ("technical==1.7.0", "nautilus_trader==1.221.0", "pyarrow==26.0.1")
MEMORY = (
    (OURS, "cascade_ours", "arrays"),
    (FRAMES, "cascade_ours", "frames"),
    *zip(
        PEERS,
        ("cascade_peers",) * 6,
        ("pandas_resample", "pandas_groupby", "polars_dynamic", "polars_truncate",
         "polars_streaming", "duckdb"),
        strict=True,
    ),
)  # fmt: skip
OTHERS = (
    ("freqtrade's technical, resample_to_interval", "technical"),
    ("nautilus_trader, BarAggregator", "nautilus"),
)
AGREED = ("last_rows", "high_sum", "volume_sum", "close_sum")


class Bench:
    """Runs contenders, each in its own process, and keeps the least disturbed run of each."""

    def __init__(self, folder: Path) -> None:
        """Make the environments of the peers and the candles in ``folder``."""
        self.results: dict[str, dict[str, Any]] = {}
        self.data = folder / "candles.parquet"
        self.peers = make_environment(folder / "peers", PINS)
        self.others = make_environment(folder / "others", OTHER_PINS)
        arguments = (str(self.data), str(INSTRUMENTS), str(MINUTES))
        self.start(Path(sys.executable), "cascade_data", *arguments)

    def start(self, python: Path | None, program: str, *arguments: str) -> dict[str, Any]:
        """Run a program to its end; return what it printed last."""
        path = HERE / "contenders" / f"{program}.py"
        done = subprocess.run(
            [str(python), str(path), *arguments], check=False, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise SystemExit(f"a contender failed: {program} {arguments}")
        lines = done.stdout.splitlines()
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def keep(self, name: str, found: dict[str, Any]) -> None:
        """Keep what was found unless a quicker run is known; print it."""
        best = self.results.setdefault(name, found)
        if found.get("wall_s", math.inf) < best.get("wall_s", 0):
            self.results[name] = found
        print(describe(name, found), file=sys.stderr, flush=True)

    def in_memory(self) -> None:
        """Let everyone roll up the same candles; see that they agree."""
        for _ in range(ROUNDS):
            for name, program, way in MEMORY:
                python = Path(sys.executable) if program == "cascade_ours" else self.peers
                self.keep(name, self.start(python, program, way, str(self.data), str(REPEATS)))
        for name, way in OTHERS if self.others else ():
            self.keep(name, self.start(self.others, "cascade_traders", way, str(self.data), "1"))
        for name, _, _ in MEMORY:
            require_agreement(name, self.results[name], self.results[OURS])

    def warehouse(self, server: Server) -> None:
        """Roll up in the warehouse and in SQL, then change late minutes in ever larger ones."""
        python = Path(sys.executable)

        def run(way: str, login: str, *numbers: int) -> dict[str, Any]:
            dsn = (
                server.postgres.dsn("warehouse")
                if login == "superuser"
                else server.dsn("warehouse", login)
            )
            return self.start(python, "cascade_warehouse", way, dsn, *map(str, numbers))

        with server.warehouse():
            run("fill", "superuser", INSTRUMENTS, MINUTES)
            server.settle()
            self.keep(BULK, run("bulk", LOADER_LOGIN))
            self.keep(SQL, run("date_bin", "superuser"))
            if MINUTES == YEAR:
                require_agreement(SQL, self.results[SQL], self.results[OURS])
        with server.warehouse():
            for size in SIZES:
                run("fill", "superuser", max(2, round(size * 1e6 / MINUTES)), MINUTES)
                run("bulk", LOADER_LOGIN)
                server.settle()
                self.keep(late_name(size), run("late", LOADER_LOGIN, MINUTES))
        with server.warehouse():
            self.keep(LIVE, run("live", LOADER_LOGIN, LIVE_INSTRUMENTS, LIVE_MINUTES))


def require_agreement(name: str, found: dict[str, Any], ours: dict[str, Any]) -> None:
    """End the benchmark when a contender computed something else."""
    for key in AGREED:
        if not math.isclose(found[key], ours[key], rel_tol=1e-9):
            raise SystemExit(f"{name} says {key} is {found[key]}, ours is {ours[key]}")


def describe(name: str, found: dict[str, Any]) -> str:
    """Return one line of the table."""
    rate = f"{found['rows'] / found['wall_s']:>12,.0f} rows/s" if "wall_s" in found else ""
    rest = (
        f"{key} {value:.3g}"
        for key, value in found.items()
        if key not in ("rows", "wall_s", *AGREED) and isinstance(value, int | float)
    )
    return f"{name:44} {rate}  {', '.join(rest)}"


def report(results: dict[str, dict[str, Any]], about: str, busy: float) -> None:
    """Print the goals, then everyone's figures; write both."""
    goals = judge(results, SIZES)
    for goal, found in goals.items():
        print(f"{'met   ' if found['met'] else 'MISSED'} {goal}: {found['value']:,}")
    for name, found in results.items():
        print(describe(name, found))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    document = {
        "machine": machine,
        "server": about,
        "candles": INSTRUMENTS * MINUTES,
        "processes_waiting_before": busy,
        "goals": goals,
        "rows": [{"contender": name, **found} for name, found in results.items()],
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


def main() -> None:
    """Measure, print ratios, write the result file."""
    # How many processes wanted a core before we began: ratios of a busy machine are to be doubted.
    busy = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="candlewick-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        bench = Bench(folder)
        bench.in_memory()
        with Server(folder / "server") as server:
            bench.warehouse(server)
            about = server.describe()
    report(bench.results, about, busy)


if __name__ == "__main__":
    main()
