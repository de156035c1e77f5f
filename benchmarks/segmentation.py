"""Straight trends: seconds, exactness, growth and accuracy of the search for breaks.

    make bench NAME=segmentation                                  up to a year of minutes
    SIZES=1000,3000,10000 SERIES=40 make bench NAME=segmentation                      less

Ours and ruptures' and skchange's searches cut the same simulated series into lines, with the same
penalty under unit noise, each in a process of its own; what they find is priced by the same cost.
Accuracy is that of default configurations on simulated trends under five kinds of noise, and on the
annotated series of TCPDBench where these are at hand. Real minutes are recordings, repeated to a
year, where these are at hand; ``RECORDINGS`` names their folder.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contenders.peer_environment import make_environment
from contenders.segmentation_goals import ONLINE, REAL, YEAR, judge

from include.channels.segmentation import bic_penalty

HERE = Path(__file__).parent
RESULT = HERE / "results" / "segmentation.json"
SIZES = tuple(
    int(size)
    for size in (os.environ.get("SIZES") or "500,1000,3000,10000,100000,525600").split(",")
)
SERIES = int(os.environ.get("SERIES") or "200")
PEER_SERIES = int(os.environ.get("PEER_SERIES") or "40")
"""Simulated series per noise that the slow peers are scored on: the first of ours."""
REPEATS = 3
RECORDINGS = Path(os.environ.get("RECORDINGS") or HERE.parents[1] / "shared" / "data")
PINS = ("ruptures==1.1.10", "skchange[numba]==0.18.0")
LIMITS = {
    "ruptures Pelt": 3000,
    "ruptures Dynp": 500,
    "ruptures Binseg": 3000,
    "ruptures KernelCPD, means": 10_000,
    "skchange PELT": 10_000,
}
"""The longest series of each peer: longer ones take minutes."""
EXACT = ("ruptures Pelt", "ruptures Dynp", "skchange PELT")


class Bench:
    """Runs contenders, each in its own process, and keeps what they found."""

    def __init__(self, folder: Path) -> None:
        """Make the peers' environment in ``folder``."""
        self.folder = folder
        self.results: dict[str, dict[str, Any]] = {}
        self.peers = make_environment(folder / "peers", PINS)

    def keep(self, name: str, python: Path, program: str, *arguments: object) -> dict[str, Any]:
        """Run a contender to its end and keep what it printed last; print a line about it."""
        path = HERE / "contenders" / f"segmentation_{program}.py"
        done = subprocess.run(
            [str(python), str(path), *map(str, arguments)],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"a contender failed: {name}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.results[name] = found
        print(f"{name:44} {describe(found)}", file=sys.stderr, flush=True)
        return found

    def speed(self) -> None:
        """Cut ever longer series with and without breaks; see that exact searches agree."""
        own = Path(sys.executable)
        for size in SIZES:
            for kind, draw in (("trends", draw_trends), ("no change", draw_calm)):
                path = self.folder / f"{kind}-{size}.npy"
                np.save(path, draw(size))
                self.keep(f"ours, {kind}, {size}", own, "ours", "search", path, REPEATS)
            path = self.folder / f"trends-{size}.npy"
            ours = self.results[f"ours, trends, {size}"]
            for peer, longest in LIMITS.items():
                if self.peers is None or size > longest:
                    continue
                wanted, price = len(ours["breaks"]), bic_penalty(size)
                found = self.keep(
                    f"{peer}, {size}", self.peers, "peers", "time", peer, path, wanted, price
                )
                if peer in EXACT:
                    found["excess"] = excess(np.load(path), found["breaks"], ours)
        for found in self.results.values():
            found["breaks"] = len(found["breaks"])

    def others(self) -> None:
        """Measure real minutes, new candles and accuracy."""
        own = Path(sys.executable)
        self.keep(ONLINE, own, "ours", "online", "-", REPEATS)
        closes = read_closes()
        if closes is not None and YEAR in SIZES:
            path = self.folder / "real.npy"
            np.save(path, repeat(closes, YEAR))
            self.keep(REAL, own, "ours", "whole", path, REPEATS)
        self.keep("accuracy, ours", own, "ours", "accuracy", "-", SERIES)
        for peer in ("ruptures Pelt", "ruptures Binseg") if self.peers else ():
            self.keep(f"accuracy, {peer}", self.peers, "peers", "score", peer, PEER_SERIES)
        if (RECORDINGS / "tcpd" / "annotations.json").is_file():
            self.keep("TCPD", own, "tcpd", RECORDINGS / "tcpd")


def draw_trends(count: int) -> Any:
    """Return lines of 50 to 200 values joined end to end, under unit noise."""
    rng = np.random.default_rng(11)
    lengths = rng.integers(50, 201, size=count // 50 + 1)
    slopes = np.repeat(rng.normal(scale=0.3, size=len(lengths)), lengths)[:count]
    return np.cumsum(slopes) + rng.normal(size=count)


def draw_calm(count: int) -> Any:
    """Return unit noise alone."""
    return np.random.default_rng(12).normal(size=count)


def read_closes() -> Any:
    """Return recorded log closes of one instrument, None where there is no recording."""
    paths = sorted((RECORDINGS / "binance_usdm_1m").glob("FILUSDT-1m-*.csv.gz"))
    if not paths:
        return None
    return np.log(np.concatenate([pd.read_csv(path)["close"].to_numpy(float) for path in paths]))


def repeat(closes: Any, count: int) -> Any:
    """Return ``count`` values: the recording again and again, each going on where one ended."""
    rises = np.diff(closes, prepend=closes[0])
    return closes[0] + np.cumsum(np.resize(rises, count))


def excess(values: Any, breaks: Sequence[int], ours: dict[str, Any]) -> float:
    """Return by what share of ours the price of a peer's cut lies above it."""
    times = np.arange(float(len(values)))
    edges = [0, *breaks, len(values)]
    total = bic_penalty(len(values)) * (len(edges) - 1)
    for start, end in pairwise(edges):
        line = np.polyfit(times[start:end] - times[start], values[start:end], 1, full=True)
        total += float(line[1][0])
    return total / float(ours["objective"]) - 1


def describe(found: dict[str, Any]) -> str:
    """Return one line about what a contender found."""
    if "wall_s" in found:
        return f"{found['wall_s']:>10.5f} s, CPU {found['cpu_s']:.5f} s"
    if "ours" in found:
        return json.dumps(found["ours"])
    return ", ".join(f"{kind} F1 {one['f1']:.3f}" for kind, one in found.items())


def main() -> None:
    """Measure, print goals, write the result file."""
    # How many processes wanted a core before we began: times of a busy machine are to be doubted.
    busy = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="candlewick-bench-") as name:
        bench = Bench(Path(name))
        bench.speed()
        bench.others()
    goals = judge(bench.results)
    for goal, found in goals.items():
        print(f"{'met   ' if found['met'] else 'MISSED'} {goal}: {found['value']:,}")
    document = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "processes_waiting_before": busy,
        "sizes": SIZES,
        "series": {"ours": SERIES, "peers": PEER_SERIES},
        "goals": goals,
        "rows": [{"contender": name, **found} for name, found in bench.results.items()],
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
