"""Landed Parquet into the warehouse, and out again: ours against COPY and the usual ways.

    make bench NAME=load                  5,212,800 candles: 20 instruments, 6 months
    ROWS=500000 make bench NAME=load      fewer

Ours is the job's own code: references resolved, primary key, foreign keys and checks enforced,
receipts, coverage and changes written. Peers fill a table without any key, which is their best
case. The limit sends bytes made ready beforehand into such a table. Everyone talks to one durable
server with the stack's settings, made here; each contender is a process of its own that has
imported everything before its clock starts. Rounds go through the quick ones in turn, and the best
of each counts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contenders.load_goals import (
    AGAIN,
    COPY_TO,
    COPY_TO_ORDERED,
    DLT,
    FIRST,
    IN_USE,
    LIMIT,
    LIMIT_FROZEN,
    LIMIT_TWICE,
    LIMIT_WHOLE,
    READ,
    REVISED,
    TO_SQL,
    judge,
)
from contenders.load_server import Server

HERE = Path(__file__).parent
RESULT = HERE / "results" / "load.json"
ROWS = int(os.environ.get("ROWS", "5200000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
PEERS = (
    "adbc-driver-manager==1.13.0", "adbc-driver-postgresql==1.13.0", "connectorx==0.4.6",
    "dlt[postgres]==1.31.0", "pandas==3.1.1", "pgpq==0.12.0", "psycopg[binary]==3.3.9",
    "psycopg2-binary==2.9.13", "pyarrow==26.0.1", "sqlalchemy==2.1.9",
)  # fmt: skip

Found = dict[str, float]


@dataclass(frozen=True)
class Contender:
    """A way to load or to read: which program runs it, and on how many rows at most."""

    name: str
    program: str
    way: str
    rows: int = ROWS * 2


QUICK = (
    Contender(LIMIT, "load_copy", "ready"),
    Contender(LIMIT_WHOLE, "load_copy", "ready_whole"),
    Contender(LIMIT_FROZEN, "load_copy", "ready_frozen"),
    Contender(LIMIT_TWICE, "load_copy", "ready_twice"),
    Contender("pgpq and COPY, bare table", "load_copy", "pgpq"),
    Contender("ADBC ingest, bare table", "load_copy", "adbc"),
)
SLOW = (
    Contender("psycopg copy.write_row", "load_copy", "write_row", 500_000),
    Contender("psycopg2 execute_values", "load_inserts", "execute_values", 200_000),
    Contender("Airflow insert_rows", "load_airflow", "insert_rows", 200_000),
    Contender(TO_SQL, "load_inserts", "to_sql", 100_000),
    Contender(DLT[0], "load_inserts", "dlt", 200_000),
    Contender(DLT[1], "load_inserts", "dlt_csv", 500_000),
    Contender(DLT[2], "load_inserts", "dlt_parquet", 2_000_000),
    Contender("ORM, look-up and commit per row", "load_inserts", "orm", 2_000),
)
READS = (
    Contender(COPY_TO, "load_reads", "copy"),
    Contender(COPY_TO_ORDERED, "load_reads", "copy_ordered"),
    Contender("limit: COPY TO, without a client", "load_reads", "copy_server"),
    Contender(READ, "load_ours", "read"),
    Contender("ADBC to Arrow", "load_reads", "adbc"),
    Contender("ADBC to Arrow to pandas", "load_reads", "adbc_pandas"),
    Contender("connectorx to Arrow", "load_reads", "connectorx"),
    Contender("pandas read_sql", "load_reads", "read_sql"),
)
OURS = ("load_ours", "load_data", "load_airflow")


def main() -> None:
    """Measure, print ratios, write the result file."""
    # How many processes wanted a core before we began: ratios of a busy machine are to be doubted.
    busy = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="candlewick-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        bench = Bench(folder, make_peers(folder))
        bench.start("load_data", str(folder), str(ROWS))
        with Server(folder / "server") as server:
            for turn in range(ROUNDS):
                for contender in QUICK:
                    bench.load_bare(server, contender)
                load_empty_months(bench, server, with_reads=turn == ROUNDS - 1)
                load_month_in_use(bench, server)
            for contender in SLOW:
                bench.load_bare(server, contender)
            about = server.describe()
    report(bench.results, about, busy)


def report(results: Mapping[str, Found], about: str, busy: float) -> None:
    """Print the goals, then everyone's figures; write both."""
    goals = judge(results)
    for goal, found in goals.items():
        print(f"{'met   ' if found['met'] else 'MISSED'} {goal}: {found['value']:,}")
    for name, found in results.items():
        print(describe(name, found))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    candles = int(results[FIRST]["rows"])
    rows: list[dict[str, Any]] = [{"contender": name, **found} for name, found in results.items()]
    document = {
        "machine": machine,
        "server": about,
        "candles": candles,
        "processes_waiting_before": busy,
        "goals": goals,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


def describe(name: str, found: Found) -> str:
    """Return one line of the table."""
    client, server = (1e6 * found[key] / found["rows"] for key in ("cpu_s", "server_cpu_s"))
    return (
        f"{name:38} {found['rows_per_s']:>11,.0f} rows/s  "
        f"CPU us/row {client:>8.2f} + server {server:>7.2f}  {found['wal_mb']:>8.1f} MB WAL  "
        f"{found['rss_mb']:>5.0f} MB  {found['rows']:>10,.0f} rows"
    )


class Bench:
    """Runs contenders and keeps the least disturbed run of each."""

    def __init__(self, folder: Path, peers: Path) -> None:
        """Work in ``folder``; ``peers`` is the interpreter of their environment."""
        self.folder, self.peers = folder, peers
        self.results: dict[str, Found] = {}

    def start(self, program: str, *arguments: str) -> Found:
        """Run a program to its end; return what it printed last."""
        python = sys.executable if program in OURS else str(self.peers)
        path = str(HERE / "contenders" / f"{program}.py")
        done = subprocess.run(
            [python, path, *arguments], check=False, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise SystemExit(f"a contender failed: {program} {arguments}")
        lines = done.stdout.splitlines()
        found: Found = json.loads(lines[-1]) if lines else {}
        return found

    def measure(self, server: Server, name: str, program: str, *arguments: str) -> Found:
        """Run a contender on a server that has nothing else left to do; keep its figures."""
        server.settle()
        before = server.figures()
        found = self.start(program, *arguments)
        after = server.figures()
        repeats = found.pop("repeats", 1)
        found |= {key: (after[key] - before[key]) / repeats for key in after}
        found["rows_per_s"] = found["rows"] / found["wall_s"]
        best = self.results.setdefault(name, found)
        rss_mb = max(best["rss_mb"], found["rss_mb"])
        if found["rows_per_s"] > best["rows_per_s"]:
            self.results[name] = found
        self.results[name]["rss_mb"] = rss_mb
        print(describe(name, found), file=sys.stderr, flush=True)
        return found

    def load_bare(self, server: Server, contender: Contender) -> None:
        """Let a peer fill an empty table without keys; see that all rows came."""
        rows = min(contender.rows, count_candles(self.folder))
        with server.bare() as dsn:
            arguments = (contender.way, dsn, str(self.folder), str(rows))
            found = self.measure(server, contender.name, contender.program, *arguments)
            require(contender.name, found | {"stored": server.count_stored(dsn)}, stored=rows)

    def load_ours(self, server: Server, dsn: str, turn: str, name: str | None = None) -> Found:
        """Put a turn's landings into the work list and load them; unnamed loads are not timed."""
        self.start("load_ours", "prepare", dsn, str(self.folder), turn)
        arguments = ("load_ours", "load", dsn, str(self.folder))
        if name is None:
            return self.start(*arguments)
        return self.measure(server, name, *arguments)

    def read(self, server: Server, contender: Contender, dsn: str) -> None:
        """Let one read a year of the first instrument."""
        arguments = (contender.way, dsn, str(self.folder), "0")
        found = self.measure(server, contender.name, contender.program, *arguments)
        if found["rows"] != 365 * 1440:
            raise SystemExit(f"{contender.name} read {found['rows']} rows of a year")


def load_empty_months(bench: Bench, server: Server, *, with_reads: bool) -> None:
    """Load everything for the first time, the same once more, then with some values revised."""
    rows = count_candles(bench.folder)
    with server.warehouse() as dsn:
        first = bench.load_ours(server, dsn, "first", FIRST)
        require(FIRST, first, inserted=rows)
        server.require_enforced(dsn)
        require(AGAIN, bench.load_ours(server, dsn, "again", AGAIN), unchanged=rows)
        if with_reads:
            bench.load_ours(server, dsn, "year")
            for contender in READS:
                bench.read(server, contender, dsn)
        revised = bench.load_ours(server, dsn, "revised", REVISED)
        require(REVISED, revised, updated=rows - int(revised["unchanged"]))


def load_month_in_use(bench: Bench, server: Server) -> None:
    """Load the other instruments into a month that holds one instrument's candles already."""
    with server.warehouse() as dsn:
        bench.load_ours(server, dsn, "neighbour")
        found = bench.load_ours(server, dsn, "rest", IN_USE)
        require(IN_USE, found, inserted=int(found["rows"]))


def require(name: str, found: Found, **counts: int) -> None:
    """End the benchmark when the receipts do not say what was to happen."""
    for fate, count in counts.items():
        if found.get(fate) != count or not count:
            raise SystemExit(f"{name}: expected {count} {fate}, was {found}")


def count_candles(folder: Path) -> int:
    """Return how many candles there are."""
    listed = json.loads((folder / "landings.json").read_text())
    return sum(landed["rows"] for landed in listed if landed["turn"] == "first")


def make_peers(folder: Path) -> Path:
    """Make the peers' virtual environment and return its interpreter."""
    python, uv = folder / "peers" / "bin" / "python", [sys.executable, "-m", "uv"]
    made = [*uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])]
    subprocess.run(made, check=True)
    subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), *PEERS], check=True)
    return python


if __name__ == "__main__":
    main()
