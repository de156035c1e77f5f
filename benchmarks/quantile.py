"""Quantile regression: 10,000 segments at five levels, and clouds of up to half a million points.

    make bench NAME=quantile                             10,000 segments; n up to 500,000
    SEGMENTS=400 CLOUDS=10000 make bench NAME=quantile   less

Every contender gets the same numbers in its own form, in a process of its own, with everything
imported and compiled, on one thread. CPU seconds count: of ours the quickest of several runs, of
the others one run, as they take so long. The slow ones are given every k-th segment, and the table
says of how many. Python peers live in a virtual environment made here. R's quantreg takes part
where Rscript finds it (Debian: r-cran-quantreg). Losses of all are held against those of ours:
nobody may get below.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from contenders.peer_environment import make_environment
from contenders.quantile_data import draw_batch, draw_cloud
from contenders.quantile_goals import (
    OURS,
    PLANES,
    R_BR,
    STATSMODELS,
    cloud_name,
    compare,
    judge,
    losses_of,
    per_fit,
)
from contenders.quantile_run import TAUS, Problem

HERE = Path(__file__).parent
RESULT = HERE / "results" / "quantile.json"
SEGMENTS = int(os.environ.get("SEGMENTS") or "10000")
CLOUDS = tuple(int(n) for n in (os.environ.get("CLOUDS") or "10000,100000,500000").split(","))
REPEATS = int(os.environ.get("REPEATS") or "5")
WIDTHS = (2, 4, 6)
PINS = ("statsmodels==0.15.0", "scikit-learn==1.9.1", "pyfixest==0.60.0", "pinball-qr==1.0.0")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
EVERYTHING = 10**9
BATCH = (
    (OURS, "ours", "lines", 1),
    (PLANES, "ours", "planes", 1),
    (R_BR, "R", "br", 1),
    ("R quantreg, fnb", "R", "fnb", 5),
    ("pinball-qr, br", "peers", "pinball_br", 5),
    ("pinball-qr, fnb", "peers", "pinball_fnb", 10),
    (STATSMODELS, "peers", "statsmodels", 50),
    ("scikit-learn, HiGHS", "peers", "sklearn", 100),
    ("pyfixest, fn", "peers", "pyfixest_fn", 200),
)
"""Contender, where it runs, its way, and which segments it gets: every so many-th."""
LONG = (
    (OURS, "ours", "lines", EVERYTHING, (2,)),
    (PLANES, "ours", "planes", EVERYTHING, WIDTHS),
    ("R quantreg, pfn", "R", "pfn", EVERYTHING, WIDTHS),
    ("R quantreg, fnb", "R", "fnb", 100_000, WIDTHS),
    ("pinball-qr, pfn", "peers", "pinball_pfn", EVERYTHING, WIDTHS),
    ("pinball-qr, fnb", "peers", "pinball_fnb", 100_000, WIDTHS),
    ("pyfixest, pfn", "peers", "pyfixest_pfn", 100_000, WIDTHS),
    (STATSMODELS, "peers", "statsmodels", 100_000, WIDTHS),
    ("scikit-learn, HiGHS", "peers", "sklearn", 10_000, (2,)),
)
"""Contender, where it runs, its way, the longest cloud it gets, and which widths."""


class Bench:
    """Runs contenders, each in its own process, and holds their losses against those of ours."""

    def __init__(self, folder: Path) -> None:
        """Make the environment of the peers in ``folder``."""
        self.folder = folder
        self.missing: list[str] = []
        peers, rscript = make_environment(folder / "peers", PINS), find_quantreg()
        contenders = HERE / "contenders"
        self.commands: dict[str, list[str]] = {
            "ours": [sys.executable, str(contenders / "quantile_ours.py")],
            "peers": [str(peers), str(contenders / "quantile_peers.py")] if peers else [],
            "R": [rscript, str(contenders / "quantile_peer.R")] if rscript else [],
        }

    def fit(self, name: str, where: str, way: str, problem: Path, step: int) -> dict[str, Any]:
        """Let a contender fit a problem; return its figures and ``coefficients``, {} if absent."""
        if not self.commands[where]:
            self.missing.append(f"{name}: not installed on this machine")
            return {}
        out, repeats = self.folder / "coefficients", REPEATS if where == "ours" else 1
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [*self.commands[where], way, str(problem), str(step), str(repeats), str(out)],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
        )
        if done.returncode:
            self.missing.append(f"{name}: failed on {problem.name}")
            return {}
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        table = np.fromfile(out).reshape(-1, found["segments"] * len(TAUS)).T
        return found | {"coefficients": table.reshape(found["segments"], len(TAUS), -1)}

    def compete(
        self, problem: Problem, path: Path, contenders: list[tuple[str, str, str, int]]
    ) -> dict[str, dict[str, Any]]:
        """Let all fit ``problem``, ours first; return what was found by name."""
        problem.write(path)
        results: dict[str, dict[str, Any]] = {}
        least = np.empty((0, 0))
        for name, where, way, step in contenders:
            found = self.fit(name, where, way, path, step)
            if not found:
                continue
            losses = losses_of(problem.thin(step), found.pop("coefficients"))
            least = losses if not results else least
            results[name] = found | compare(losses, least[::step])
            print(describe(f"{path.name}: {name}", results[name]), file=sys.stderr, flush=True)
        if not results or OURS not in next(iter(results)):
            raise SystemExit("our own engine failed")
        return results

    def batch(self) -> dict[str, dict[str, Any]]:
        """Let everyone fit the many segments."""
        return self.compete(draw_batch(SEGMENTS), self.folder / "batch", list(BATCH))

    def clouds(self) -> dict[str, dict[str, Any]]:
        """Let everyone fit the long clouds that are not too long for him."""
        results = {}
        for count in CLOUDS:
            for width in WIDTHS:
                chosen = [
                    (name, where, way, 1)
                    for name, where, way, most, widths in LONG
                    if count <= most and width in widths
                ]
                path = self.folder / f"n{count}-p{width}"
                found = self.compete(draw_cloud(count, width), path, chosen)
                results |= {cloud_name(name, count, width): one for name, one in found.items()}
                shutil.rmtree(path)
        return results


def find_quantreg() -> str | None:
    """Return the path of Rscript if it has quantreg."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    done = subprocess.run([rscript, "-e", "library(quantreg)"], check=False, capture_output=True)
    return rscript if done.returncode == 0 else None


def describe(name: str, found: dict[str, Any]) -> str:
    """Return one line of the table."""
    rest = f", gap {found['gap']:.2g}" if "gap" in found else ""
    return (
        f"{name:44} {per_fit(found) * 1e6:>14,.1f} CPU us per segment of {found['segments']:>6}, "
        f"loss above ours at most {found['excess_most']:.2g}, in {found['share_worse']:.2%} "
        f"of fits{rest}"
    )


def report(
    batch: dict[str, dict[str, Any]],
    clouds: dict[str, dict[str, Any]],
    missing: list[str],
    busy: float,
) -> None:
    """Print the goals, then everyone's figures; write both."""
    goals = judge(batch, clouds)
    for goal, found in goals.items():
        print(f"{'met   ' if found['met'] else 'MISSED'} {goal}: {found['value']:,}")
    for name, found in (*batch.items(), *clouds.items()):
        print(describe(name, found))
    for line in missing:
        print(line)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    document = {
        "machine": machine,
        "segments": SEGMENTS,
        "processes_waiting_before": busy,
        "goals": goals,
        "batch": [{"contender": name, **found} for name, found in batch.items()],
        "clouds": [{"contender": name, **found} for name, found in clouds.items()],
        "missing": missing,
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n")


def main() -> None:
    """Measure, print ratios, write the result file."""
    # How many processes wanted a core before we began: ratios of a busy machine are to be doubted.
    busy = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="candlewick-bench-") as name:
        bench = Bench(Path(name))
        batch = bench.batch()
        clouds = bench.clouds()
    report(batch, clouds, bench.missing, busy)


if __name__ == "__main__":
    main()
